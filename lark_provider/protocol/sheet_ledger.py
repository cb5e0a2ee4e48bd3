"""The ledger's records of tables in spreadsheets: plain data, shared by api and storage.

Writes to a spreadsheet have no idempotency token. The position takes its place: the rows of each segment are
reserved in the ledger before it is sent, so that a repeat writes the same cells again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from lark_provider.protocol.ledger import Claimant, Lease, LeaseConflict
from lark_provider.protocol.ledger_entry import LedgerState


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows of a table that are written together.

    Attributes:
        number: The number of the segment, from 0.
        first: The number of its first row in the source, from 1.
        row_count: How many rows it has.
        digest: A hash of the cells that are sent.
        sums: A checksum of 4 bytes for each row, to name the first one that differs.
        row: The row of the worksheet where it begins, from 1; 0 until it is reserved.
        above: A checksum of the row above it when it was reserved, which shows whether rows have moved since;
            empty if there was none, None if it is not known.
    """

    number: int
    first: int
    row_count: int
    digest: str
    sums: bytes = field(repr=False)
    row: int = 0
    above: bytes | None = None

    @property
    def end(self) -> int:
        """The last row of the worksheet that it occupies."""
        return self.row + self.row_count - 1


@dataclass(frozen=True, slots=True)
class RecordedSegment:
    """A segment as the ledger records it.

    Attributes:
        segment: The segment as it was recorded before it was sent.
        state: The state of the segment in the ledger: `PENDING`, `DONE` or `REFUSED`.
        seconds_since_sent: Seconds since it was last sent, by the database's clock.
    """

    segment: Segment
    state: LedgerState
    seconds_since_sent: float


@dataclass(frozen=True, slots=True)
class TableWrite:
    """A table that is being written, as the ledger records it.

    Attributes:
        id: The id of the table in the ledger.
        state: `PENDING` until the source has ended and everything is written.
        segments: How many segments are recorded.
        detail: Decisions that were made before the first write, such as where the table begins.
    """

    id: str
    state: LedgerState
    segments: int
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reservation:
    """The answer to a request for rows.

    Attributes:
        lease: The lease of the spreadsheet, taken or renewed; or the conflict with its holder.
        recorded: The segment as it is recorded now; None if the lease was not granted.
        is_new: Whether the segment was recorded just now, so that it was never sent.
    """

    lease: Lease | LeaseConflict
    recorded: RecordedSegment | None = None
    is_new: bool = False


class Tables(Protocol):
    """The tables in spreadsheets that were written, and are being written."""

    def open(self, target: str, key: str, detail: Mapping[str, Any], *, keeps: bool) -> TableWrite:
        """Return a table, which is recorded if it is new."""

    def reserve(
        self,
        write: str,
        claimant: Claimant,
        done: int | None,
        segment: Segment,
        *,
        is_disjoint: bool,
    ) -> Reservation:
        """Record in one commit a written segment and the rows of the next one, and renew the lease."""

    def move(self, write: str, claimant: Claimant, segment: Segment, *, is_disjoint: bool) -> Reservation:
        """Record a pending segment again: with other rows or cells, or because it is sent again."""

    def record_written(self, write: str, number: int) -> None:
        """Record that a segment is written; since that is certain, no lease is needed."""

    def finish(self, write: str, done: int | None) -> None:
        """Record that the source has ended and every segment is written."""

    def read_segments(self, write: str, after: int, count: int) -> Sequence[RecordedSegment]:
        """Return the segments after a number, in order."""

    def release(self, write: str, owner: str, number: int) -> None:
        """Forget a segment that this writer has reserved, and of which nothing was written."""

    def list_twins(self, write: str, segment: Segment) -> Sequence[int]:
        """Return the rows where other segments with the content of this one were written, in its columns."""
