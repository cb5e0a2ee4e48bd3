"""The rows of a Bitable table: in order, by id, by value, and as they were a moment ago."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from lark_emulator.garbage_collection import hide_list
from lark_emulator.slicing import at_once, free_items
from lark_emulator.world.indexes import Index

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    from lark_emulator.world.apps import App
    from lark_emulator.world.users import User


@dataclass(slots=True)
class Record:
    """A row: values by field id, in write shape, empty cells left out.

    It stays as it is: a change puts another one in its place, so that who holds it sees it as it was.
    """

    record_id: str
    cells: Mapping[str, Any]
    created_by: App | User
    created_time: int
    modified_by: App | User
    modified_time: int
    number: int


#: Rows that are looked at, and changed if need be, between two turns of other clients.
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
        self._is_lent = False
        """Whether `_listed` must stay as it is, since a snapshot is made of it."""
        self._indexes: dict[str, Index] = {}
        self._edits: deque[_Edit] = deque()
        self._last_number = 0
        self.version = 0
        """Counts edits: what was found by an older version may have changed."""
        self.history_s = 0.0
        """For how many seconds edits are kept, for `before`."""

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, record_id: object) -> bool:
        return record_id in self._by_id

    def __getitem__(self, record_id: str) -> Record:
        return self._by_id[record_id]

    def __iter__(self) -> Iterator[Record]:
        return iter(self._by_id.values())

    def get(self, record_id: str) -> Record | None:
        """Return a row, or None if there is none of this id."""
        return self._by_id.get(record_id)

    def list_all(self) -> list[Record]:
        """Return all rows in order. The list is the table's own: it must not be changed, nor kept."""
        if self._listed is None:
            self._listed, self._is_lent = hide_list(list(self._by_id.values())), False
        return self._listed

    def find_place(self, record_id: str) -> int:
        """Return the place of a row in `list_all`."""
        return bisect_left(self.list_all(), self._by_id[record_id].number, key=get_number)

    def take_snapshot(self) -> list[Record]:
        """Return all rows in order as they are now, however others write meanwhile."""
        rows = self.list_all()
        self._is_lent = True
        return rows

    def collect_earlier(self, time: float) -> dict[str, Record | None]:
        """Return what was at a time in the place of rows that were edited since: a row, or none.

        Args:
            time: Seconds since the epoch, as far back as `history_s`.
        """
        then: dict[str, Record | None] = {}
        for edit in reversed(self._edits):
            if edit.time <= time:
                break
            then[edit.record_id] = edit.before
        return then

    def forget_history(self) -> None:
        """Make all reads show what is there now."""
        self._edits.clear()

    def make_index(self, field_id: str) -> Generator[None, None, None]:
        """Make the index of a field, if there is none: `with_value` then answers quickly."""
        index = self._indexes.get(field_id)
        if index is None:
            index = self._indexes[field_id] = Index(field_id, self.take_snapshot())
        while index.advance(self._by_id):
            yield

    def with_value(self, field_id: str, value: Any) -> list[Record]:
        """Return the rows that hold a (hashable) value in a field, in no order."""
        at_once(self.make_index(field_id))
        return [self._by_id[record_id] for record_id in self._indexes[field_id].find(value)]

    def add(
        self, record_id: str, cells: Mapping[str, Any], by: App | User, time_ms: int, *, now: float
    ) -> Record:
        """Append a row, and return it."""
        self._last_number += 1
        record = Record(record_id, cells, by, time_ms, by, time_ms, self._last_number)
        self._note(record_id, None, now)
        self._by_id[record_id] = record
        if self._is_lent:
            self._listed, self._is_lent = None, False
        if self._listed is not None:
            self._listed.append(record)
        for index in self._indexes.values():
            index.change(None, record)
        return record

    def change(
        self, record_id: str, cells: Mapping[str, Any], by: App | User, time_ms: int, *, now: float
    ) -> Record:
        """Set cells of a row, of which None empties one, and return it as it is now."""
        old = self._by_id[record_id]
        self._note(record_id, old, now)
        return self._put(old, cells, by, time_ms)

    def set_cells(self, record_id: str, cells: Mapping[str, Any]) -> Record:
        """Set cells of a row as `change` does, but by no person and at no time."""
        old = self._by_id[record_id]
        self.version += 1
        return self._put(old, cells, old.modified_by, old.modified_time)

    def remove(self, record_id: str, *, now: float) -> None:
        """Remove a row."""
        record = self._by_id[record_id]
        self._note(record_id, record, now)
        for index in self._indexes.values():
            index.change(record, None)
        del self._by_id[record_id]
        self._listed, self._is_lent = None, False

    def drop_values(self, field_id: str, is_dropped: Callable[[Any], bool]) -> Generator[None, None, None]:
        """Empty the cells of a column that hold a certain value; other requests are served meanwhile.

        Rows that others write meanwhile are looked at again, until none holds such a value.
        """
        self._indexes.pop(field_id, None)
        done = -1
        while done != self.version:
            done = self.version
            record_ids = hide_list(list(self._by_id))
            self._listed, self._is_lent = None, False  # the rows of before are freed one by one
            while record_ids:
                before = self.version
                for record_id in record_ids[-_TURN:]:
                    record = self._by_id.get(record_id)
                    value = None if record is None else record.cells.get(field_id)
                    if value is not None and is_dropped(value):
                        self.set_cells(record_id, {field_id: None})
                done += self.version - before
                del record_ids[-_TURN:]
                yield

    def copy(self) -> Records:
        """Return a copy with the same ids and people."""
        duplicate = Records()
        duplicate.version, duplicate.history_s = self.version, self.history_s
        duplicate._by_id = dict(self._by_id)
        duplicate._last_number, duplicate._listed = self._last_number, None
        return duplicate

    def free(self) -> Generator[None, None, None]:
        """Free the rows, which no request reads any more; other requests are served meanwhile."""
        if self._is_lent:
            self._listed = None
        by_id, listed, indexes = self._by_id, self._listed or [], self._indexes
        self._by_id, self._listed, self._indexes = {}, [], {}
        self._is_lent = False
        for index in indexes.values():
            yield from index.free()
        yield from free_items(listed)
        yield from free_items(by_id)

    def _put(self, old: Record, cells: Mapping[str, Any], by: App | User, time_ms: int) -> Record:
        filled = {name: value for name, value in {**old.cells, **cells}.items() if value is not None}
        record = Record(old.record_id, filled, old.created_by, old.created_time, by, time_ms, old.number)
        self._by_id[old.record_id] = record
        if self._is_lent:
            self._listed, self._is_lent = None, False
        if self._listed is not None:
            self._listed[bisect_left(self._listed, old.number, key=get_number)] = record
        for index in self._indexes.values():
            index.change(old, record)
        return record

    def _note(self, record_id: str, record: Record | None, now: float) -> None:
        self.version += 1
        if self.history_s <= 0:
            return
        self._edits.append(_Edit(now, record_id, record))
        while self._edits[0].time < now - self.history_s:
            self._edits.popleft()


def get_number(record: Record) -> int:
    """Return what rows are ordered by."""
    return record.number
