"""Send values, formats, and new rows and columns, in requests that are safe to repeat."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from lark_provider.api.clouddoc.sheets.addressing import MAX_CELLS, MAX_COLUMNS, Range
from lark_provider.api.clouddoc.sheets.pieces import MAX_COLUMNS as COLUMNS_AT_ONCE
from lark_provider.api.clouddoc.sheets.pieces import MAX_ROWS as ROWS_AT_ONCE
from lark_provider.api.clouddoc.sheets.pieces import Piece, is_too_large
from lark_provider.api.clouddoc.sheets.targets import SheetRef, Worksheet, locate_range
from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.errors import (
    ConflictError,
    InvalidRequestError,
    LarkAPIError,
    OutcomeUnknownError,
)
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.paths import fill_path

V2 = "/sheets/v2/spreadsheets/{token}"
STYLED_ROWS = 2000
"""The most rows in one range; Lark has sometimes refused more."""
STYLED_RANGES = 100
"""The most ranges in one request."""
_TOO_MANY_CELLS = 90219
_ATTEMPTS = 3
_GROWTH = 5000  # rows or columns that one request adds


def make_value_call(token: str, sheet_id: str, piece: Piece) -> Call[Any]:
    """Return the call that writes a piece.

    See PUT /open-apis/sheets/v2/spreadsheets/:spreadsheetToken/values.

    Args:
        token: The spreadsheet.
        sheet_id: The worksheet.
        piece: The values.
    """
    call = make_request(
        "PUT", fill_path(V2 + "/values", token=token), idempotent=True, subject=piece.range.a1
    )
    return dataclasses.replace(call, body=piece.encode_body(sheet_id))


def put(token: str, sheet_id: str, piece: Piece) -> Procedure[tuple[int, int]]:
    """Write a piece; if Lark says that it is too large, write halves of it.

    Args:
        token: The spreadsheet.
        sheet_id: The worksheet.
        piece: The values.

    Returns:
        The spreadsheet's revision afterwards, and how many requests were made.
    """
    waiting, revision, calls = [piece], 0, 0
    while waiting:
        part = waiting.pop()
        calls += 1
        try:
            answer = yield from perform(make_value_call(token, sheet_id, part))
        except LarkAPIError as error:
            halves = part.halve() if is_too_large(error) else []
            if not halves:
                raise
            waiting += reversed(halves)
        else:
            revision = answer.data.get("revision") or revision
    return revision, calls


def grow(token: str, sheet: Worksheet, rows: int, columns: int) -> Procedure[Worksheet]:
    """Add rows and columns at the end of a worksheet, until it has as many as are needed.

    See POST /open-apis/sheets/v2/spreadsheets/:spreadsheetToken/dimension_range.

    Args:
        token: The spreadsheet.
        sheet: The worksheet as it was read last.
        rows: How many rows the worksheet needs.
        columns: How many columns the worksheet needs.

    Returns:
        The worksheet as it is afterwards.

    Raises:
        ConflictError: A worksheet cannot be that large.
    """
    if rows <= sheet.rows and columns <= sheet.columns:
        return sheet
    check_size(max(rows, sheet.rows), max(columns, sheet.columns), sheet.title)
    failures = 0
    while True:
        # Read again before each request, since adding is not idempotent, and others may add rows, too.
        (_, sheet, _) = yield from locate_range(SheetRef(token, sheet.sheet_id), fresh=True)
        if (lacking := rows - sheet.rows) > 0:
            kind = "ROWS"
        elif (lacking := columns - sheet.columns) > 0:
            kind = "COLUMNS"
        else:
            return sheet
        added = {"sheetId": sheet.sheet_id, "majorDimension": kind, "length": min(lacking, _GROWTH)}
        try:
            yield make_request(
                "POST", fill_path(V2 + "/dimension_range", token=token), json={"dimension": added}
            )
        except OutcomeUnknownError:
            # If Lark performs the request later, there are a few more empty rows, which do no harm.
            failures += 1
            if failures == _ATTEMPTS:
                raise


def check_size(rows: int, columns: int, title: str) -> None:
    """Check that a worksheet may have so many rows and columns.

    Args:
        rows: How many rows the worksheet would have, empty ones included.
        columns: How many columns the worksheet would have.
        title: The title of the worksheet, for the error.

    Raises:
        ConflictError: It would be too large.
    """
    if columns > MAX_COLUMNS or rows * columns > MAX_CELLS:
        raise ConflictError(
            f"The worksheet {title!r} would have {rows:,} rows and {columns:,} columns; a worksheet holds at "
            f"most {MAX_COLUMNS:,} columns and {MAX_CELLS:,} cells, empty ones included. Next: split the "
            "table over several worksheets, or delete empty columns.",
            code=_TOO_MANY_CELLS,
        )


def check_merges(sheet: Worksheet, target: Range, rows: Iterable[Sequence[Any]] | None = None) -> None:
    """Check that no value would disappear in merged cells.

    Args:
        sheet: The worksheet.
        target: The range that the values are written to.
        rows: The values; if None, any merge is refused.

    Raises:
        InvalidRequestError: A value would; the text names the merged cells.
    """
    merges = [merge for merge in sheet.merges if merge.meets(target)]
    if rows is None or not merges:
        refused = merges
    else:
        table = rows if isinstance(rows, list) else list(rows)
        refused = [merge for merge in merges if _hides(merge, target, table)]
    if refused:
        shown = ", ".join(merge.a1 for merge in refused[:5])
        raise InvalidRequestError(
            f"The range {target.a1} of {sheet.title!r} has merged cells that would hide values: {shown}. "
            "Next: unmerge them, or write to another range.",
            code=90202,
        )


def _hides(merge: Range, target: Range, rows: Sequence[Sequence[Any]]) -> bool:
    """Return whether a value would be written to a merged cell other than the first one."""
    for row in range(max(merge.first_row, target.first_row), (merge.last_row or 0) + 1):
        for column in range(max(merge.first_column, target.first_column), (merge.last_column or 0) + 1):
            down, across = row - target.first_row, column - target.first_column
            is_inside = down < len(rows) and across < len(rows[down])
            if is_inside and (row, column) != merge.first and rows[down][across] not in ("", None):
                return True
    return False


def tiles(target: Range, rows: int, columns: int = COLUMNS_AT_ONCE) -> Iterator[Range]:
    """Cut a closed range into ranges of at most `rows` and `columns`.

    Args:
        target: The range to cut.
        rows: The most rows of each range.
        columns: The most columns of each range.
    """
    last_row, last_column = target.last_row or target.first_row, target.last_column or target.first_column
    for row in range(target.first_row, last_row + 1, rows):
        for column in range(target.first_column, last_column + 1, columns):
            yield Range(row, column, min(row + rows - 1, last_row), min(column + columns - 1, last_column))


def iterate_style_calls(
    token: str, sheet_id: str, styles: Iterable[tuple[Iterable[Range], Mapping[str, Any]]]
) -> Iterator[Call[Any]]:
    """Return the calls that set styles; later styles override earlier ones.

    See PUT /open-apis/sheets/v2/spreadsheets/:spreadsheetToken/styles_batch_update.

    Args:
        token: The spreadsheet.
        sheet_id: The worksheet.
        styles: Closed ranges and their style.
    """
    data: list[dict[str, Any]] = []
    number = 0
    for ranges, style in styles:
        names = [tile.on(sheet_id) for area in ranges for tile in tiles(area, STYLED_ROWS)]
        while names:
            free = STYLED_RANGES - number
            data.append({"ranges": names[:free], "style": style})
            number += len(names[:free])
            names = names[free:]
            if number == STYLED_RANGES:
                yield _make_style_call(token, data)
                data, number = [], 0
    if data:
        yield _make_style_call(token, data)


def _make_style_call(token: str, data: list[dict[str, Any]]) -> Call[Any]:
    return make_request(
        "PUT", fill_path(V2 + "/styles_batch_update", token=token), json={"data": data}, idempotent=True
    )


def set_formats(token: str, sheet_id: str, formats: Mapping[str, Iterable[Range]]) -> Procedure[None]:
    """Set the formatters of cells.

    Args:
        token: The spreadsheet.
        sheet_id: The worksheet.
        formats: Closed ranges by formatter.
    """
    styles = ((ranges, {"formatter": formatter}) for formatter, ranges in formats.items())
    for call in iterate_style_calls(token, sheet_id, styles):
        yield from perform(call)


def iterate_blank_pieces(target: Range) -> Iterator[Piece]:
    """Return the pieces that empty a closed range.

    Args:
        target: The range.
    """
    for tile in tiles(target, ROWS_AT_ONCE):
        width = (tile.last_column or 0) - tile.first_column + 1
        row = b"[" + b",".join([b'""'] * width) + b"]"
        yield Piece(tile, [row] * ((tile.last_row or 0) - tile.first_row + 1))
