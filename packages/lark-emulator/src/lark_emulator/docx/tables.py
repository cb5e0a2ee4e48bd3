"""Rows, columns and merged cells of the tables in a document, and the columns of grids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.docx.making import add, fill_table, place_blocks
from lark_emulator.docx.schema import GRID_COLUMNS, MAX_TABLE_CELLS, MAX_TABLE_COLUMNS, BlockContent
from lark_emulator.world import docx

if TYPE_CHECKING:
    from collections.abc import Callable

    from lark_emulator.codes import Code
    from lark_emulator.docx.opened import OpenDocument
    from lark_emulator.world.docx import Block

_ONE = {"row_span": 1, "col_span": 1}


def _read_whole_number(spec: dict[str, Any], name: str, bounds: range, refusal: Code) -> int:
    value = spec.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise RefusedError(codes.DOCX_PARAM)
    if value not in bounds:
        raise RefusedError(refusal)
    return value


def insert_row(file: OpenDocument, table: Block, spec: dict[str, Any]) -> None:
    """Insert an empty row; -1 = after the last one."""
    looks = table.data["property"]
    rows, columns = looks["row_size"], looks["column_size"]
    row = _read_whole_number(spec, "row_index", range(-1, rows + 1), codes.DOCX_ROW_RANGE)
    row = rows if row == -1 else row
    if (rows + 1) * columns > MAX_TABLE_CELLS:
        raise RefusedError(codes.DOCX_CELLS)
    looks["row_size"] = rows + 1
    places = range(row * columns, (row + 1) * columns)
    for place in places:
        looks["merge_info"].insert(place, dict(_ONE))
    fill_table(file, table, places)


def insert_column(file: OpenDocument, table: Block, spec: dict[str, Any]) -> None:
    """Insert an empty column; -1 = after the last one."""
    looks = table.data["property"]
    rows, columns = looks["row_size"], looks["column_size"]
    column = _read_whole_number(spec, "column_index", range(-1, columns + 1), codes.DOCX_COLUMN_RANGE)
    column = columns if column == -1 else column
    if columns + 1 > MAX_TABLE_COLUMNS:
        raise RefusedError(codes.DOCX_COLUMNS)
    if rows * (columns + 1) > MAX_TABLE_CELLS:
        raise RefusedError(codes.DOCX_CELLS)
    looks["column_size"] = columns + 1
    looks["column_width"].insert(column, 100)
    places = [row * (columns + 1) + column for row in range(rows)]
    for place in places:
        looks["merge_info"].insert(place, dict(_ONE))
    fill_table(file, table, places)


def delete_rows(file: OpenDocument, table: Block, spec: dict[str, Any]) -> None:
    """Delete rows; one must stay."""
    looks = table.data["property"]
    rows, columns = looks["row_size"], looks["column_size"]
    start, end = _read_span(spec, "row", rows, codes.DOCX_ROW_RANGE)
    looks["row_size"] = rows - (end - start)
    _drop(file, table, lambda place: start <= place // columns < end)


def delete_columns(file: OpenDocument, table: Block, spec: dict[str, Any]) -> None:
    """Delete columns; one must stay."""
    looks = table.data["property"]
    columns = looks["column_size"]
    start, end = _read_span(spec, "column", columns, codes.DOCX_COLUMN_RANGE)
    looks["column_size"] = columns - (end - start)
    del looks["column_width"][start:end]
    _drop(file, table, lambda place: start <= place % columns < end)


def _read_span(spec: dict[str, Any], axis: str, count: int, refusal: Code) -> tuple[int, int]:
    start = _read_whole_number(spec, f"{axis}_start_index", range(count), refusal)
    end = _read_whole_number(spec, f"{axis}_end_index", range(start + 1, count + 1), refusal)
    if end - start == count:
        raise RefusedError(codes.DOCX_OPERATION)
    return start, end


def _drop(file: OpenDocument, table: Block, gone: Callable[[int], bool]) -> None:
    looks, cells = table.data["property"], list(table.children)
    for place, cell in enumerate(cells):
        if gone(place):
            file.docx.remove(file.docx.blocks[cell])
    table.children = [cell for place, cell in enumerate(cells) if not gone(place)]
    table.data["cells"] = list(table.children)
    looks["merge_info"] = [dict(_ONE) for _ in table.children]


def merge(_file: OpenDocument, table: Block, spec: dict[str, Any]) -> None:
    """Merge the cells of some rows and columns into the first of them."""
    looks = table.data["property"]
    columns = looks["column_size"]
    top = _read_whole_number(spec, "row_start_index", range(looks["row_size"]), codes.DOCX_ROW_RANGE)
    bottom = _read_whole_number(
        spec, "row_end_index", range(top + 1, looks["row_size"] + 1), codes.DOCX_ROW_RANGE
    )
    left = _read_whole_number(spec, "column_start_index", range(columns), codes.DOCX_COLUMN_RANGE)
    right = _read_whole_number(
        spec, "column_end_index", range(left + 1, columns + 1), codes.DOCX_COLUMN_RANGE
    )
    looks["merge_info"][top * columns + left] = {"row_span": bottom - top, "col_span": right - left}


def unmerge(_file: OpenDocument, table: Block, spec: dict[str, Any]) -> None:
    """Take a merged cell apart."""
    looks = table.data["property"]
    row = _read_whole_number(spec, "row_index", range(looks["row_size"]), codes.DOCX_ROW_RANGE)
    column = _read_whole_number(spec, "column_index", range(looks["column_size"]), codes.DOCX_COLUMN_RANGE)
    looks["merge_info"][row * looks["column_size"] + column] = dict(_ONE)


def change(_file: OpenDocument, table: Block, spec: dict[str, Any]) -> None:
    """Change the width of a column, and which row and column are headers."""
    looks = table.data["property"]
    if spec.get("column_width") is not None:
        width = _read_whole_number(spec, "column_width", range(50, 10_000), codes.DOCX_PARAM)
        column = _read_whole_number(
            spec, "column_index", range(looks["column_size"]), codes.DOCX_COLUMN_RANGE
        )
        looks["column_width"][column] = width
    for name in ("header_row", "header_column"):
        if spec.get(name) is not None:
            if not isinstance(spec[name], bool):
                raise RefusedError(codes.DOCX_PARAM)
            looks[name] = spec[name]


def insert_grid_column(file: OpenDocument, grid: Block, spec: dict[str, Any]) -> None:
    """Insert a column into a grid; -1 = after the last one."""
    size = grid.data["column_size"]
    if size + 1 not in GRID_COLUMNS:
        raise RefusedError(codes.DOCX_OPERATION)
    column = _read_whole_number(spec, "column_index", range(-1, size + 1), codes.DOCX_COLUMN_RANGE)
    grid_column = add(file, BlockContent(docx.GRID_COLUMN, {"width_ratio": 100 // (size + 1)}))
    place_blocks(grid, [grid_column], size if column == -1 else column)
    grid.data["column_size"] = size + 1


def delete_grid_column(file: OpenDocument, grid: Block, spec: dict[str, Any]) -> None:
    """Delete a column of a grid; -1 = the last one."""
    size = grid.data["column_size"]
    if size - 1 not in GRID_COLUMNS:
        raise RefusedError(codes.DOCX_OPERATION)
    column = _read_whole_number(spec, "column_index", range(-1, size), codes.DOCX_COLUMN_RANGE)
    file.docx.remove(file.docx.blocks[grid.children.pop(column)])
    grid.data["column_size"] = size - 1


def resize_grid(file: OpenDocument, grid: Block, spec: dict[str, Any]) -> None:
    """Set how wide the columns of a grid are, in hundredths of it."""
    ratios = spec.get("width_ratios")
    if not isinstance(ratios, list) or len(ratios) != len(grid.children):
        raise RefusedError(codes.DOCX_PARAM)
    for ratio, column in zip(ratios, grid.children, strict=True):
        if not isinstance(ratio, int) or isinstance(ratio, bool) or not 1 <= ratio <= 99:  # noqa: PLR2004
            raise RefusedError(codes.DOCX_PARAM)
        file.docx.blocks[column].data["width_ratio"] = ratio
