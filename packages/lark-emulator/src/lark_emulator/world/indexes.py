"""Finding the rows of a table by the value of one field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from lark_emulator.slicing import free_items

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

#: Rows that are entered between two turns of other clients.
_RUN = 4000


class IndexedRow(Protocol):
    """What an index knows of a row."""

    @property
    def record_id(self) -> str:
        """Its id."""

    @property
    def cells(self) -> Mapping[str, Any]:
        """Its values by field id."""

    @property
    def number(self) -> int:
        """What rows are ordered by."""


class Index:
    """The ids of a table's rows by the value of one field.

    It is made in runs, between which others may write: what they write to rows that are entered already, or
    that are newer than the index, is entered at once; all else is found by the run that comes to it.

    Args:
        field_id: The id of the field by whose values the rows are looked up.
        rows: The rows to be entered, in order; the list must stay as it is.
    """

    def __init__(self, field_id: str, rows: Sequence[IndexedRow]) -> None:
        self._field_id = field_id
        self._rows = rows
        self._next = 0
        self._entered_to = 0
        self._newer_than = rows[-1].number if rows else 0
        # One id, as with keys, or several: a dictionary for each value would cost memory.
        self._held: dict[Any, str | dict[str, None]] = {}

    def advance(self, current: Mapping[str, IndexedRow]) -> bool:
        """Enter the next run, and say whether there are more.

        Args:
            current: The rows of the table by id, as they are now.
        """
        run = self._rows[self._next : self._next + _RUN]
        for row in run:
            record = current.get(row.record_id)
            if record is not None:
                self._enter(record.cells.get(self._field_id), record.record_id)
        if run:
            self._next += len(run)
            self._entered_to = run[-1].number
        if self._next < len(self._rows):
            return True
        self._rows, self._next = [], 0
        return False

    def change(self, before: IndexedRow | None, after: IndexedRow | None) -> None:
        """Follow the change of a row; before it is added, and when it is gone, it is None."""
        row = after or before
        if row is None or not (row.number <= self._entered_to or row.number > self._newer_than):
            return
        old = None if before is None else before.cells.get(self._field_id)
        new = None if after is None else after.cells.get(self._field_id)
        if old is not new:
            self._leave(old, row.record_id)
            self._enter(new, row.record_id)

    def find(self, value: Any) -> Iterable[str]:
        """Return the ids of the rows that hold a (hashable) value, in no order."""
        held = self._held.get(value, ())
        return (held,) if isinstance(held, str) else held

    def free(self) -> Generator[None, None, None]:
        """Free what it holds; other requests are served meanwhile."""
        yield from free_items(self._held)

    def _enter(self, value: Any, record_id: str) -> None:
        if value is None:
            return
        held = self._held.setdefault(value, record_id)
        if held is record_id:
            return
        if isinstance(held, str):
            held = self._held[value] = {held: None}
        held[record_id] = None

    def _leave(self, value: Any, record_id: str) -> None:
        if value is None:
            return
        held = self._held[value]
        if isinstance(held, dict):
            del held[record_id]
        if not held or isinstance(held, str):
            del self._held[value]
