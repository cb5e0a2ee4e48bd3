"""Write, append and clear cells."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lark_provider.api.clouddoc.fields import find_zone
from lark_provider.api.clouddoc.sheets.addressing import WRONG_RANGE, Range, RangeLike, parse_range
from lark_provider.api.clouddoc.sheets.blocks import iterate_blocks
from lark_provider.api.clouddoc.sheets.pieces import MAX_BYTES, MAX_COLUMNS, MAX_ROWS, Splitter
from lark_provider.api.clouddoc.sheets.tabulating import TabulatedValues, encode
from lark_provider.api.clouddoc.sheets.targets import Target, locate_range
from lark_provider.api.clouddoc.sheets.values import iterate_checked
from lark_provider.api.clouddoc.sheets.writing import (
    V2,
    check_merges,
    grow,
    iterate_blank_pieces,
    put,
    set_formats,
)
from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.errors import InvalidRequestError, LarkAPIError
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.paths import fill_path

_TOO_LARGE = 90227


@dataclass(frozen=True, slots=True)
class Written:
    """What was written.

    Attributes:
        spreadsheet_token: The token of the spreadsheet.
        sheet_id: The id of the worksheet.
        range: The range that was written, such as `A1:C9`.
        rows: How many rows were written.
        columns: How many columns were written.
        revision: The revision of the spreadsheet after the values; each write adds 1.
        calls: How many requests carried values.
    """

    spreadsheet_token: str
    sheet_id: str
    range: str
    rows: int
    columns: int
    revision: int
    calls: int = 1

    @property
    def cells(self) -> int:
        """How many cells were written."""
        return self.rows * self.columns


def write(
    token: Target,
    range: RangeLike,  # noqa: A002 - Lark's name
    values: Iterable[Sequence[Any]],
    *,
    zone: str | dt.tzinfo | None = None,
    raw: bool = False,
) -> Procedure[Written]:
    """Write cells, and set the formats that their types need; a repeat writes the same again.

    See PUT /open-apis/sheets/v2/spreadsheets/:spreadsheetToken/values and .../styles_batch_update. Large
    tables take several requests, and rows and columns are added if the sheet is too small. Numbers, booleans
    and links leave the format of their cells unchanged.

    Args:
        token: The spreadsheet or worksheet: a token, a link, a `Sheet`.
        range: The cells to write: the upper left cell, or a range at least as large as the values.
        values: Rows of the same length; `sheets.values` lists the types. None empties a cell.
        zone: The time zone to which aware datetimes are converted; if None, they are written in their own.
        raw: Whether the values are in Lark's own form, and are sent unchanged and without formats.

    Returns:
        Where it was written, and the new revision.

    Raises:
        InvalidRequestError: A value does not fit (the text names its cell), a row has another length, the
            range is too small, or merged cells would hide a value; nothing was sent.
        ConflictError: The worksheet would be too large.
        NotFoundError: There is no such spreadsheet or worksheet.
        PermissionDeniedError: The spreadsheet was not shared with the app.
        LarkAPIError: Lark refused it. Of a large table, the parts before may have been written.
        TransportError: Lark was not reached.
    """
    target = parse_range(range)
    table = _encode_table(values, target, zone, raw=raw)
    _check_fits(table.range, target)
    at = yield from locate_range(token, target)
    check_merges(at.sheet, table.range, table.rows)
    sheet = yield from grow(at.token, at.sheet, table.range.last_row or 0, table.range.last_column or 0)
    width = len(table.rows[0])
    splitter = Splitter(table.range.first, width)
    revision, calls = 0, 0
    for block in [*iterate_blocks(table.rows), None]:
        for piece in splitter.take_rest() if block is None else splitter.add(block):
            revision, more = yield from put(at.token, sheet.sheet_id, piece)
            calls += more
            if more > 1:  # it was too large
                splitter.max_bytes = max(1, min(splitter.max_bytes, piece.size // 2))
    yield from set_formats(at.token, sheet.sheet_id, table.formats)
    return Written(at.token, sheet.sheet_id, table.range.a1, len(table.rows), width, revision, calls)


def append(
    token: Target,
    range: RangeLike,  # noqa: A002 - Lark's name
    values: Iterable[Sequence[Any]],
    *,
    zone: str | dt.tzinfo | None = None,
    raw: bool = False,
    insert_rows: bool = True,
) -> Procedure[Written]:
    """Add rows below a table in one request. It is not safe to repeat; `write_table(mode="append")` is.

    See POST /open-apis/sheets/v2/spreadsheets/:spreadsheetToken/values_append. Lark looks for the first
    empty cell in the first column of the range, downwards, and writes there.

    Args:
        token: The spreadsheet or worksheet: a token, a link, a `Sheet`.
        range: The table's columns, such as `A:C`; its first cell is where the search begins.
        values: Rows of the same length; up to 5,000 rows, 100 columns, 50 people and 2 MB.
        zone: The time zone to which aware datetimes are converted; if None, they are written in their own.
        raw: Whether the values are in Lark's own form, and are sent unchanged and without formats.
        insert_rows: Whether whole rows are inserted, so that nothing below is overwritten; cells to the left
            and right of the table move down, too.

    Returns:
        Where it was written.

    Raises:
        InvalidRequestError: As for `write`, or there are too many values for one request; nothing was sent.
        OutcomeUnknownError: The answer is lost; read the sheet before calling again.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    target = parse_range(range)
    table = _encode_table(values, target, zone, raw=raw)
    splitter = Splitter(table.range.first, len(table.rows[0]))
    pieces = splitter.add(table.rows) + splitter.take_rest()
    if len(pieces) > 1:
        raise InvalidRequestError(
            f"append takes {MAX_ROWS:,} rows, {MAX_COLUMNS} columns, 50 people and {MAX_BYTES:,} bytes, got "
            f"{len(table.rows):,} by {len(table.rows[0])} cells in {pieces[0].size:,} bytes "
            f"and more. "
            'Next: use write_table(mode="append"), or append fewer rows at a time.',
            code=_TOO_LARGE,
        )
    at = yield from locate_range(token, target)
    (piece,) = pieces
    searched = Range.from_size(
        piece.range.first, max(1, at.sheet.rows - piece.range.first_row + 1), len(table.rows[0])
    )
    option = "INSERT_ROWS" if insert_rows else "OVERWRITE"
    url = fill_path(V2 + "/values_append", token=at.token)
    call = make_request("POST", url, params={"insertDataOption": option}, subject=piece.range.a1)
    answer = yield from perform(
        dataclasses.replace(
            call, body=dataclasses.replace(piece, range=searched).encode_body(at.sheet.sheet_id)
        )
    )
    written = _read_updated_range(answer.data, call)
    moved = written.first_row - table.range.first_row
    formats = {
        formatter: [
            area._replace(first_row=area.first_row + moved, last_row=(area.last_row or 0) + moved)
            for area in ranges
        ]
        for formatter, ranges in table.formats.items()
    }
    yield from set_formats(at.token, at.sheet.sheet_id, formats)
    place_written = Range.from_size(written.first, len(table.rows), len(table.rows[0]))
    revision = answer.data.get("revision") or 0
    return Written(
        at.token, at.sheet.sheet_id, place_written.a1, len(table.rows), len(table.rows[0]), revision
    )


