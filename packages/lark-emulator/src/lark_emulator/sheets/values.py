"""`/sheets/v2/spreadsheets/:token/values…`: writing and appending cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.drive.access import EDIT
from lark_emulator.routing import Call, Route
from lark_emulator.sheets import ranges
from lark_emulator.sheets.cells import Cells
from lark_emulator.sheets.opened import (
    OpenSpreadsheet,
    open_spreadsheet,
    read_body,
    require_open,
    require_part,
    require_parts,
)
from lark_emulator.sheets.writing import check, read_block, write
from lark_emulator.validation import read_choice
from lark_emulator.world.grid import ROWS

if TYPE_CHECKING:
    from collections.abc import Generator

    from lark_emulator.routing import Slices
    from lark_emulator.sheets.writing import RowBlock
    from lark_emulator.world.sheets import Worksheet


def _check_block_again(file: OpenSpreadsheet, ready: RowBlock) -> None:
    """Check, after others had their turn, that a block may still be written."""
    require_open(file)
    file.require_sheet(ready.sheet.sheet_id)


def put(call: Call) -> Slices:
    """Answer `PUT …/values`."""
    file = open_spreadsheet(call, EDIT)
    ready = yield from read_block(
        file, Cells(file, call.body), require_part(call, read_body(call), "valueRange")
    )
    _check_block_again(file, ready)
    check(file, ready)
    done = write(file, ready)
    return {"revision": file.record_write(), **done}


def batch_update(call: Call) -> Slices:
    """Answer `POST …/values_batch_update`."""
    file = open_spreadsheet(call, EDIT)
    specs = require_parts(call, read_body(call), "valueRanges")
    cells = Cells(file, call.body)
    responses: list[dict[str, Any]] = []
    if call.settings.value_batches == "whole":
        blocks = yield from _read_blocks(file, cells, specs)
        for ready in blocks:
            _check_block_again(file, ready)
            check(file, ready)
        responses = [write(file, ready) for ready in blocks]
    else:
        try:
            for spec in specs:
                ready = yield from read_block(file, cells, spec)
                _check_block_again(file, ready)
                check(file, ready)
                responses.append(write(file, ready))
        except RefusedError:
            if responses:
                file.record_write()
            raise
    return {"responses": responses, "revision": file.record_write(), "spreadsheetToken": file.token}


def _read_blocks(
    file: OpenSpreadsheet, cells: Cells, specs: list[dict[str, Any]]
) -> Generator[None, None, list[RowBlock]]:
    blocks: list[RowBlock] = []
    for spec in specs:
        ready = yield from read_block(file, cells, spec)
        blocks.append(ready)
    return blocks


def append(call: Call) -> Slices:
    """Answer `POST …/values_append`: from the first blank cell of the first column on."""
    how = read_choice(call.query, "insertDataOption", ("OVERWRITE", "INSERT_ROWS"), default="OVERWRITE")
    file = open_spreadsheet(call, EDIT)
    spec = require_part(call, read_body(call), "valueRange")
    ready = yield from read_block(file, Cells(file, call.body), spec, any_height=True)
    _check_block_again(file, ready)
    sheet, where = ready.sheet, ready.where
    row = where.row
    while sheet.grid.get_value(row, where.column) is not None:
        row += 1
    table = where._replace(end_row=max(row, where.row + 1))
    height = len(ready.rows)
    placed = ready._replace(where=where._replace(row=row, end_row=row + height))
    inserts = how == "INSERT_ROWS" and row < sheet.grid.row_count
    if inserts:
        _check_rows(file, sheet, height)
    check(file, placed)
    if inserts:
        sheet.insert(ROWS, row, height)
    done = write(file, placed)
    return {
        "revision": file.record_write(),
        "spreadsheetToken": file.token,
        "tableRange": ranges.format_range(sheet.sheet_id, table),
        "updates": {"revision": file.book.revision, **done},
    }


def prepend(call: Call) -> Slices:
    """Answer `POST …/values_prepend`: rows are inserted above the range."""
    file = open_spreadsheet(call, EDIT)
    spec = require_part(call, read_body(call), "valueRange")
    ready = yield from read_block(file, Cells(file, call.body), spec, any_height=True)
    _check_block_again(file, ready)
    sheet, where, height = ready.sheet, ready.where, len(ready.rows)
    if where.row >= sheet.grid.row_count:
        raise file.make_refusal(codes.SHEET_RANGE, "beyond the grid")
    placed = ready._replace(where=where._replace(end_row=where.row + height))
    _check_rows(file, sheet, height)
    check(file, placed)
    sheet.insert(ROWS, where.row, height)
    done = write(file, placed)
    return {
        "revision": file.record_write(),
        "spreadsheetToken": file.token,
        "tableRange": ranges.format_range(sheet.sheet_id, placed.where),
        "updates": {"revision": file.book.revision, **done},
    }


def _check_rows(file: OpenSpreadsheet, sheet: Worksheet, count: int) -> None:
    if (sheet.grid.row_count + count) * sheet.grid.column_count > file.call.settings.max_sheet_cells:
        raise file.make_refusal(codes.SHEET_CELLS_EXCEEDED)


_PATH = "/open-apis/sheets/v2/spreadsheets/:spreadsheetToken"

ROUTES = (
    Route(
        "PUT",
        f"{_PATH}/values",
        put,
        unconfirmed=(
            (
                "growth of the grid (settable, `grid_growth`), formats (`value_write_formats`), bools "
                "(`bool_cells`), links (`url_strings`, `email_strings`), `=` (`equals_strings`), nulls "
                "(`null_write`), covered cells (`merged_writes`), dropdowns (`dropdown_writes`); rows may"
                " differ in length; more than 5,000 x 100 cells get 90226; the bound of a request "
                "(`max_sheet_request_bytes`)"
            ),
        ),
    ),
    Route(
        "POST",
        f"{_PATH}/values_batch_update",
        batch_update,
        unconfirmed=("whether a refused range undoes the others (settable, `value_batches`)",),
    ),
    Route("POST", f"{_PATH}/values_append", append, unconfirmed=("`tableRange`",)),
    Route("POST", f"{_PATH}/values_prepend", prepend, unconfirmed=("`tableRange`",)),
)
