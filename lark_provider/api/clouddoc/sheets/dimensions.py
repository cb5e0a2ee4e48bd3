"""Rows and columns: their sizes, and new and deleted ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from lark_provider.api.clouddoc.sheets.addressing import parse_column
from lark_provider.api.clouddoc.sheets.pieces import MAX_ROWS
from lark_provider.api.clouddoc.sheets.targets import Target, locate_range
from lark_provider.api.clouddoc.sheets.writing import V2, grow
from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.paths import fill_path

MAX_PIXELS = 2000
_COLUMNS = re.compile(r"([A-Za-z]{1,3})(?::([A-Za-z]{1,3}))?")
_ROWS = re.compile(r"([0-9]{1,7})(?::([0-9]{1,7}))?")
_WRONG = 90204


def set_widths(token: Target, widths: Mapping[str | int, int]) -> Procedure[None]:
    """Set the widths of columns; a repeat does no harm.

    See PUT /open-apis/sheets/v2/spreadsheets/:spreadsheetToken/dimension_range.

    Args:
        token: The spreadsheet or worksheet: a token, a link, a `Sheet`.
        widths: Pixels by column: `{"A": 120, "B:D": 80}`, or by number from 1.

    Raises:
        InvalidRequestError: A column or a width is invalid; nothing was sent.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    yield from _set_sizes(token, widths, "COLUMNS", _COLUMNS)


def set_heights(token: Target, heights: Mapping[str | int, int]) -> Procedure[None]:
    """Set the heights of rows; a repeat does no harm.

    See PUT /open-apis/sheets/v2/spreadsheets/:spreadsheetToken/dimension_range.

    Args:
        token: The spreadsheet or worksheet: a token, a link, a `Sheet`.
        heights: Pixels by row: `{1: 40, "2:10": 24}`.

    Raises:
        InvalidRequestError: A row or a height is invalid; nothing was sent.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    yield from _set_sizes(token, heights, "ROWS", _ROWS)


def insert_rows(token: Target, before: int, count: int = 1) -> Procedure[None]:
    """Insert empty rows, with the format of the row above; not safe to repeat.

    See POST /open-apis/sheets/v2/spreadsheets/:spreadsheetToken/insert_dimension_range.

    Args:
        token: The spreadsheet or worksheet: a token, a link, a `Sheet`.
        before: The row, from 1, above which they are inserted.
        count: How many rows to insert, 1 to 5,000.

    Raises:
        InvalidRequestError: A number is invalid; nothing was sent.
        OutcomeUnknownError: The answer is lost: read the sheet before repeating it.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    _check_count(before, count)
    at = yield from locate_range(token, fresh=True)
    # This endpoint counts from 0 and excludes the end, unlike dimension_range.
    inserted = {"sheetId": at.sheet.sheet_id, "majorDimension": "ROWS", "startIndex": before - 1}
    body = {"dimension": {**inserted, "endIndex": before - 1 + count}, "inheritStyle": "BEFORE"}
    yield from perform(
        make_request("POST", fill_path(V2 + "/insert_dimension_range", token=at.token), json=body)
    )
    yield from locate_range(token, fresh=True)


def delete_rows(token: Target, first: int, count: int = 1) -> Procedure[None]:
    """Delete rows; not safe to repeat.

    See DELETE /open-apis/sheets/v2/spreadsheets/:spreadsheetToken/dimension_range.

    Args:
        token: The spreadsheet or worksheet: a token, a link, a `Sheet`.
        first: The first row, from 1.
        count: How many rows to delete, 1 to 5,000; not all rows of the worksheet.

    Raises:
        InvalidRequestError: A number is invalid; nothing was sent.
        OutcomeUnknownError: The answer is lost: read the sheet before repeating it.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    _check_count(first, count)
    at = yield from locate_range(token, fresh=True)
    deleted = {"sheetId": at.sheet.sheet_id, "majorDimension": "ROWS", "startIndex": first}
    body = {"dimension": {**deleted, "endIndex": first + count - 1}}  # from 1, both ends included
    url = fill_path(V2 + "/dimension_range", token=at.token)
    yield from perform(make_request("DELETE", url, json=body, idempotent=False))
    yield from locate_range(token, fresh=True)


def _check_count(first: object, count: object) -> None:
    if type(first) is not int or type(count) is not int or first < 1 or not 1 <= count <= MAX_ROWS:
        raise InvalidRequestError(
            f"Rows must be a number from 1 and a count from 1 to {MAX_ROWS}, got {first!r} and {count!r}. "
            "Next: pass 2 and 10 for the rows 2 to 11.",
            code=_WRONG,
        )


def make_size_calls(
    token: str,
    sheet_id: str,
    sizes: Mapping[tuple[int, int], int],
    dimension: Literal["COLUMNS", "ROWS"] = "COLUMNS",
) -> list[Call[Any]]:
    """Return the calls that set widths or heights.

    Args:
        token: The token of the spreadsheet.
        sheet_id: The id of the worksheet.
        sizes: Pixels by first and last column or row, from 1.
        dimension: Whether `sizes` are widths of columns (`COLUMNS`) or heights of rows (`ROWS`).
    """
    calls = []
    for (first, last), pixels in sizes.items():
        for start in range(first, last + 1, MAX_ROWS):
            part = {"startIndex": start, "endIndex": min(last, start + MAX_ROWS - 1)}
            body = {
                "dimension": {"sheetId": sheet_id, "majorDimension": dimension, **part},
                "dimensionProperties": {"fixedSize": pixels},
            }
            url = fill_path(V2 + "/dimension_range", token=token)
            calls.append(make_request("PUT", url, json=body, idempotent=True))
    return calls


def _set_sizes(
    token: Target,
    sizes: Mapping[str | int, int],
    dimension: Literal["COLUMNS", "ROWS"],
    shape: re.Pattern[str],
) -> Procedure[None]:
    if not isinstance(sizes, Mapping):
        raise InvalidRequestError(
            f"Sizes must be a dict of pixels, got {sizes!r:.120}. Next: write {{'A': 120, 'B:D': 80}}.",
            code=_WRONG,
        )
    number = parse_column if dimension == "COLUMNS" else int
    pixel_sizes: dict[tuple[int, int], int] = {}
    for key, pixels in sizes.items():
        match = None if isinstance(key, int) else shape.fullmatch(str(key).strip())
        if isinstance(key, int):
            first = last = key
        elif match is not None:
            first = number(match[1])
            last = number(match[2]) if match[2] else first
        else:
            first = last = 0
        if not 1 <= first <= last or type(pixels) is not int or not 1 <= pixels <= MAX_PIXELS:
            raise InvalidRequestError(
                f"A size must be a column or row, such as 'A', 'B:D' or 3, and 1 to {MAX_PIXELS} pixels, got "
                f"{key!r}: {pixels!r}. Next: pass sizes such as {{'A': 120}} or {{3: 40}}.",
                code=_WRONG,
            )
        pixel_sizes[first, last] = pixels
    at = yield from locate_range(token)
    most = max((last for _, last in pixel_sizes), default=1)
    rows, columns = (at.sheet.rows, most) if dimension == "COLUMNS" else (most, at.sheet.columns)
    sheet = yield from grow(at.token, at.sheet, rows, columns)
    for call in make_size_calls(at.token, sheet.sheet_id, pixel_sizes, dimension):
        yield from perform(call)
