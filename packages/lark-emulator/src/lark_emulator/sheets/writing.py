"""How blocks of values are checked and written into a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from lark_emulator import codes
from lark_emulator.sheets import ranges
from lark_emulator.sheets.locked import check_unlocked
from lark_emulator.sheets.pace import Pace
from lark_emulator.sheets.ranges import MAX_COLUMNS, MAX_ROWS
from lark_emulator.world.grid import Rect, Rich

if TYPE_CHECKING:
    from collections.abc import Generator

    from lark_emulator.sheets.cells import Cells
    from lark_emulator.sheets.opened import OpenSpreadsheet
    from lark_emulator.world.sheets import Worksheet

MAX_GRID_COLUMNS = 13_000


class RowBlock(NamedTuple):
    """Rows of cells that are ready to be written, and whether each row holds rich ones."""

    sheet: Worksheet
    where: Rect
    """The range: at least as large as the rows."""
    rows: list[tuple[list[Any], bool]]
    chooses: bool
    """Whether one of the values is a choice of several, for a dropdown."""

    @property
    def data(self) -> Rect:
        """What the rows cover."""
        width = max((len(cells) for cells, _ in self.rows), default=0)
        where = self.where
        return where._replace(end_row=where.row + len(self.rows), end_column=where.column + width)


def read_block(
    file: OpenSpreadsheet, cells: Cells, spec: dict[str, Any], *, any_height: bool = False
) -> Generator[None, None, RowBlock]:
    """Read a `valueRange`, row by row, so that other requests are served.

    Args:
        file: The spreadsheet that is written to.
        cells: The converter of the request's values.
        spec: The `valueRange` of the request, with `range` and `values`.
        any_height: Whether the values may have more rows than the range.

    Raises:
        RefusedError: 90202 (range wrong or too small), 90204, 90222, 90226 (nothing, or too much).
    """
    at = ranges.to_write(file, spec.get("range"))
    values = spec.get("values")
    if not isinstance(values, list):
        raise file.make_refusal(codes.SHEET_BODY, "values must be a list of lists")
    if not values:
        raise file.make_refusal(codes.SHEET_LIMIT, "values is empty")
    rows: list[tuple[list[Any], bool]] = []
    pace = Pace()
    for row in values:
        rows.append(cells.convert_row(row))
        if pace.count_cells(len(rows[-1][0])):
            yield
    ready = RowBlock(at.sheet, at.where, rows, cells.chooses)
    data = ready.data
    if not data.columns:
        raise file.make_refusal(codes.SHEET_LIMIT, "values is empty")
    if (at.bounded and at.where.rows > MAX_ROWS) or max(
        at.where.columns * at.bounded, data.columns
    ) > MAX_COLUMNS:
        raise file.make_refusal(codes.SHEET_LIMIT, f"at most {MAX_ROWS} x {MAX_COLUMNS} cells")
    if data.rows > MAX_ROWS:
        raise file.make_refusal(codes.SHEET_LIMIT, f"at most {MAX_ROWS} rows")
    short = at.bounded and data.rows > at.where.rows and not any_height
    if short or data.columns > at.where.columns:
        raise file.make_refusal(codes.SHEET_RANGE, "the range is smaller than the values")
    return ready


def check_space(file: OpenSpreadsheet, sheet: Worksheet, where: Rect) -> tuple[int, int]:
    """Return how many rows and columns the grid has once these cells are in it.

    Raises:
        RefusedError: 90202 (it does not grow), 90219 (too many cells).
    """
    grid = sheet.grid
    rows, columns = max(grid.row_count, where.end_row), max(grid.column_count, where.end_column)
    if (rows, columns) == (grid.row_count, grid.column_count):
        return rows, columns
    if file.call.settings.grid_growth == "refused":
        raise file.make_refusal(codes.SHEET_RANGE, "beyond the grid")
    if columns > MAX_GRID_COLUMNS or rows * columns > file.call.settings.max_sheet_cells:
        raise file.make_refusal(codes.SHEET_CELLS_EXCEEDED)
    return rows, columns


def check(file: OpenSpreadsheet, ready: RowBlock) -> None:
    """Check that a block may be written.

    Raises:
        RefusedError: as `check_space` does, 90218 (locked), or 90202: a dropdown does not offer a value
            (`dropdown_writes`).
    """
    check_unlocked(file, ready.sheet, ready.data)
    check_space(file, ready.sheet, _get_grown_rect(file, ready))
    if file.call.settings.dropdown_writes == "refused":
        for rule in ready.sheet.dropdowns.values():
            offered = set(rule.spec["conditionValues"])
            for row, column, value in _list_covered_cells(ready, rule.where):
                texts = value.segments[0].get("values", [value.text]) if isinstance(value, Rich) else [value]
                if value is not None and not offered.issuperset(map(str, texts)):
                    raise file.make_refusal(
                        codes.SHEET_RANGE, f"{ranges.format_cell(row, column)}: not offered"
                    )


def _get_grown_rect(file: OpenSpreadsheet, ready: RowBlock) -> Rect:
    where, data = ready.where, ready.data
    if file.call.settings.grid_growth != "range":
        return data
    return where._replace(end_row=max(where.end_row, data.end_row))


def _list_covered_cells(ready: RowBlock, places: list[Rect]) -> list[tuple[int, int, Any]]:
    covered_cells = []
    for place in places:
        if place.meets(ready.data):
            for n, (cells, _) in enumerate(ready.rows):
                for m, value in enumerate(cells):
                    row, column = ready.where.row + n, ready.where.column + m
                    if place.holds(row, column):
                        covered_cells.append((row, column, value))
    return covered_cells


def write(file: OpenSpreadsheet, ready: RowBlock) -> dict[str, Any]:
    """Write a block, and return what was updated."""
    sheet, where, settings = ready.sheet, ready.where, file.call.settings
    sheet.grid.row_count, sheet.grid.column_count = check_space(file, sheet, _get_grown_rect(file, ready))
    data = ready.data
    merges = (
        [merge for merge in sheet.merges if merge.meets(data)] if settings.merged_writes == "dropped" else []
    )
    special = bool(merges) or settings.null_write == "kept" or ready.chooses
    reset = settings.value_write_formats == "reset"
    for n, (cells, rich) in enumerate(ready.rows):
        if special:
            cells = _settle(file, ready, where.row + n, cells, merges)  # noqa: PLW2901 - what is left of them
        sheet.grid.put(where.row + n, where.column, cells, rich=rich or special, reset=reset)
    return describe_update(file, sheet, data)


def _settle(
    file: OpenSpreadsheet, ready: RowBlock, row: int, cells: list[Any], merges: list[Rect]
) -> list[Any]:
    """Return the cells of a row as they are stored, where merges, dropdowns or nulls make a difference."""
    sheet, start = ready.sheet, ready.where.column
    settled = []
    for column, value in enumerate(cells, start):
        covered = any(
            merge.holds(row, column) and (row, column) != (merge.row, merge.column) for merge in merges
        )
        if covered or (value is None and file.call.settings.null_write == "kept"):
            settled.append(sheet.grid.get_value(row, column))
        elif isinstance(value, Rich) and value.segments and value.segments[0]["type"] == "multipleValue":
            offered = any(rect.holds(row, column) for rule in sheet.dropdowns.values() for rect in rule.where)
            settled.append(value if offered else value.text)
        else:
            settled.append(value)
    return settled


def describe_update(file: OpenSpreadsheet, sheet: Worksheet, where: Rect) -> dict[str, Any]:
    """Return what a write answers about the cells that it changed."""
    return {
        "spreadsheetToken": file.token,
        "updatedRange": ranges.format_range(sheet.sheet_id, where),
        "updatedRows": where.rows,
        "updatedColumns": where.columns,
        "updatedCells": where.rows * where.columns,
    }
