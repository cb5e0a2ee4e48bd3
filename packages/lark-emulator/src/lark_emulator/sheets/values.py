"""`/sheets/v2/spreadsheets/:token/values…`: writing, appending and reading cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.drive.access import EDIT
from lark_emulator.routing import Call, Route
from lark_emulator.sheets import ranges
from lark_emulator.sheets.cells import Cells
from lark_emulator.sheets.opened import Opened, body_of, opened, part, parts
from lark_emulator.sheets.ranges import MOST_COLUMNS, MOST_ROWS
from lark_emulator.sheets.reading import DATES, RENDERS, Reader
from lark_emulator.validation import choice
from lark_emulator.world.grid import ROWS, Rect, Rich

if TYPE_CHECKING:
    from lark_emulator.world.sheets import Worksheet

MOST_GRID_COLUMNS = 13_000


class Block(NamedTuple):
    """Rows of cells that are ready to be written, and whether each row holds rich ones."""

    sheet: Worksheet
    where: Rect
    """The range: at least as large as the rows."""
    rows: list[tuple[list[Any], bool]]

    @property
    def data(self) -> Rect:
        """What the rows cover."""
        width = max((len(cells) for cells, _ in self.rows), default=0)
        where = self.where
        return where._replace(end_row=where.row + len(self.rows), end_column=where.column + width)


def block(file: Opened, cells: Cells, spec: dict[str, Any], *, any_height: bool = False) -> Block:
    """Read a `valueRange`.

    Args:
        file: the spreadsheet.
        cells: reads its values.
        spec: `range` and `values`.
        any_height: whether the values may have more rows than the range.

    Raises:
        RefusedError: 90202 (range wrong or too small), 90204, 90222, 90226 (nothing, or too much).
    """
    at = ranges.to_write(file, spec.get("range"))
    values = spec.get("values")
    if not isinstance(values, list):
        raise file.refusal(codes.SHEET_BODY, "values must be a list of lists")
    if not values:
        raise file.refusal(codes.SHEET_LIMIT, "values is empty")
    ready = Block(at.sheet, at.where, [cells.row(row) for row in values])
    data = ready.data
    if (at.bounded and at.where.rows > MOST_ROWS) or max(
        at.where.columns * at.bounded, data.columns
    ) > MOST_COLUMNS:
        raise file.refusal(codes.SHEET_LIMIT, f"at most {MOST_ROWS} x {MOST_COLUMNS} cells")
    if data.rows > MOST_ROWS:
        raise file.refusal(codes.SHEET_LIMIT, f"at most {MOST_ROWS} rows")
    short = at.bounded and data.rows > at.where.rows and not any_height
    if short or data.columns > at.where.columns:
        raise file.refusal(codes.SHEET_RANGE, "the range is smaller than the values")
    return ready


def check_room(file: Opened, sheet: Worksheet, where: Rect) -> tuple[int, int]:
    """Return how many rows and columns the grid has once these cells are in it.

    Raises:
        RefusedError: 90202 (it does not grow), 90219 (too many cells).
    """
    grid = sheet.grid
    rows, columns = max(grid.row_count, where.end_row), max(grid.column_count, where.end_column)
    if (rows, columns) == (grid.row_count, grid.column_count):
        return rows, columns
    if file.call.settings.grid_growth == "refused":
        raise file.refusal(codes.SHEET_RANGE, "beyond the grid")
    if columns > MOST_GRID_COLUMNS or rows * columns > file.call.settings.max_sheet_cells:
        raise file.refusal(codes.SHEET_CELLS_EXCEEDED)
    return rows, columns


def check(file: Opened, ready: Block) -> None:
    """Check that a block may be written.

    Raises:
        RefusedError: as `check_room` does, or 90202: a dropdown does not offer a value (`dropdown_writes`).
    """
    check_room(file, ready.sheet, _grown_to(file, ready))
    if file.call.settings.dropdown_writes == "refused":
        for rule in ready.sheet.dropdowns.values():
            offered = set(rule.spec["conditionValues"])
            for row, column, value in _cells_in(ready, rule.where):
                texts = value.segments[0].get("values", [value.text]) if isinstance(value, Rich) else [value]
                if value is not None and not offered.issuperset(map(str, texts)):
                    raise file.refusal(codes.SHEET_RANGE, f"{ranges.cell(row, column)}: not offered")


def _grown_to(file: Opened, ready: Block) -> Rect:
    where, data = ready.where, ready.data
    if file.call.settings.grid_growth != "range":
        return data
    return where._replace(end_row=max(where.end_row, data.end_row))


def _cells_in(ready: Block, places: list[Rect]) -> list[tuple[int, int, Any]]:
    found = []
    for place in places:
        if place.meets(ready.data):
            for n, (cells, _) in enumerate(ready.rows):
                for m, value in enumerate(cells):
                    row, column = ready.where.row + n, ready.where.column + m
                    if place.holds(row, column):
                        found.append((row, column, value))
    return found


def write(file: Opened, ready: Block) -> dict[str, Any]:
    """Write a block, and return what was updated."""
    sheet, where, settings = ready.sheet, ready.where, file.call.settings
    sheet.grid.row_count, sheet.grid.column_count = check_room(file, sheet, _grown_to(file, ready))
    data = ready.data
    merges = (
        [merge for merge in sheet.merges if merge.meets(data)] if settings.merged_writes == "dropped" else []
    )
    special = bool(merges) or settings.null_write == "kept" or any(rich for _, rich in ready.rows)
    reset = settings.value_write_formats == "reset"
    for n, (cells, rich) in enumerate(ready.rows):
        if special:
            cells = _settled(file, ready, where.row + n, cells, merges)  # noqa: PLW2901 - what is left of them
        sheet.grid.put(where.row + n, where.column, cells, rich=rich or special, reset=reset)
    return updated(file, sheet, data)


def _settled(file: Opened, ready: Block, row: int, cells: list[Any], merges: list[Rect]) -> list[Any]:
    """Return the cells of a row as they are stored, where merges, dropdowns or nulls make a difference."""
    sheet, start = ready.sheet, ready.where.column
    settled = []
    for column, value in enumerate(cells, start):
        covered = any(
            merge.holds(row, column) and (row, column) != (merge.row, merge.column) for merge in merges
        )
        if covered or (value is None and file.call.settings.null_write == "kept"):
            settled.append(sheet.grid.value(row, column))
        elif isinstance(value, Rich) and value.segments and value.segments[0]["type"] == "multipleValue":
            offered = any(rect.holds(row, column) for rule in sheet.dropdowns.values() for rect in rule.where)
            settled.append(value if offered else value.text)
        else:
            settled.append(value)
    return settled


def updated(file: Opened, sheet: Worksheet, where: Rect) -> dict[str, Any]:
    """Return what a write answers about the cells that it changed."""
    return {
        "spreadsheetToken": file.token,
        "updatedRange": ranges.shown(sheet.sheet_id, where),
        "updatedRows": where.rows,
        "updatedColumns": where.columns,
        "updatedCells": where.rows * where.columns,
    }


def put(call: Call) -> dict[str, Any]:
    """Answer `PUT …/values`."""
    file = opened(call, EDIT)
    ready = block(file, Cells(file, call.body), part(call, body_of(call), "valueRange"))
    check(file, ready)
    done = write(file, ready)
    return {"revision": file.wrote(), **done}


def batch_update(call: Call) -> dict[str, Any]:
    """Answer `POST …/values_batch_update`."""
    file = opened(call, EDIT)
    specs = parts(call, body_of(call), "valueRanges")
    cells = Cells(file, call.body)
    responses: list[dict[str, Any]] = []
    if call.settings.value_batches == "whole":
        blocks = [block(file, cells, spec) for spec in specs]
        for ready in blocks:
            check(file, ready)
        responses = [write(file, ready) for ready in blocks]
    else:
        try:
            for spec in specs:
                ready = block(file, cells, spec)
                check(file, ready)
                responses.append(write(file, ready))
        except RefusedError:
            if responses:
                file.wrote()
            raise
    return {"responses": responses, "revision": file.wrote(), "spreadsheetToken": file.token}


def append(call: Call) -> dict[str, Any]:
    """Answer `POST …/values_append`: from the first blank cell of the first column on."""
    how = choice(call.query, "insertDataOption", ("OVERWRITE", "INSERT_ROWS"), default="OVERWRITE")
    file = opened(call, EDIT)
    ready = block(file, Cells(file, call.body), part(call, body_of(call), "valueRange"), any_height=True)
    sheet, where = ready.sheet, ready.where
    row = where.row
    while sheet.grid.value(row, where.column) is not None:
        row += 1
    table = where._replace(end_row=max(row, where.row + 1))
    height = len(ready.rows)
    placed = ready._replace(where=where._replace(row=row, end_row=row + height))
    inserts = how == "INSERT_ROWS" and row < sheet.grid.row_count
    if inserts:
        _check_rows(file, sheet, height)
    check(file, placed)
    if inserts:
        sheet.inserted(ROWS, row, height)
    done = write(file, placed)
    return {
        "revision": file.wrote(),
        "spreadsheetToken": file.token,
        "tableRange": ranges.shown(sheet.sheet_id, table),
        "updates": {"revision": file.book.revision, **done},
    }


def prepend(call: Call) -> dict[str, Any]:
    """Answer `POST …/values_prepend`: rows are inserted above the range."""
    file = opened(call, EDIT)
    ready = block(file, Cells(file, call.body), part(call, body_of(call), "valueRange"), any_height=True)
    sheet, where, height = ready.sheet, ready.where, len(ready.rows)
    if where.row >= sheet.grid.row_count:
        raise file.refusal(codes.SHEET_RANGE, "beyond the grid")
    placed = ready._replace(where=where._replace(end_row=where.row + height))
    _check_rows(file, sheet, height)
    check(file, placed)
    sheet.inserted(ROWS, where.row, height)
    done = write(file, placed)
    return {
        "revision": file.wrote(),
        "spreadsheetToken": file.token,
        "tableRange": ranges.shown(sheet.sheet_id, placed.where),
        "updates": {"revision": file.book.revision, **done},
    }


def _check_rows(file: Opened, sheet: Worksheet, count: int) -> None:
    if (sheet.grid.row_count + count) * sheet.grid.column_count > file.call.settings.max_sheet_cells:
        raise file.refusal(codes.SHEET_CELLS_EXCEEDED)


def _reader(call: Call) -> Reader:
    file = opened(call)
    render, dates = call.query.get("valueRenderOption", ""), call.query.get("dateTimeRenderOption", "")
    if render not in RENDERS or dates not in DATES:
        raise file.refusal(codes.SHEET_URL_PARAM)
    return Reader(file, render, bool(dates), call.settings.max_sheet_answer_bytes)


def _value_range(reader: Reader, text: str) -> tuple[dict[str, Any], int]:
    name, rows, count = reader.values(text)
    revision = reader.file.book.revision
    return {"majorDimension": "ROWS", "range": name, "revision": revision, "values": rows}, count


def get(call: Call) -> dict[str, Any]:
    """Answer `GET …/values/:range`."""
    reader = _reader(call)
    found, _ = _value_range(reader, call.params["range"])
    file = reader.file
    return {"revision": file.book.revision, "spreadsheetToken": file.token, "valueRange": found}


def batch_get(call: Call) -> dict[str, Any]:
    """Answer `GET …/values_batch_get`."""
    reader = _reader(call)
    found = [_value_range(reader, text) for text in call.query.get("ranges", "").split(",")]
    return {
        "revision": reader.file.book.revision,
        "spreadsheetToken": reader.file.token,
        "totalCells": sum(count for _, count in found),
        "valueRanges": [each for each, _ in found],
    }


_PATH = "/open-apis/sheets/v2/spreadsheets/:spreadsheetToken"

ROUTES = (
    Route(
        "PUT",
        f"{_PATH}/values",
        put,
        unconfirmed=(
            "growth of the grid (settable, `grid_growth`), formats (`value_write_formats`), bools "
            "(`bool_cells`), links (`url_strings`, `email_strings`), `=` (`equals_strings`), nulls "
            "(`null_write`), covered cells (`merged_writes`), dropdowns (`dropdown_writes`); rows may differ in "
            "length; more than 5,000 x 100 cells get 90226; the bound of a request (`max_sheet_request_bytes`)",
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
    Route(
        "GET",
        f"{_PATH}/values/:range",
        get,
        unconfirmed=(
            "a range that begins outside the grid (settable, `read_outside`), empty rows at the end "
            "(`trailing_rows`); formulas are not computed, but for SUM, AVERAGE, COUNT, MIN and MAX of one range",
        ),
    ),
    Route("GET", f"{_PATH}/values_batch_get", batch_get),
)
