"""Secrets as values: strings that show nothing of themselves."""

from __future__ import annotations

from typing import Self, overload


class Secret(str):
    """A string whose `repr` is masked, so that no traceback, log line or debugger shows it by accident.

    It is a string everywhere else, JSON and comparison included. What is made of it, as by an f-string or
    `encode()`, is not masked: that is done where the bytes go to the wire, and nowhere before.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __str__(self) -> Self:
        return self

    @overload
    @classmethod
    def of(cls, text: None) -> None: ...
    @overload
    @classmethod
    def of(cls, text: str) -> Secret: ...
    @classmethod
    def of(cls, text: str | None) -> Secret | None:
        """Mask a text; return anything else as it is, since it is checked later.

        Args:
            text: The secret.
        """
        return cls(text) if isinstance(text, str) else text
