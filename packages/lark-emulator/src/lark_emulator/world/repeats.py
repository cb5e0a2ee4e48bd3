"""What was made under a token of the client's, so that a repeated request makes nothing new."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")


class Repeats:
    """The ids of what was made in the directory, in calendars and in tasks, by the clients' tokens."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str, str], str] = {}

    def __len__(self) -> int:
        return len(self._made)

    def find(self, kind: str, whose: str, token: str, among: Mapping[str, T]) -> T | None:
        """Return what was made under a token, if it is still there.

        Args:
            kind: The kind of object that the token belongs to, such as `task` or `event`.
            whose: The id of the app, or of the calendar, within which the token holds.
            token: The client's token for the request; empty = it sent none.
            among: The existing objects of this kind, by id.
        """
        made_id = self._made.get((kind, whose, token)) if token else None
        return None if made_id is None else among.get(made_id)

    def note(self, kind: str, whose: str, token: str, made_id: str) -> None:
        """Note what was made; see `find`."""
        if token:
            self._made[kind, whose, token] = made_id