def clear(token: Target, range: RangeLike = None) -> Procedure[Written]:  # noqa: A002 - Lark's name
    """Empty cells; their formats stay. A repeat does no harm.

    See PUT /open-apis/sheets/v2/spreadsheets/:spreadsheetToken/values.

    Args:
        token: The spreadsheet or worksheet: a token, a link, a `Sheet`.
        range: The cells to empty; the whole worksheet if None.

    Returns:
        The range that was emptied.

    Raises:
        InvalidRequestError: The range is invalid or begins outside the sheet; nothing was sent.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    at = yield from locate_range(token, range)
    target = at.clip()
    revision, calls = 0, 0
    for piece in iterate_blank_pieces(target):
        revision, more = yield from put(at.token, at.sheet.sheet_id, piece)
        calls += more
    rows = (target.last_row or 0) - target.first_row + 1
    columns = (target.last_column or 0) - target.first_column + 1
    return Written(at.token, at.sheet.sheet_id, target.a1, rows, columns, revision, calls)


def _encode_table(
    values: Iterable[Sequence[Any]], target: Range, zone: str | dt.tzinfo | None, *, raw: bool
) -> TabulatedValues:
    if not raw:
        return encode(values, target.first, find_zone(zone))
    rows = [list(row) for row in iterate_checked(values)]
    width = len(rows[0]) if rows else 0
    if not width or any(len(row) != width for row in rows):
        raise InvalidRequestError(
            f"The values must be rows of the same length, got lengths {sorted({len(row) for row in rows})}. "
            "Next: fill what is missing with None.",
            code=WRONG_RANGE,
        )
    return TabulatedValues(rows, Range.from_size(target.first, len(rows), width))


def _check_fits(needed: Range, target: Range) -> None:
    """Check that a range is as large as the values; a single cell only names their upper left corner."""
    is_small = (needed.last_row or 0) > (target.last_row or needed.last_row or 0) or (
        needed.last_column or 0
    ) > (target.last_column or needed.last_column or 0)
    if is_small and not target.is_cell:
        raise InvalidRequestError(
            f"The range must be as large as the values, which need {needed.a1}, got {target.a1}. Next: name "
            f"the upper left cell {needed.first} alone, or a larger range.",
            code=WRONG_RANGE,
        )


def _read_updated_range(data: Any, call: Call[Any]) -> Range:
    """Return the range that Lark says it has written."""
    updates = data.get("updates") or data
    try:
        return parse_range(updates["updatedRange"])
    except (InvalidRequestError, KeyError):
        raise LarkAPIError(
            f"{call.name} → the response does not name the range that was written: {data!r:.200}. Next: read "
            "the sheet before repeating it, since the rows were added."
        ) from None
