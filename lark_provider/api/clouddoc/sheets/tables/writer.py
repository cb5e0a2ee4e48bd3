"""Make the segments of a table stand: reserve their rows, look at them, write them, look again."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lark_provider.api.clouddoc.loads.chunks import first_difference
from lark_provider.api.clouddoc.loads.errors import SourceChangedError
from lark_provider.api.clouddoc.sheets.addressing import Range
from lark_provider.api.clouddoc.sheets.tables.chunks import (
    SUM_BYTES,
    Chunk,
    check_sum,
    chunk,
    chunk_of,
    comparable,
)
from lark_provider.api.clouddoc.sheets.tables.judging import (
    Verdict,
    changed_rows,
    is_blank,
    judge,
    offset_of,
    spans,
)
from lark_provider.api.clouddoc.sheets.tables.options import Options
from lark_provider.api.clouddoc.sheets.tables.place import Place
from lark_provider.api.clouddoc.sheets.tables.turn import TakenOverError, Turn
from lark_provider.api.clouddoc.sheets.values import Runs
from lark_provider.protocol.errors import ConflictError
from lark_provider.protocol.ledger import State
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.sheet_ledger import RecordedSegment, Segment, TableWrite
from lark_provider.protocol.store import shared

logger = logging.getLogger(__name__)

_NEAR = 50
"""How many rows a person may have inserted above a segment for it to be recognized."""
_TAKEN_OVER = 20
"""How often one segment is decided again since another process had the spreadsheet."""
_BLANKED = 5000


@dataclass(slots=True)
class Writer:
    """Writes one table.

    Attributes:
        place: The worksheet.
        turn: The lease of the spreadsheet.
        write: The table in the ledger; None without a database.
        options: How it is written.
        written: Rows that stand, without the header; those of `replayed` included.
        replayed: Rows that an earlier attempt has written.
        formats: The ranges of each format.
        ranges: Where rows were written.
        last: The chunk that was appended last, and where.
        stands: The last segment that stands and is not recorded yet.
    """

    place: Place
    turn: Turn
    write: TableWrite | None
    options: Options
    written: int = 0
    replayed: int = 0
    formats: dict[str, list[Range]] = field(default_factory=dict)
    ranges: list[tuple[int, int]] = field(default_factory=list)
    last: tuple[Chunk, int] | None = None
    stands: int | None = None

    def note(self, chunk: Chunk, row: int, *, is_replayed: bool = False) -> None:
        """Note that a chunk stands.

        Args:
            chunk: The chunk.
            row: Where it begins.
            is_replayed: Whether an earlier attempt has written it.
        """
        count = chunk.count - chunk.header_rows
        self.written += count
        self.replayed += count if is_replayed else 0
        last = row + chunk.count - 1
        if self.ranges and self.ranges[-1][1] == row - 1:
            self.ranges[-1] = (self.ranges[-1][0], last)
        else:
            self.ranges.append((row, last))
        for (first, end), left in zip(self.place.blocks, self.place.lefts, strict=True):
            runs = Runs(left)
            for place in range(chunk.header_rows, chunk.count):
                cells, formats = chunk.rows[place][first:end], chunk.formats[place][first:end]
                runs.add(row + place, list(zip(cells, formats, strict=True)))
            for text, found in runs.closed().items():
                self._add_formats(text, found)

    def _add_formats(self, text: str, found: Sequence[Range]) -> None:
        known = self.formats.setdefault(text, [])
        ends = {(one.first_column, one.last_row): place for place, one in enumerate(known)}
        for one in found:
            place = ends.get((one.first_column, one.first_row - 1))
            if place is not None and known[place].last_column == one.last_column:
                known[place] = known[place]._replace(last_row=one.last_row)
            else:
                known.append(one)

    # --- segments that are reserved: rows that are appended

    def append(self, chunk: Chunk, least: int) -> Procedure[int]:
        """Make a chunk stand in rows of its own.

        Args:
            chunk: The chunk.
            least: The first row that it may have.

        Returns:
            The row after it.

        Raises:
            ConflictError: Others have changed its rows; the text names them.
            SourceChangedError: It stands with other rows.
        """
        for _ in range(_TAKEN_OVER):
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

    def append_once(self, chunk: Chunk, least: int) -> Procedure[int]:
        """Make a chunk stand, as `append` does, unless another process has the spreadsheet meanwhile.

        Args:
            chunk: The chunk.
            least: The first row that it may have.

        Raises:
            TakenOverError: It has.
        """
        row, is_replayed = yield from self._appended(chunk, least)
        self.note(chunk, row, is_replayed=is_replayed)
        return row + chunk.count

    def _appended(self, chunk: Chunk, least: int) -> Procedure[tuple[int, bool]]:
        recorded, is_fresh = yield from self._reserved(chunk, least)
        if recorded.state is State.DONE:
            if recorded.segment.digest != chunk.digest:
                raise _changed(recorded.segment, chunk)
            return recorded.segment.row, True
        if not is_fresh and recorded.segment.digest != chunk.digest:
            yield from self._undone(recorded, chunk)
            recorded, is_fresh = yield from self._moved(chunk, recorded.segment.row)
        while True:
            row = recorded.segment.row
            # With the row above, by which it is noticed that rows were inserted.
            top = max(row - 1, 1)
            now = yield from self.place.read(self.turn, top, row + chunk.count - 1)
            above, now = now[: row - top], now[row - top :]
            if is_fresh:
                if all(map(is_blank, now)):
                    break
            elif (found := (yield from self._found(chunk, row, now))) is not None:
                self.stands = chunk.number
                return found, True
            elif judge(now, chunk).verdict is not Verdict.FOREIGN:
                break
            # Others have written there first.
            end = yield from self.place.last_row(self.turn, row)
            recorded, is_fresh = yield from self._moved(chunk, end + 1)
        is_disturbed = yield from self.place.write(self.turn, chunk, row)
        if is_disturbed:
            row = yield from self._looked(chunk, row, above)
        self.stands, self.last = chunk.number, (chunk, row)
        return row, False

    def _reserved(self, chunk: Chunk, least: int) -> Procedure[tuple[RecordedSegment, bool]]:
        segment, write = chunk.segment(least), self.write
        if write is None:
            return RecordedSegment(segment, State.PENDING, 0.0), True
        done = self.stands
        answer = yield from self.turn.reserve(
            lambda store: store.sheets.reserve(write.id, self.turn.claimant, done, segment, is_disjoint=True)
        )
        self.stands = None
        assert answer is not None  # noqa: S101 - the table has come from a database
        assert answer.recorded is not None  # noqa: S101 - the lease was granted
        return answer.recorded, answer.is_new

    def _moved(self, chunk: Chunk, least: int) -> Procedure[tuple[RecordedSegment, bool]]:
        """Record a segment at other rows."""
        segment, write = chunk.segment(least), self.write
        if write is None:
            return RecordedSegment(segment, State.PENDING, 0.0), True
        answer = yield from self.turn.reserve(
            lambda store: store.sheets.move(write.id, self.turn.claimant, segment, is_disjoint=True)
        )
        assert answer is not None  # noqa: S101 - the table has come from a database
        if answer.recorded is None or not answer.is_new:
            raise TakenOverError(
                "Another process has written this segment meanwhile. Next: call again.", retryable=True
            )
        return answer.recorded, True

    def _found(self, chunk: Chunk, row: int, now: list[list[Any]]) -> Procedure[int | None]:
        """Return where a segment stands that an earlier attempt may have written; None if it does not.

        Raises:
            ConflictError: A part of it stands.
        """
        judgement = judge(now, chunk)
        if judgement.verdict is Verdict.OURS:
            return None  # to be written again, which changes nothing
        if judgement.verdict is Verdict.MIXED:
            if judgement.is_full:
                logger.info("Others have changed rows that were just written", extra={"row": row})
                return row
            raise self._disturbed([row + place for place in judgement.foreign], "changed by others")
        below = yield from self.place.read(self.turn, row + chunk.count, row + chunk.count + _NEAR - 1)
        offset = offset_of([*now, *below], chunk.sums, chunk.wild)
        if offset is None or all(map(is_blank, chunk.rows)):
            return None
        return row + offset if not (yield from self._is_others(row + offset, chunk)) else None

    def _is_others(self, row: int, chunk: Chunk) -> Procedure[bool]:
        """Return whether another table in the worksheet has rows with the same content near there."""
        write = self.write
        if write is None:
            return False
        answer = yield from shared(
            lambda store: store.sheets.has_twin(
                write.id, chunk.digest, row - _NEAR, row + chunk.count + _NEAR
            )
        )
        return answer is not None and answer[0]

    def _undone(self, recorded: RecordedSegment, chunk: Chunk) -> Procedure[None]:
        """See that nothing stands of a segment that is to be written with other rows."""
        segment = recorded.segment
        yield from self.quiet(recorded)
        now = yield from self.place.read(self.turn, segment.row, segment.end)
        changed = set(changed_rows(now, segment.sums, chunk.wild))
        if any(place not in changed and not is_blank(row) for place, row in enumerate(now)):
            raise _changed(segment, chunk)

    def quiet(self, recorded: RecordedSegment) -> Procedure[None]:
        """Wait until a request that was sent for a segment cannot take effect any more."""
        pause = self.options.settle_after - recorded.quiet
        if pause > 0:
            logger.info(
                "Waiting until an uncertain write cannot take effect any more",
                extra={"segment": recorded.segment.number, "wait_s": round(pause, 1)},
            )
            yield from self.turn.pause(pause)

    def _looked(self, chunk: Chunk, row: int, above: Sequence[Sequence[Any]]) -> Procedure[int]:
        """Look at rows that were just written, since others have written at the same time.

        Args:
            chunk: What was written.
            row: Where.
            above: The row above it, as it was before; none if it is the first one.

        Returns:
            Where they stand.
        """
        top = row - len(above)
        now = yield from self.place.read(self.turn, top, row + chunk.count + _NEAR - 1)
        there = now[row - top :]
        changed = changed_rows(there[: chunk.count], chunk.sums, chunk.wild)
        if not changed:
            if [[comparable(cell) for cell in one] for one in now[: row - top]] == [
                [comparable(cell) for cell in one] for one in above
            ]:
                return row
            return (yield from self._pushed(chunk, row, now[0], there))
        offset = offset_of(there, chunk.sums, chunk.wild)
        if offset is not None:
            return row + offset
        raise self._disturbed([row + place for place in changed], "written by others at the same time")

    def _pushed(
        self, chunk: Chunk, row: int, above: Sequence[Any], there: Sequence[Sequence[Any]]
    ) -> Procedure[int]:
        """Put back rows of ours that rows inserted above have pushed to where a chunk was just written.

        Args:
            chunk: What was written.
            row: Where.
            above: The row above it now.
            there: The rows from `row` on, and some below.

        Returns:
            Where the chunk stands then.

        Raises:
            ConflictError: The rows above are not this write's own, or it cannot be told which they are.
        """
        last, last_row = self.last if self.last is not None else (None, 0)
        if last is not None and last_row + last.count == row:
            sums = [last.sums[at : at + SUM_BYTES] for at in range(0, len(last.sums), SUM_BYTES)]
            now = check_sum(above, last.wild).to_bytes(SUM_BYTES, "big")
            for count in range(1, min(_NEAR, last.count - 1) + 1):
                end = chunk.count + count
                if sums[-1 - count] == now and all(map(is_blank, there[chunk.count : end])):
                    recorded, _ = yield from self._moved(chunk, row + count)
                    moved = recorded.segment.row
                    yield from self.place.write(self.turn, chunk, moved)
                    tail = chunk_of(last, range(last.count - count, last.count))
                    yield from self.place.write(self.turn, tail, row)
                    logger.info(
                        "Put back rows that others had pushed down", extra={"rows": count, "row": row}
                    )
                    return moved
        raise self._disturbed(
            range(row, row + chunk.count),
            "written at the moment in which others inserted, deleted or sorted rows above, one of which may "
            "have been overwritten",
        )

    # --- rows at a place of their own: tables that are replaced

    def put(self, chunk: Chunk, row: int) -> Procedure[bool]:
        """Write a chunk at a place that is the table's own.

        Args:
            chunk: The chunk.
            row: Where it begins.

        Returns:
            Whether others have written in the spreadsheet meanwhile.
        """
        write, done = self.write, self.stands
        if write is not None:
            segment = chunk.segment(row)
            answer = yield from self.turn.reserve(
                lambda store: store.sheets.reserve(
                    write.id, self.turn.claimant, done, segment, is_disjoint=False
                )
            )
            self.stands = None
            recorded = answer.recorded if answer is not None else None
            assert recorded is not None  # noqa: S101 - the lease was granted
            if answer is not None and not answer.is_new:
                if recorded.state is State.PENDING and recorded.segment.digest != chunk.digest:
                    yield from self.quiet(recorded)
                yield from self.turn.reserve(
                    lambda store: store.sheets.move(write.id, self.turn.claimant, segment, is_disjoint=False)
                )
        is_disturbed = yield from self.place.write(self.turn, chunk, row)
        self.stands = chunk.number
        self.note(chunk, row)
        return is_disturbed

    def verify(self, parts: Sequence[tuple[int, bytes, frozenset[int]]]) -> Procedure[None]:
        """Look whether rows stand as they were written.

        Args:
            parts: Where they begin, their checksums, and the columns that are not compared.

        Raises:
            ConflictError: They do not; the text names them.
        """
        for row, sums, wild in parts:
            last = row + len(sums) // SUM_BYTES - 1
            for first in range(row, last + 1, _BLANKED):
                end = min(last, first + _BLANKED - 1)
                now = yield from self.place.read(self.turn, first, end)
                changed = changed_rows(
                    now, sums[SUM_BYTES * (first - row) : SUM_BYTES * (end - row + 1)], wild
                )
                if changed:
                    raise self._disturbed(
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
            rows: list[list[Any]] = [[""] * self.place.width] * count
            empty: list[Sequence[str | None]] = [()] * count
            yield from self.place.write(self.turn, chunk(0, 1, rows, empty, self.place.blocks), row)

    def finish(self) -> Procedure[None]:
        """Record that everything stands."""
        write, done = self.write, self.stands
        if write is not None:
            yield from shared(lambda store: store.sheets.finish(write.id, done))

    def abandoned(self) -> Procedure[None]:
        """Record what is certain, after an error."""
        write, done = self.write, self.stands
        if write is not None and done is not None:
            yield from shared(lambda store: store.sheets.stands(write.id, done), patient=False)

    def _disturbed(self, rows: Sequence[int], what: str) -> ConflictError:
        were = "were" if len(rows) > 1 else "was"
        return ConflictError(
            f"In worksheet {self.place.title!r}, {spans(rows)} of the table {were} {what}. Next: look at these rows in the spreadsheet's history; "
            "then call again."
        )


def _changed(segment: Segment, chunk: Chunk) -> SourceChangedError:
    row = segment.first + first_difference(segment.sums, chunk.sums)
    return SourceChangedError(
        f"Row {row} of the source is not what was appended before under this key: it has changed, or the "
        "order of its rows has. Next: give the source its earlier rows, in their order, and call again; or "
        "use another key, which appends all rows."
    )
