"""The index of a sync: rows of the source, records of the table and the plan, in a temporary file.

This is the interface; `storage.sync_index` implements it. All methods block, and are run by the effect
`Local`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple, Protocol, TypeAlias

from lark_provider.protocol.effects import OpenSyncIndex

MARKED: Final = b"marked"
"""`ScannedRecord.values` of a record without a row that has already been marked as missing."""
WriteKind: TypeAlias = Literal["create", "update", "delete"]


class Staged(NamedTuple):
    """A row of the source.

    Attributes:
        row: The row's number in the source, from 1.
        key: The row's key.
        shape: The fields that the row names, as `SyncLayout.make_shape` encodes them; None if it is rejected.
        digest: A hash of the row's canonical values; None if it is rejected.
        wire: Its values in the form in which they are written, as JSON. None if it is rejected; its key still
            counts as present, so that its record is left alone.
    """

    row: int
    key: str
    shape: str | None
    digest: int | None
    wire: bytes | None


KnownRow: TypeAlias = "tuple[int | None, str | None, int | None]"
"""What the index knows about the row with a key: row, shape and digest, as in `Staged`; or all None."""


class ScannedRecord(NamedTuple):
    """A record of the table.

    Attributes:
        record_id: The id of the record.
        key: The key of the record, which may be empty; None if it cannot be read.
        row: The number of the row of the source that has the same key, or None.
        values: The canonical values of the fields that the row names, as JSON, if they differ from the row's;
            for a record without a row, `MARKED` or None.
    """

    record_id: str
    key: str | None
    row: int | None
    values: bytes | None


class Difference(NamedTuple):
    """A record that may differ from its row.

    Attributes:
        record_id: The id of the record.
        row: The number of its row in the source, from 1.
        key: The key that record and row have in common.
        shape: The fields that the row names, as in `Staged`.
        values: The record's canonical values of the fields that the row names, as JSON.
        wire: The row's values in the form in which they are written, as JSON.
    """

    record_id: str
    row: int
    key: str
    shape: str
    values: bytes
    wire: bytes


class Planned(NamedTuple):
    """A write that the plan provides for.

    Attributes:
        number: The place of the write in the plan.
        kind: Whether it creates, updates or deletes a record.
        row: The number of the row in the source; 0 for a record that is missing there.
        key: The key of the record.
        record_id: The id of the record; empty for one that is created.
        before: The present values of the cells that change, in canonical form, as JSON.
        after: The cells to write, as JSON.
    """

    number: int
    kind: WriteKind
    row: int
    key: str
    record_id: str
    before: bytes | None
    after: bytes | None


class SyncIndex(Protocol):
    """The index of one sync."""

    def stage(self, rows: Sequence[Staged]) -> None:
        """Add rows of the source."""

    def seal(self) -> list[tuple[int, str, int]]:
        """End the source; drop rows that repeat a key, and return them: row, key, earlier row."""

    def reject(self, rows: Sequence[int]) -> None:
        """Reject rows that were added before: their keys stay, and their values are removed."""

    def count(self) -> int:
        """Return how many rows of the source have a key, rejected ones included."""

    def count_accepted(self) -> int:
        """Return how many rows of the source are not rejected."""

    def measure_longest_key(self) -> int:
        """Return the length of the longest key of the source."""

    def read_keys(self, after_row: int, count: int) -> list[tuple[int, str]]:
        """Return row and key of the next rows of the source."""

    def read_wire(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the values of rows by key, without those that are rejected."""

    def look_up(self, keys: Sequence[str | None]) -> list[KnownRow]:
        """Return what is known about the row of the source that has each key."""

    def begin_scan(self) -> None:
        """Begin to count records; records that were seen before stay until `end_scan`."""

    def see(self, records: Sequence[ScannedRecord]) -> None:
        """Add records of the table, or replace what was seen of them before."""

    def count_scanned(self) -> int:
        """Return how many different records were seen since `begin_scan`."""

    def count_records(self) -> int:
        """Return how many different records were seen."""

    def end_scan(self, *, keep: bool) -> None:
        """End a scan; forget records that were not seen since `begin_scan`, unless `keep` is True."""

    def forget(self, record_ids: Sequence[str]) -> None:
        """Forget records, since they do not exist any more."""

    def read_unmatched_rows(self, after_row: int, count: int) -> list[tuple[int, str]]:
        """Return row and key of the next rows for which no record was seen."""

    def count_unreadable(self) -> int:
        """Return how many records have a key that cannot be read."""

    def count_keyless(self) -> int:
        """Return how many records have an empty key."""

    def iterate_duplicates(self) -> Iterator[tuple[int, list[str]]]:
        """Return the rows whose key several records have, each with these records."""

    def leave_alone(self, record_ids: Sequence[str]) -> None:
        """Keep duplicates out of the plan."""

    def iterate_differences(self) -> Iterator[Difference]:
        """Return the records that differ from their row by digest."""

    def plan_creates(self) -> int:
        """Plan a create for each row without a record; return how many."""

    def plan(self, writes: Sequence[Planned]) -> None:
        """Add writes to the plan; their numbers are given by the index."""

    def iterate_missing(self, count: int) -> Iterator[list[tuple[str, str]]]:
        """Yield record id and key of the records that are missing in the source, in batches."""

    def read_plan(self, kind: WriteKind | None = None) -> Iterator[Planned]:
        """Return the plan, or the writes of one kind, in order."""

    def read_plan_after(self, kind: WriteKind, number: int, count: int) -> list[Planned]:
        """Return the next writes of one kind."""

    def count_writes(self) -> dict[str, int]:
        """Return how many writes of each kind are planned."""

    def begin_linked(self, field: str) -> None:
        """Forget the records that an earlier scan of another table has added."""

    def add_linked(self, field: str, records: Sequence[tuple[str, str]]) -> None:
        """Add records of another table: key and record id."""

    def find_linked(self, field: str, keys: Sequence[str]) -> Mapping[str, str | None]:
        """Return ids of another table's records by key; None if several have it."""

    def close(self) -> None:
        """Delete the file."""


def open_index() -> Generator[OpenSyncIndex, object, SyncIndex]:
    """Open an index, inside a procedure."""
    index: SyncIndex = yield OpenSyncIndex()  # type: ignore[assignment]  # as the effect says
    return index
