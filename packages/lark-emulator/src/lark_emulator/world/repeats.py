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
            kind: of what is made.
            whose: the id of the app, or of the calendar, within which the token holds.
            token: the client's; empty = it sent none.
            among: what there is, by id.
        """
        made_id = self._made.get((kind, whose, token)) if token else None
        return None if made_id is None else among.get(made_id)

    def note(self, kind: str, whose: str, token: str, made_id: str) -> None:
        """Note what was made; see `find`."""
        if token:
            self._made[kind, whose, token] = made_id
