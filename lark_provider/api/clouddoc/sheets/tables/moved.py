"""Find a segment that an earlier attempt may have written, where others have moved rows since."""

from __future__ import annotations

from collections.abc import Sequence

from lark_provider.api.clouddoc.sheets.tables.encoding import SUM_BYTES, check_sum, compute_sums
from lark_provider.api.clouddoc.sheets.tables.writer import TableWriter
from lark_provider.protocol.errors import ConflictError
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.sheet_ledger import Segment
from lark_provider.protocol.store import with_store

NEAR = 50
"""How many rows a segment may have moved to be recognized by its content alone."""
_PAGE = 5000
"""Rows that are read at a time; only their checksums are kept."""


class UncertainCopyError(ValueError):
    """Rows have the content of a segment, and it cannot be determined whether they are this segment."""

    def __init__(self, row: int) -> None:
        super().__init__(row)
        self.row = row


def find_moved(
    writer: TableWriter, segment: Segment, unchecked_columns: frozenset[int]
) -> Procedure[int | None]:
    """Return the row where a segment is that an earlier attempt may have written.

    Args:
        writer: The writer of the table.
        segment: The segment, as it was recorded before it was sent.
        unchecked_columns: Columns that are not compared.

    Returns:
        Its first row in the worksheet, from 1; None if it was not written.

    Raises:
        ConflictError: It cannot be determined; the text names the rows in question.
    """
    place = writer.place
    blank = check_sum([None] * place.width, unchecked_columns)
    if segment.sums == blank * segment.row_count:
        return None  # nothing by which it could be recognized
    # With the row above the table, by which a copy at its top is recognized.
    top = max(place.row - 1, 1)
    last = yield from place.find_last_row(writer.lease, place.row)
    sums = b""
    for first in range(top, last + 1, _PAGE):
        rows = yield from place.read(writer.lease, first, min(last, first + _PAGE - 1))
        sums += compute_sums(rows, frozenset(range(place.width)), unchecked_columns)
    twins = yield from _list_twins(writer, segment)
    try:
        return choose_copy(sums, top, segment, twins)
    except UncertainCopyError as error:
        end = error.row + segment.row_count - 1
        raise ConflictError(
            f"An earlier attempt under this key may have written row {segment.first} of the source and the "
            f"{segment.row_count - 1:,} after it at row {segment.row} of worksheet {place.title!r}. Rows "
            f"{error.row} to {end} have this content, and it cannot be determined whether they are these "
            "rows, since others have moved or changed rows. Next: look in the spreadsheet's history; if that "
            "attempt wrote them, delete them and call again; else append what is missing under another key."
        ) from None


def choose_copy(sums: bytes, top: int, segment: Segment, twins: Sequence[int]) -> int | None:
    """Return which rows of a worksheet are a segment that may have been written. Pure.

    Rows of the same content may be another segment's, or a person's. A copy is this segment if the row above
    it is the one that was above when its rows were reserved; or if it is near, and no twin can be there.

    Args:
        sums: The checksums of the worksheet's rows.
        top: The row of the first of them, from 1.
        segment: The segment, as it was recorded before it was sent.
        twins: The rows where other segments of the same content were written.

    Returns:
        The first row of the copy, from 1; None if the segment was not written.

    Raises:
        UncertainCopyError: There is a copy of which it cannot be determined.
    """

    def get_above(row: int) -> bytes | None:
        at = SUM_BYTES * (row - 1 - top)
        return sums[at : at + SUM_BYTES] if at >= 0 else None

    copies = [top + offset for offset in list_copies(sums, segment.sums)]
    count, in_place = segment.row_count, set(copies).intersection(twins)
    is_unmoved = segment.above is not None and get_above(segment.row) == segment.above
    own = [
        row
        for row in copies
        if (row >= segment.row or not is_unmoved) and all(abs(row - twin) >= count for twin in in_place)
    ]
    if not own:
        return None
    own.sort(key=lambda row: abs(row - segment.row))
    if segment.above is not None:
        for row in own:
            if get_above(row) == segment.above:
                return row
    nearest, strays = own[0], len(twins) - len(in_place)
    # Below its place there was nothing when it was reserved.
    is_near = is_unmoved or abs(nearest - segment.row) <= NEAR
    is_known = segment.above is not None or nearest > segment.row
    if is_near and is_known and _count_apart(own, count) > strays:
        return nearest
    raise UncertainCopyError(nearest)


def list_copies(sums: bytes, wanted: bytes) -> list[int]:
    """Return where rows are among others, from 0; of rows that repeat, copies may overlap.

    Args:
        sums: The checksums of all rows.
        wanted: The checksums of the rows to find, not empty.
    """
    places, at = list[int](), sums.find(wanted)
    while at >= 0:
        if at % SUM_BYTES == 0:
            places.append(at // SUM_BYTES)
        at = sums.find(wanted, at + 1)
    return places


def _count_apart(rows: Sequence[int], count: int) -> int:
    """Return how many copies of so many rows there are at least that do not overlap."""
    apart, end = 0, 0
    for row in sorted(rows):
        if row >= end:
            apart, end = apart + 1, row + count
    return apart


def _list_twins(writer: TableWriter, segment: Segment) -> Procedure[Sequence[int]]:
    write = writer.write
    if write is None:
        return ()
    answer = yield from with_store(lambda store: store.sheets.list_twins(write.id, segment))
    return answer[0] if answer is not None else ()
