"""The rows of a Bitable table: in order, by id, by value, and as they were a moment ago."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from lark_emulator.world.apps import App
    from lark_emulator.world.users import User


@dataclass(slots=True)
class Record:
    """A row: values by field id, in write shape, empty cells left out. Only `Records` changes it."""

    record_id: str
    cells: dict[str, Any]
    created_by: App | User
    created_time: int
    modified_by: App | User
    modified_time: int
    number: int


#: Who holds a value: one record, as with keys, or several by id (a dictionary for each would cost memory).
_Index = dict[Any, "Record | dict[str, Record]"]


#: Rows that are copied between two turns of other clients.
_TURN = 2000


class _Edit(NamedTuple):
    time: float
    record_id: str
    before: Record | None


class Records:
    """The rows of one table, in the order in which they were added.

    Pages are cut from a list that is kept until a row is removed, and rows are found by the value of a field
    through an index that is built when it is first asked for: a scan of 100,000 rows, and a look-up among
    them, take no longer than they must.
    """

    def __init__(self) -> None:
        self._by_id: dict[str, Record] = {}
        self._listed: list[Record] | None = []
        self._indexes: dict[str, _Index] = {}
        self._edits: deque[_Edit] = deque()
        self._last_number = 0
        self.version = 0
        """Counts edits: what was found by an older version may have changed."""
        self.history_s = 0.0
        """For how many seconds edits are kept, for `as_of`."""

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, record_id: object) -> bool:
        return record_id in self._by_id

    def __getitem__(self, record_id: str) -> Record:
        return self._by_id[record_id]

    def __iter__(self) -> Iterator[Record]:
        return iter(self._by_id.values())

    def listed(self) -> list[Record]:
        """Return all rows in order. The list is the table's own: it must not be changed, nor kept."""
        if self._listed is None:
            self._listed = list(self._by_id.values())
        return self._listed

    def as_of(self, time: float) -> list[Record]:
        """Return the rows in order as they were at a time, as far as `history_s` reaches back."""
        if not self._edits or self._edits[-1].time <= time:
            return self.listed()
        then = dict(self._by_id)
        for edit in reversed(self._edits):
            if edit.time <= time:
                break
            if edit.before is None:
                then.pop(edit.record_id, None)
            else:
                then[edit.record_id] = edit.before
        return sorted(then.values(), key=place)

    def forget_history(self) -> None:
        """Make all reads show what is there now."""
        self._edits.clear()

    def with_value(self, field_id: str, value: Any) -> Iterable[Record]:
        """Return the rows that hold a (hashable) value in a field, in no order."""
        index = self._indexes.get(field_id)
        if index is None:
            index = self._indexes[field_id] = {}
            for record in self:
                _enter(index, record, field_id)
        held = index.get(value, ())
        if isinstance(held, Record):
            return (held,)
        return held.values() if isinstance(held, dict) else ()

    def add(
        self, record_id: str, cells: dict[str, Any], by: App | User, time_ms: int, *, now: float
    ) -> Record:
        """Append a row, and return it."""
        self._last_number += 1
        record = Record(record_id, cells, by, time_ms, by, time_ms, self._last_number)
        self._note(record_id, None, now)
        self._by_id[record_id] = record
        if self._listed is not None:
            self._listed.append(record)
        for field_id, index in self._indexes.items():
            _enter(index, record, field_id)
        return record

    def change(
        self, record: Record, cells: dict[str, Any], by: App | User, time_ms: int, *, now: float
    ) -> None:
        """Set cells of a row; None empties one."""
        self._note(record.record_id, record, now)
        for field_id, value in cells.items():
            index = self._indexes.get(field_id)
            if index is not None:
                _leave(index, record, field_id)
            if value is None:
                record.cells.pop(field_id, None)
            else:
                record.cells[field_id] = value
            if index is not None:
                _enter(index, record, field_id)
        record.modified_by, record.modified_time = by, time_ms

    def remove(self, record_id: str, *, now: float) -> None:
        """Remove a row."""
        record = self._by_id[record_id]
        self._note(record_id, record, now)
        for field_id, index in self._indexes.items():
            _leave(index, record, field_id)
        del self._by_id[record_id]
        self._listed = None

    def drop_values(self, field_id: str, kept: Iterable[str] = ()) -> None:
        """Empty a column, but for the rows in `kept`."""
        self._indexes.pop(field_id, None)
        self.version += 1
        spared = set(kept)
        for record in self:
            if record.record_id not in spared:
                record.cells.pop(field_id, None)

    def copied(self) -> Generator[None, None, Records]:
        """Return a copy with the same ids and people; others have their turn while it is made."""
        made = Records()
        made.version, made.history_s = self.version, self.history_s
        for number, record in enumerate(list(self), 1):
            cells = {field_id: _copied(value) for field_id, value in record.cells.items()}
            made._by_id[record.record_id] = replace(record, cells=cells)
            if number % _TURN == 0:
                yield
        made._last_number, made._listed = self._last_number, None
        return made

    def _note(self, record_id: str, record: Record | None, now: float) -> None:
        self.version += 1
        if self.history_s <= 0:
            return
        before = None if record is None else replace(record, cells=dict(record.cells))
        self._edits.append(_Edit(now, record_id, before))
        while self._edits[0].time < now - self.history_s:
            self._edits.popleft()


def place(record: Record) -> int:
    """Return what rows are ordered by."""
    return record.number


def _copied(value: Any) -> Any:
    """Return a value of its own; the people and apps in it stay who they are."""
    if isinstance(value, list):
        return [_copied(each) for each in value]
    if isinstance(value, dict):
        return {name: _copied(each) for name, each in value.items()}
    return value


def _enter(index: _Index, record: Record, field_id: str) -> None:
    value = record.cells.get(field_id)
    if value is None:
        return
    held = index.setdefault(value, record)
    if held is record:
        return
    if isinstance(held, Record):
        held = index[value] = {held.record_id: held}
    held[record.record_id] = record


def _leave(index: _Index, record: Record, field_id: str) -> None:
    value = record.cells.get(field_id)
    if value is None:
        return
    held = index[value]
    if isinstance(held, dict):
        del held[record.record_id]
    if held is record or not held:
        del index[value]
