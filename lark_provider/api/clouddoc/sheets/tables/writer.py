"""Write the segments of a table, and keep what is written and what it is to look like."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from lark_provider.api.clouddoc.document_lease import DocumentLease
from lark_provider.api.clouddoc.sheets.addressing import Range
from lark_provider.api.clouddoc.sheets.tables.chunks import TableChunk, encode_chunk
from lark_provider.api.clouddoc.sheets.tables.encoding import SUM_BYTES
from lark_provider.api.clouddoc.sheets.tables.judging import (
    format_spans,
    list_changed_rows,
)
from lark_provider.api.clouddoc.sheets.tables.options import TableOptions
from lark_provider.api.clouddoc.sheets.tables.place import TableOnSheet
from lark_provider.protocol.errors import ConflictError, LarkError
from lark_provider.protocol.ledger_entry import LedgerState
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.sheet_ledger import RecordedSegment, TableWrite
from lark_provider.protocol.store import with_store

logger = logging.getLogger(__name__)

_BLANKED = 5000
_SHOWN = 5


@dataclass(slots=True)
class TableWriter:
    """Writes one table.

    Attributes:
        place: The worksheet.
        lease: The lease of the spreadsheet.
        write: The table in the ledger; None without a database.
        options: The options of the table.
        written: How many rows are written, without the header; those of `replayed` included.
        replayed: How many of the rows an earlier attempt has written.
        formats: The ranges of cells that need each format.
        ranges: The first and the last row of the worksheet of each run of written rows.
        unrecorded: The number of the last segment that is written and is not recorded yet; None if there is
            none.
    """

    place: TableOnSheet
    lease: DocumentLease
    write: TableWrite | None
    options: TableOptions
    written: int = 0
    replayed: int = 0
    formats: dict[str, list[Range]] = field(default_factory=dict)
    ranges: list[tuple[int, int]] = field(default_factory=list)
    unrecorded: int | None = None
    _ends: dict[tuple[str, int, int], int] = field(default_factory=dict)
    """The place of the range of a format that ends in a column and a row."""

    def add_written(
        self, chunk: TableChunk, row: int, *, places: Sequence[int] | None = None, is_replayed: bool = False
    ) -> None:
        """Count rows of a chunk as written, and keep where they are and their formats.

        Args:
            chunk: The chunk.
            row: The row of the worksheet where they begin, from 1.
            places: The rows, from 0; all of the chunk if None.
            is_replayed: Whether an earlier attempt has written them.
        """
        height = chunk.count if places is None else len(places)
        count = height - chunk.header_rows
        self.written += count
        self.replayed += count if is_replayed else 0
        last = row + height - 1
        if self.ranges and self.ranges[-1][1] == row - 1:
            self.ranges[-1] = (self.ranges[-1][0], last)
        else:
            self.ranges.append((row, last))
        top = row + chunk.header_rows
        for place, formats in enumerate(chunk.formats):
            column = self.place.get_column(place) if formats is not None else 0
            if isinstance(formats, str) and count:
                self._add_formats(formats, Range(top, column, last, column))
            elif isinstance(formats, list):
                cell_formats = formats if places is None else [formats[at] for at in places]
                for text, first, end in iterate_runs(cell_formats):
                    self._add_formats(text, Range(top + first, column, top + end, column))

    def _add_formats(self, text: str, area: Range) -> None:
        known = self.formats.setdefault(text, [])
        assert area.last_row is not None  # noqa: S101 - the range is closed
        place = self._ends.pop((text, area.first_column, area.first_row - 1), None)
        if place is None:
            place = len(known)
            known.append(area)
        else:
            known[place] = known[place]._replace(last_row=area.last_row)
        self._ends[text, area.first_column, area.last_row] = place

    def wait_until_settled(self, recorded: RecordedSegment) -> Procedure[None]:
        """Wait until a request that was sent for a segment cannot take effect any more."""
        pause = self.options.settle_after - recorded.seconds_since_sent
        if pause > 0:
            logger.info(
                "Waiting until an uncertain write cannot take effect any more",
                extra={"segment": recorded.segment.number, "wait_s": round(pause, 1)},
            )
            yield from self.lease.pause(pause)

    def put(self, chunk: TableChunk, row: int) -> Procedure[bool]:
        """Write a chunk at a place that is the table's own.

        Args:
            chunk: The chunk.
            row: The row of the worksheet where the chunk begins, from 1.

        Returns:
            Whether others have written in the spreadsheet meanwhile.
        """
        write, done = self.write, self.unrecorded
        if write is not None:
            segment = chunk.make_segment(row)
            answer = yield from self.lease.reserve(
                lambda store: store.sheets.reserve(
                    write.id, self.lease.claimant, done, segment, is_disjoint=False
                )
            )
            self.unrecorded = None
            recorded = answer.recorded if answer is not None else None
            assert recorded is not None  # noqa: S101 - the lease was granted
            if answer is not None and not answer.is_new:
                if recorded.state is LedgerState.PENDING and recorded.segment.digest != chunk.digest:
                    yield from self.wait_until_settled(recorded)
                yield from self.lease.reserve(
                    lambda store: store.sheets.move(write.id, self.lease.claimant, segment, is_disjoint=False)
                )
        is_disturbed = yield from self.place.write(self.lease, chunk, row)
        self.unrecorded = chunk.number
        self.add_written(chunk, row)
        return is_disturbed

    def verify(self, parts: Sequence[tuple[int, bytes, frozenset[int]]]) -> Procedure[None]:
        """Check that rows are still there as they were written.

        Args:
            parts: For each part the row of the worksheet where it begins, its checksums, and the columns that
                are not compared.

        Raises:
            ConflictError: Some are not; the text names them.
        """
        for row, sums, unchecked_columns in parts:
            last = row + len(sums) // SUM_BYTES - 1
            for first in range(row, last + 1, _BLANKED):
                end = min(last, first + _BLANKED - 1)
                now = yield from self.place.read(self.lease, first, end)
                changed = list_changed_rows(
                    now, sums[SUM_BYTES * (first - row) : SUM_BYTES * (end - row + 1)], unchecked_columns
                )
                if changed:
                    raise self.make_conflict_error(
                        [first + place for place in changed],
                        "moved or changed by others while it was written",
                    )

    def blank(self, first: int, last: int) -> Procedure[None]:
        """Clear rows of the table's columns.

        Args:
            first: The first row.
            last: The last row.
        """
        for row in range(first, last + 1, _BLANKED):
            count = min(_BLANKED, last - row + 1)
            rows: list[Sequence[Any]] = [("",) * self.place.width] * count
            yield from self.place.write(self.lease, encode_chunk(0, 1, rows, (), self.place.blocks), row)

    def finish(self) -> Procedure[None]:
        """Record that everything is written."""
        write, done = self.write, self.unrecorded
        if write is not None:
            yield from with_store(lambda store: store.sheets.finish(write.id, done))

    def abandon(self) -> Procedure[None]:
        """Record what is certain, after an error."""
        write, done = self.write, self.unrecorded
        if write is not None and done is not None:
            yield from with_store(
                lambda store: store.sheets.record_written(write.id, done), wait_for_database=False
            )

    def explain(self, error: Exception) -> None:
        """Add to an error what is written of the table, so that nothing half-written is left unsaid."""
        if not self.ranges:
            return
        rows = ", ".join(f"{first} to {last}" for first, last in self.ranges[:_SHOWN])
        more = " …" if len(self.ranges) > _SHOWN else ""
        summary = (
            f"The table is incomplete: {self.written:,} row(s) of the source are written, in rows "
            f"{rows}{more} of worksheet {self.place.title!r}."
        )
        if isinstance(error, LarkError):
            what, mark, todo = str(error).partition(" Next: ")
            error.args = (f"{what} {summary}{mark}{todo}", *error.args[1:])
        else:
            error.add_note(summary)

    def make_conflict_error(self, rows: Sequence[int], what: str) -> ConflictError:
        """Return the error for rows that others have changed, moved or overwritten."""
        were = "were" if len(rows) > 1 else "was"
        return ConflictError(
            f"In worksheet {self.place.title!r}, {format_spans(rows)} of the table {were} {what}. Next: "
            "look at these rows in the spreadsheet's history; "
            "then call again."
        )


def iterate_runs(formats: Iterable[str | None]) -> Iterator[tuple[str, int, int]]:
    """Yield the runs of cells of a column that need the same format.

    Args:
        formats: The format of each cell; None for a cell that needs none.

    Yields:
        A format, and the first and the last cell that has it, from 0.
    """
    start = 0
    for text, equal_formats in itertools.groupby(formats):
        end = start + sum(1 for _ in equal_formats)
        if text is not None:
            yield text, start, end - 1
        start = end
