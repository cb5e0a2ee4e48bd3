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
        """Mask a text, and bytes that were passed in its place; return anything else as it is.

        Any other type is refused later, by code that knows which argument it is.

        Args:
            text: The secret.
        """
        if isinstance(text, bytes | bytearray):
            return _MaskedBytes(text)  # callers may be untyped
        return cls(text) if isinstance(text, str) else text


class _MaskedBytes(bytes):
    """Bytes that will be refused, masked until then: the frames of the error still hold them."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "b'***'"


_MaskedBytes.__name__ = "bytes"  # An error names the type that it got.
