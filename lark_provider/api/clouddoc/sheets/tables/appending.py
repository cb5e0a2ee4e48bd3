"""Append the segments of a table: reserve rows, check them, write them, check them again."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lark_provider.api.clouddoc.loads.chunks import find_first_difference
from lark_provider.api.clouddoc.loads.errors import SourceChangedError
from lark_provider.api.clouddoc.loads.leasing import TakenOverError
from lark_provider.api.clouddoc.sheets.tables.chunks import TableChunk, select_rows
from lark_provider.api.clouddoc.sheets.tables.encoding import SUM_BYTES, check_sum, normalize_cell
from lark_provider.api.clouddoc.sheets.tables.judging import (
    SegmentVerdict,
    find_offset,
    is_blank,
    judge,
    list_changed_rows,
)
from lark_provider.api.clouddoc.sheets.tables.merges import clear_merges
from lark_provider.api.clouddoc.sheets.tables.moved import NEAR, find_moved
from lark_provider.api.clouddoc.sheets.tables.writer import TableWriter
from lark_provider.protocol.errors import LarkError, OutcomeUnknownError
from lark_provider.protocol.ledger_entry import LedgerState
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.sheet_ledger import RecordedSegment, Segment
from lark_provider.protocol.store import with_store

logger = logging.getLogger(__name__)

_MAX_TAKEOVERS = 20
"""How often one segment is decided again since another process had the spreadsheet."""


@dataclass(slots=True)
class Appender(TableWriter):
    """Writes rows of one table below what is there.

    Attributes:
        last: The chunk that was appended last, and where.
        tail: The last row of the worksheet that is known to have content, from 1, and its cells.
        unsent: The number of a segment that this attempt has reserved and of which nothing was written, after
            an error; None if there is none.
    """

    last: tuple[TableChunk, int] | None = None
    tail: tuple[int, Sequence[Any]] = (0, ())
    unsent: int | None = None

    def append(self, chunk: TableChunk, least: int) -> Procedure[int]:
        """Write a chunk in rows of its own.

        Args:
            chunk: The chunk.
            least: The first row that it may have.

        Returns:
            The row after it.

        Raises:
            ConflictError: Others have changed its rows; the text names them.
            SourceChangedError: It is written with other rows.
        """
        for _ in range(_MAX_TAKEOVERS):
            try:
                return (yield from self.append_once(chunk, least))
            except TakenOverError:
                logger.info(
                    "Another process has written the spreadsheet; deciding again",
                    extra={"segment": chunk.number},
                )
                continue
        raise TakenOverError(
            "Other processes have taken the spreadsheet over again and again. Next: call again later.",
            retryable=True,
        )

    def abandon(self) -> Procedure[None]:
        """Record what is certain, after an error: what is written, and that a refused segment is not."""
        yield from TableWriter.abandon(self)
        write, unsent, owner = self.write, self.unsent, self.lease.claimant.owner
        if write is not None and unsent is not None:
            yield from with_store(
                lambda store: store.sheets.release(write.id, owner, unsent), wait_for_database=False
            )

    def append_once(self, chunk: TableChunk, least: int) -> Procedure[int]:
        """Write a chunk, as `append` does, unless another process has the spreadsheet meanwhile.

        Args:
            chunk: The chunk.
            least: The first row that it may have.

        Raises:
            TakenOverError: Another process has the spreadsheet.
        """
        self.unsent = None
        row, is_replayed = yield from self._append(chunk, least)
        self.add_written(chunk, row, is_replayed=is_replayed)
        self.tail = (row + chunk.count - 1, chunk.last_row)
        return row + chunk.count

    def _append(self, chunk: TableChunk, least: int) -> Procedure[tuple[int, bool]]:
        recorded, is_fresh = yield from self._reserve(chunk, least)
        if recorded.state is LedgerState.DONE:
            if recorded.segment.digest != chunk.digest:
                raise _make_changed_source_error(recorded.segment, chunk)
            return recorded.segment.row, True
        if not is_fresh and recorded.segment.digest != chunk.digest:
            yield from self._require_undone(recorded, chunk)
            recorded, is_fresh = yield from self._reserve_elsewhere(chunk, recorded.segment.row)
        while True:
            row = recorded.segment.row
            # Read with the row above, which shows whether rows were inserted.
            top = max(row - 1, 1)
            # Refreshed first: rows below the grid as it was known would be taken for blank.
            yield from self.place.grow(self.lease, row + chunk.count - 1)
            rows = yield from self.place.read(self.lease, top, row + chunk.count - 1)
            above, now = rows[: row - top], rows[row - top :]
            if is_fresh:
                if all(map(is_blank, now)):
                    break
            elif (earlier := (yield from self._find_earlier(chunk, recorded, now))) is not None:
                self.unrecorded = chunk.number
                return earlier, True
            elif judge(now, chunk).verdict is not SegmentVerdict.FOREIGN:
                break
            # Others have written there first.
            self.tail = yield from self.place.find_last(self.lease, row)
            recorded, is_fresh = yield from self._reserve_elsewhere(chunk, self.tail[0] + 1)
        writes = self.place.writes
        try:
            yield from clear_merges(self, row, row + chunk.count - 1)
            is_disturbed = yield from self.place.write(self.lease, chunk, row)
        except LarkError as error:
            is_refused = not isinstance(error, OutcomeUnknownError) and self.place.writes == writes
            self.unsent = chunk.number if is_fresh and is_refused else None
            raise
        if is_disturbed:
            row = yield from self._verify_written(chunk, row, above)
        self.unrecorded, self.last = chunk.number, (chunk, row)
        return row, False

    def _reserve(self, chunk: TableChunk, least: int) -> Procedure[tuple[RecordedSegment, bool]]:
        segment, write = self._make_segment(chunk, least), self.write
        if write is None:
            return RecordedSegment(segment, LedgerState.PENDING, 0.0), True
        done = self.unrecorded
        answer = yield from self.lease.reserve(
            lambda store: store.sheets.reserve(write.id, self.lease.claimant, done, segment, is_disjoint=True)
        )
        self.unrecorded = None
        assert answer is not None  # noqa: S101 - the table has come from a database
        assert answer.recorded is not None  # noqa: S101 - the lease was granted
        return answer.recorded, answer.is_new

    def _reserve_elsewhere(self, chunk: TableChunk, least: int) -> Procedure[tuple[RecordedSegment, bool]]:
        """Record a segment at other rows."""
        segment, write = self._make_segment(chunk, least), self.write
        if write is None:
            return RecordedSegment(segment, LedgerState.PENDING, 0.0), True
        answer = yield from self.lease.reserve(
            lambda store: store.sheets.move(write.id, self.lease.claimant, segment, is_disjoint=True)
        )
        assert answer is not None  # noqa: S101 - the table has come from a database
        if answer.recorded is None or not answer.is_new:
            raise TakenOverError(
                "Another process has written this segment meanwhile. Next: call again.", retryable=True
            )
        return answer.recorded, True

    def _make_segment(self, chunk: TableChunk, row: int) -> Segment:
        last, cells = self.tail
        return chunk.make_segment(row, cells if last == row - 1 else ())

    def _find_earlier(
        self, chunk: TableChunk, recorded: RecordedSegment, now: list[list[Any]]
    ) -> Procedure[int | None]:
        """Return where a segment is that an earlier attempt may have written; None if it was not written.

        Args:
            chunk: The rows of the segment.
            recorded: The segment, as it was recorded.
            now: What its rows have now.

        Raises:
            ConflictError: A part of it is written, or it cannot be determined.
        """
        segment, row, judgement = recorded.segment, recorded.segment.row, judge(now, chunk)
        if judgement.verdict is SegmentVerdict.OURS:
            return None  # to be written again, which changes nothing
        if judgement.verdict is SegmentVerdict.FOREIGN:
            # Its request may still take effect there, after this attempt has written the rows elsewhere.
            yield from self.wait_until_settled(recorded)
        if judgement.verdict is SegmentVerdict.MIXED and judgement.is_full:
            logger.info("Others have changed rows that were just written", extra={"row": row})
            return row
        moved = yield from find_moved(self, segment, chunk.unchecked_columns)
        if moved is None and judgement.verdict is SegmentVerdict.MIXED:
            raise self.make_conflict_error([row + place for place in judgement.foreign], "changed by others")
        return moved

    def _require_undone(self, recorded: RecordedSegment, chunk: TableChunk) -> Procedure[None]:
        """Check that nothing was written of a segment that is to be written with other rows."""
        segment = recorded.segment
        yield from self.wait_until_settled(recorded)
        now = yield from self.place.read(self.lease, segment.row, segment.end)
        changed = set(list_changed_rows(now, segment.sums, chunk.unchecked_columns))
        if any(place not in changed and not is_blank(row) for place, row in enumerate(now)):
            raise _make_changed_source_error(segment, chunk)
        if (yield from find_moved(self, segment, chunk.unchecked_columns)) is not None:
            raise _make_changed_source_error(segment, chunk)

    def _verify_written(self, chunk: TableChunk, row: int, above: Sequence[Sequence[Any]]) -> Procedure[int]:
        """Check rows that were just written, since others have written at the same time.

        Args:
            chunk: The chunk that was written.
            row: The row of the worksheet where it was written, from 1.
            above: The row above it, as it was before; empty if there is none.

        Returns:
            Where they are.
        """
        top = row - len(above)
        yield from self.place.refresh(self.lease)
        now = yield from self.place.read(self.lease, top, row + chunk.count + NEAR - 1)
        rows = now[row - top :]
        changed = list_changed_rows(rows[: chunk.count], chunk.sums, chunk.unchecked_columns)
        if not changed:
            if all(map(is_blank, above)) or [normalize_cell(cell) for cell in now[0]] == [
                normalize_cell(cell) for cell in above[0]
            ]:
                # Lark has no compare-and-set: what others typed into these rows after they were read is gone.
                logger.warning(
                    "Others have written in the spreadsheet while rows were appended; if they typed into "
                    "these rows, it was overwritten",
                    extra={"worksheet": self.place.title, "row": row, "rows": chunk.count},
                )
                return row
            return (yield from self._put_back(chunk, row, now[0], rows))
        offset = find_offset(rows, chunk.sums, chunk.unchecked_columns)
        if offset is not None:
            return row + offset
        raise self.make_conflict_error(
            [row + place for place in changed], "written by others at the same time"
        )

    def _put_back(
        self, chunk: TableChunk, row: int, above: Sequence[Any], rows: Sequence[Sequence[Any]]
    ) -> Procedure[int]:
        """Restore rows of ours that were overwritten, since rows inserted above had pushed them down.

        Args:
            chunk: The chunk that was written.
            row: The row of the worksheet where it was written, from 1.
            above: The row above it now.
            rows: The rows from `row` on, and some below.

        Returns:
            Where the chunk is written then.

        Raises:
            ConflictError: The rows above are not this write's own, or it cannot be determined which they are.
        """
        last, last_row = self.last if self.last is not None else (None, 0)
        if last is not None and last_row + last.count == row:
            sums = [last.sums[at : at + SUM_BYTES] for at in range(0, len(last.sums), SUM_BYTES)]
            now = check_sum(above, last.unchecked_columns)
            for count in range(1, min(NEAR, last.count - 1) + 1):
                end = chunk.count + count
                if sums[-1 - count] == now and all(map(is_blank, rows[chunk.count : end])):
                    recorded, _ = yield from self._reserve_elsewhere(chunk, row + count)
                    moved = recorded.segment.row
                    yield from self.place.write(self.lease, chunk, moved)
                    tail = select_rows(last, range(last.count - count, last.count))
                    yield from self.place.write(self.lease, tail, row)
                    logger.info(
                        "Rewrote rows displaced by a concurrent insert", extra={"rows": count, "row": row}
                    )
                    return moved
        raise self.make_conflict_error(
            range(row, row + chunk.count),
            "written at the moment in which others inserted, deleted or sorted rows above, one of which may "
            "have been overwritten",
        )


def _make_changed_source_error(segment: Segment, chunk: TableChunk) -> SourceChangedError:
    row = segment.first + find_first_difference(segment.sums, chunk.sums)
    return SourceChangedError(
        f"Row {row} of the source is not what was appended before under this key: it has changed, or the "
        "order of its rows has. Next: give the source its earlier rows, in their order, and call again; or "
        "use another key, which appends all rows."
    )
