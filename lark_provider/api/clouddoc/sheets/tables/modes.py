"""The three ways to write a table: in place of what is there, below it, or by key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lark_provider.api.clouddoc.cells import show
from lark_provider.api.clouddoc.loads.errors import SourceChangedError
from lark_provider.api.clouddoc.loads.leasing import TakenOverError
from lark_provider.api.clouddoc.sheets.addressing import Cell
from lark_provider.api.clouddoc.sheets.tables.appending import Appender
from lark_provider.api.clouddoc.sheets.tables.chunks import TableChunk, encode_chunk
from lark_provider.api.clouddoc.sheets.tables.judging import is_blank
from lark_provider.api.clouddoc.sheets.tables.layout import TableLayout
from lark_provider.api.clouddoc.sheets.tables.merges import clear_merges
from lark_provider.api.clouddoc.sheets.tables.source import TableSource
from lark_provider.api.clouddoc.sheets.tables.writer import TableWriter
from lark_provider.protocol.errors import ConflictError, InvalidRequestError
from lark_provider.protocol.ledger_entry import LedgerState
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.sheet_ledger import RecordedSegment
from lark_provider.protocol.store import with_store

_SEGMENTS_AT_ONCE = 100
"""Segments that are read from the ledger at a time."""


@dataclass(frozen=True, slots=True)
class Extent:
    """The rows that a table has now.

    Attributes:
        first: The first row of the table in the worksheet, from 1: the header if it has one.
        last: The last row of the table in the worksheet.
    """

    first: int
    last: int


def replace(writer: TableWriter, source: TableSource, old_end: int) -> Procedure[Extent]:
    """Write a table in place of what is there in its columns.

    Args:
        writer: The writer of the table.
        source: The source of its chunks; the header is part of the first one.
        old_end: The last row that has content in its columns.

    Raises:
        ConflictError: Others have moved or changed rows meanwhile; the text names them.
    """
    place = writer.place
    yield from clear_merges(writer, place.row, max(old_end, place.row))  # before anything is written
    row, parts, is_disturbed = place.row, list[tuple[int, bytes, frozenset[int]]](), False
    while (chunk := (yield from source.take_chunk())) is not None:
        yield from clear_merges(writer, row, row + chunk.count - 1)
        was_disturbed = yield from writer.put(chunk, row)
        parts.append((row, chunk.sums, chunk.unchecked_columns))
        if was_disturbed:
            is_disturbed = True
            # An insert or a sort moves the last part, which shows it; the first part has the header.
            yield from writer.verify([parts[0], parts[-1]] if len(parts) > 1 else parts)
        row += chunk.count
    end = max([old_end, *(yield from _settle_remaining(writer, len(parts)))])
    yield from writer.blank(row, end)
    if is_disturbed:
        yield from writer.verify(parts)
    return Extent(place.row, max(row - 1, place.row))


def _settle_remaining(writer: TableWriter, count: int) -> Procedure[list[int]]:
    """Wait for segments that an earlier attempt may have written and this one has not; return where they end.

    When this returns, none of their requests can take effect any more.
    """
    ends: list[int] = []
    for recorded in (yield from read_pending_segments(writer, count - 1)):
        yield from writer.wait_until_settled(recorded)
        ends.append(recorded.segment.end)
    return ends


def read_recorded_segments(writer: TableWriter, after: int) -> Procedure[list[RecordedSegment]]:
    """Return the segments that earlier attempts have recorded.

    Args:
        writer: The writer of the table.
        after: The number of a segment; only segments with greater numbers are returned.
    """
    segments, write = list[RecordedSegment](), writer.write
    while write is not None:
        number = after
        answer = yield from with_store(
            lambda store: store.sheets.read_segments(write.id, number, _SEGMENTS_AT_ONCE)  # noqa: B023 - called at once
        )
        page = answer[0] if answer is not None else ()
        segments += page
        if len(page) < _SEGMENTS_AT_ONCE:
            break
        after = page[-1].segment.number
    return segments


def read_pending_segments(writer: TableWriter, after: int) -> Procedure[list[RecordedSegment]]:
    """Return the segments whose outcome is unknown, those with greater numbers than `after`."""
    segments = yield from read_recorded_segments(writer, after)
    return [segment for segment in segments if segment.state is LedgerState.PENDING]


def append(writer: Appender, source: TableSource, layout: TableLayout, *, header: bool) -> Procedure[Extent]:
    """Write rows below what is there.

    Args:
        writer: The writer of the table.
        source: The source of its chunks, without the header.
        layout: The columns of the table.
        header: Whether the table has a header.

    Raises:
        InvalidRequestError: The worksheet has another header.
        SourceChangedError: The source has changed since a part of it was written.
        ConflictError: Others have changed rows.
    """
    place = writer.place
    if header:
        yield from _write_header(writer, layout)
    top = place.row + header
    writer.tail = yield from place.find_last(writer.lease, top)
    row = writer.tail[0] + 1
    count = 0
    while (chunk := (yield from source.take_chunk())) is not None:
        if (
            writer.write is not None
            and writer.write.state is LedgerState.DONE
            and chunk.number >= writer.write.segments
        ):
            raise ConflictError(
                f"Row {chunk.first} of the source is new: under this key everything was appended "
                "before. Next: use another key for other rows."
            )
        row = yield from writer.append(chunk, row)
        count += 1
    yield from _require_complete(writer, count)
    last = max([row - 1, *(end for _, end in writer.ranges)])
    return Extent(place.row, max(last, place.row))


def _require_complete(writer: TableWriter, count: int) -> Procedure[None]:
    """Check that no earlier attempt has appended rows that the source does not have any more.

    Args:
        writer: The writer of the table.
        count: How many segments the source has.

    Raises:
        SourceChangedError: The source ends before rows that were appended.
        ConflictError: It ends before rows that may have been appended.
    """
    left = yield from read_recorded_segments(writer, count - 1)
    if not left:
        return
    first = left[0].segment
    if left[0].state is LedgerState.DONE:
        raise SourceChangedError(
            f"The source ends before row {first.first}, which was appended before under this key. Next: give "
            "the source its earlier rows, in their order, and call again; or use another key, which appends "
            "all rows."
        )
    yield from writer.wait_until_settled(left[0])
    now = yield from writer.place.read(writer.lease, first.row, first.end)
    if not all(map(is_blank, now)):
        raise ConflictError(
            f"The source ends before row {first.first}, which an earlier attempt under this key may have "
            f"appended at row {first.row} of the worksheet. Next: give the source its earlier rows; or "
            "delete these rows, and use another key."
        )


def _write_header(writer: TableWriter, layout: TableLayout) -> Procedure[None]:
    """Write the header if its row is blank; else check that it is this one.

    Raises:
        InvalidRequestError: The worksheet has another header.
    """
    place = writer.place
    while True:
        writer.lease.clear_lost()
        (now,) = yield from place.read(writer.lease, place.row, place.row)
        if not is_blank(now):
            break
        yield from clear_merges(writer, place.row, place.row)
        header = encode_header(layout, place.blocks)
        try:
            if (yield from place.write(writer.lease, header, place.row)):
                yield from writer.verify([(place.row, header.sums, header.unchecked_columns)])
        except TakenOverError:
            continue  # another process may have written it meanwhile
        return
    for column, (cell, title) in enumerate(zip(now, layout.titles, strict=True)):
        if get_cell_text(cell) != title:
            raise InvalidRequestError(
                f"Cell {Cell(place.row, place.get_column(column))} of worksheet {place.title!r} is "
                f"{show(cell)}, not the header {title!r}. Next: give columns= in the order of the worksheet, "
                "begin the table elsewhere with start=, or pass header=False."
            )


def encode_header(layout: TableLayout, blocks: Any) -> TableChunk:
    """Return the header as a chunk."""
    return encode_chunk(0, 1, [layout.header], [None] * layout.width, blocks, header_rows=1)


def get_cell_text(cell: Any) -> str:
    """Return the text of a cell of the header: Lark makes links of addresses.

    Args:
        cell: The cell, as Lark answers it.
    """
    if isinstance(cell, list):
        return "".join(str(segment.get("text", "")) for segment in cell if isinstance(segment, dict))
    return "" if cell is None else str(cell)
