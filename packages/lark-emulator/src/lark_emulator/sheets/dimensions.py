"""Rows and columns: appended, inserted, sized, hidden, deleted, moved. Each call counts in its own way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.drive.access import EDIT
from lark_emulator.routing import Call, Route
from lark_emulator.sheets.opened import (
    OpenSpreadsheet,
    open_spreadsheet,
    read_body,
    require_number,
    require_part,
)
from lark_emulator.sheets.writing import MAX_GRID_COLUMNS
from lark_emulator.world.grid import COLUMNS, ROWS, Size

if TYPE_CHECKING:
    from lark_emulator.world.grid import Grid
    from lark_emulator.world.sheets import Worksheet

MAX_AT_ONCE = 5000


def _find_dimension(file: OpenSpreadsheet, spec: dict[str, Any]) -> tuple[Worksheet, str]:
    sheet = file.require_sheet(spec.get("sheetId"))
    if spec.get("majorDimension") not in (ROWS, COLUMNS):
        raise file.make_refusal(codes.SHEET_BODY, "majorDimension")
    return sheet, spec["majorDimension"]


def _get_length(grid: Grid, axis: str) -> int:
    return grid.row_count if axis == ROWS else grid.column_count


def _check_space(file: OpenSpreadsheet, grid: Grid, axis: str, more: int) -> None:
    if not 1 <= more <= MAX_AT_ONCE:
        raise file.make_refusal(codes.SHEET_DIMENSION, f"1 to {MAX_AT_ONCE} at once")
    rows = grid.row_count + more * (axis == ROWS)
    columns = grid.column_count + more * (axis == COLUMNS)
    if columns > MAX_GRID_COLUMNS or rows * columns > file.call.settings.max_sheet_cells:
        raise file.make_refusal(codes.SHEET_CELLS_EXCEEDED)


def append(call: Call) -> dict[str, Any]:
    """Answer `POST …/dimension_range`: at the end."""
    file = open_spreadsheet(call, EDIT)
    spec = require_part(call, read_body(call), "dimension")
    sheet, axis = _find_dimension(file, spec)
    count = require_number(call, spec, "length", 1)
    _check_space(file, sheet.grid, axis, count)
    sheet.insert(axis, _get_length(sheet.grid, axis), count)
    file.record_write()
    return {"addCount": count, "majorDimension": axis}


def insert(call: Call) -> dict[str, Any]:
    """Answer `POST …/insert_dimension_range`: from 0, the end not included."""
    file = open_spreadsheet(call, EDIT)
    body = read_body(call)
    spec = require_part(call, body, "dimension")
    sheet, axis = _find_dimension(file, spec)
    start, end = require_number(call, spec, "startIndex"), require_number(call, spec, "endIndex")
    if start > _get_length(sheet.grid, axis):
        raise file.make_refusal(codes.SHEET_DIMENSION, "startIndex is beyond the grid")
    _check_space(file, sheet.grid, axis, end - start)
    style = body.get("inheritStyle") or ""
    if style not in ("", "BEFORE", "AFTER"):
        raise file.make_refusal(codes.SHEET_BODY, "inheritStyle")
    copied = {"BEFORE": start - 1, "AFTER": start}.get(style)
    sheet.insert(axis, start, end - start, None if copied is None or copied < 0 else copied)
    file.record_write()
    return {}


def read_inclusive_range(file: OpenSpreadsheet, spec: dict[str, Any]) -> tuple[Worksheet, str, int, int]:
    """Return worksheet, axis, start from 0, and how many, of a range from 1 whose end is included."""
    sheet, axis = _find_dimension(file, spec)
    start, end = (
        require_number(file.call, spec, "startIndex", 1),
        require_number(file.call, spec, "endIndex", 1),
    )
    if not 0 < end - start + 1 <= MAX_AT_ONCE or end > _get_length(sheet.grid, axis):
        raise file.make_refusal(codes.SHEET_DIMENSION, f"{start} to {end}")
    return sheet, axis, start - 1, end - start + 1


def update(call: Call) -> dict[str, Any]:
    """Answer `PUT …/dimension_range`: from 1, the end included; sizes in pixels, 0 hides."""
    file = open_spreadsheet(call, EDIT)
    body = read_body(call)
    sheet, axis, start, count = read_inclusive_range(file, require_part(call, body, "dimension"))
    spec = require_part(call, body, "dimensionProperties")
    visible = spec.get("visible")
    if visible is not None and not isinstance(visible, bool):
        raise file.make_refusal(codes.SHEET_BODY, "visible")
    pixels = require_number(call, spec, "fixedSize") if spec.get("fixedSize") is not None else None
    if pixels is None and visible is None:
        raise file.make_refusal(codes.SHEET_UNCHANGED)
    sizes = sheet.grid.sizes[axis]
    for n in range(start, start + count):
        size = sizes.setdefault(n, Size())
        if pixels is not None:
            size.pixels, size.hidden = pixels or size.pixels, pixels == 0
        if visible is not None:
            size.hidden = not visible
    file.record_write()
    return {}


def delete(call: Call) -> dict[str, Any]:
    """Answer `DELETE …/dimension_range`: from 1, the end included; not all of them."""
    file = open_spreadsheet(call, EDIT)
    sheet, axis, start, count = read_inclusive_range(file, require_part(call, read_body(call), "dimension"))
    if count == _get_length(sheet.grid, axis):
        raise file.make_refusal(codes.SHEET_DIMENSION, "not all of them")
    sheet.remove(axis, start, count)
    file.record_write()
    return {"delCount": count, "majorDimension": axis}


def move(call: Call) -> dict[str, Any]:
    """Answer `POST …/move_dimension` of v3: from 0, the end included."""
    file = open_spreadsheet(call, EDIT)
    sheet = file.require_sheet(call.params["sheet_id"])
    body = read_body(call)
    spec = require_part(call, body, "source")
    axis = spec.get("major_dimension")
    if axis not in (ROWS, COLUMNS):
        raise file.make_refusal(codes.SHEET_BODY, "major_dimension")
    start, end = require_number(call, spec, "start_index"), require_number(call, spec, "end_index")
    to, total = require_number(call, body, "destination_index"), _get_length(sheet.grid, axis)
    if end < start or end >= total or to > total or start < to <= end:
        raise file.make_refusal(codes.SHEET_DIMENSION, f"{start} to {end}")
    count = end - start + 1
    # The destination counts with the moved rows still in their place.
    target = to - count if to > end else to
    if target != start:
        sheet.move(axis, start, count, target)
    file.record_write()
    return {}


_PATH = "/open-apis/sheets/v2/spreadsheets/:spreadsheet_token"

ROUTES = (
    Route("POST", f"{_PATH}/dimension_range", append),
    Route("PUT", f"{_PATH}/dimension_range", update),
    Route("DELETE", f"{_PATH}/dimension_range", delete, unconfirmed=("wrong indexes get 90223",)),
    Route("POST", f"{_PATH}/insert_dimension_range", insert),
    Route(
        "POST",
        "/open-apis/sheets/v3/spreadsheets/:spreadsheet_token/sheets/:sheet_id/move_dimension",
        move,
        unconfirmed=("`destination_index` counts with the moved rows still in their place",),
    ),
)
