"""Ranges as requests write them, such as `Q7PlXT!A1:B5`, and as answers show them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from lark_emulator import codes
from lark_emulator.world.grid import Rect

if TYPE_CHECKING:
    from lark_emulator.sheets.opened import OpenSpreadsheet
    from lark_emulator.world.sheets import Worksheet

MAX_ROWS, MAX_COLUMNS = 5000, 100
_CELL = re.compile(r"([A-Za-z]{0,4})([1-9][0-9]{0,8})?")
_LETTERS = 26


class Range(NamedTuple):
    """A range: its worksheet and its cells, which may lie outside the grid.

    Args:
        bounded: Whether the range says where its rows end.
        one_cell: Whether the range was written as one cell, without a colon.
        rows_only: Whether the range was written as rows, such as `1:2`.
    """

    sheet: Worksheet
    where: Rect
    bounded: bool
    one_cell: bool
    rows_only: bool

    @property
    def starts_inside(self) -> bool:
        """Whether its first cell is in the grid."""
        grid = self.sheet.grid
        return self.where.row < grid.row_count and self.where.column < grid.column_count

    @property
    def inside(self) -> bool:
        """Whether all of it is in the grid."""
        grid = self.sheet.grid
        return self.where.end_row <= grid.row_count and self.where.end_column <= grid.column_count

    @property
    def cut(self) -> Rect:
        """What of it is in the grid."""
        grid = self.sheet.grid
        return self.where._replace(
            end_row=min(self.where.end_row, grid.row_count),
            end_column=min(self.where.end_column, grid.column_count),
        )


def format_column(column: int) -> str:
    """Return the name of a column, numbered from 0."""
    name = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, _LETTERS)
        name = chr(ord("A") + rest) + name
    return name


def parse_column(name: str) -> int:
    """Return the number of a column, from 0."""
    number = 0
    for letter in name.upper():
        number = number * _LETTERS + ord(letter) - ord("A") + 1
    return number - 1


def format_range(sheet_id: str, where: Rect) -> str:
    """Return a range as an answer shows it."""
    return f"{sheet_id}!{format_a1(where)}"


def format_a1(where: Rect) -> str:
    """Return cells in A1 notation."""
    start = f"{format_column(where.column)}{where.row + 1}"
    return f"{start}:{format_column(where.end_column - 1)}{where.end_row}"


def format_cell(row: int, column: int) -> str:
    """Return a cell in A1 notation."""
    return f"{format_column(column)}{row + 1}"


def parse(file: OpenSpreadsheet, text: Any, sheet: Worksheet | None = None) -> Range:
    """Read a range.

    Args:
        file: The spreadsheet that the range refers to.
        text: The range, such as `Q7PlXT!A1:B2`; without cells, the whole worksheet.
        sheet: The worksheet that the path names, which the range may leave out.

    Raises:
        RefusedError: 90202 (not a range), 90215 (no such worksheet).
    """
    if not isinstance(text, str) or not text:
        raise file.make_refusal(codes.SHEET_RANGE)
    sheet_id, bang, cells = text.rpartition("!")
    if not bang and (sheet is None or text == sheet.sheet_id):
        sheet_id, cells = text, ""
    of = file.require_sheet(sheet_id) if sheet is None or bang else sheet
    if sheet is not None and of is not sheet:
        raise file.make_refusal(codes.SHEET_RANGE, text)
    grid = of.grid
    if not cells:
        return Range(of, Rect(0, 0, grid.row_count, grid.column_count), False, False, False)
    first, colon, last = cells.partition(":")
    start, end = _CELL.fullmatch(first), _CELL.fullmatch(last if colon else first)
    if start is None or end is None or not first or (colon and not last):
        raise file.make_refusal(codes.SHEET_RANGE, text)
    (left, top), (right, bottom) = start.groups(), end.groups()
    if (
        bool(left) != bool(right)
        or (bottom is None and top is not None and not right)
        or (top is None and bottom)
    ):
        raise file.make_refusal(codes.SHEET_RANGE, text)
    if not colon and not (left and top):
        raise file.make_refusal(codes.SHEET_RANGE, text)
    where = Rect(
        int(top or 1) - 1,
        parse_column(left) if left else 0,
        int(bottom) if bottom else max(grid.row_count, int(top or 1)),
        parse_column(right) + 1 if right else grid.column_count,
    )
    if where.rows < 1 or where.columns < 1:
        raise file.make_refusal(codes.SHEET_RANGE, text)
    return Range(of, where, bool(bottom), not colon, not left)


def to_write(file: OpenSpreadsheet, text: Any) -> Range:
    """Read a range of cells that are written to.

    Raises:
        RefusedError: 90202: as for `parse`, rows without columns, or one cell without a colon
            (`single_cells`).
    """
    cell_range = parse(file, text)
    if cell_range.rows_only or (cell_range.one_cell and file.call.settings.single_cells == "refused"):
        raise file.make_refusal(codes.SHEET_RANGE, str(text))
    return cell_range


def in_grid(file: OpenSpreadsheet, text: Any, *, most_rows: int = MAX_ROWS) -> Range:
    """Read a range that must lie in the grid and not be too large, for styles and merges.

    Raises:
        RefusedError: 90202.
    """
    cell_range = to_write(file, text)
    if not cell_range.starts_inside or not cell_range.inside:
        raise file.make_refusal(codes.SHEET_RANGE, f"{text} is beyond the grid")
    where = cell_range.where
    if cell_range.bounded and (where.rows > most_rows or where.columns > MAX_COLUMNS):
        raise file.make_refusal(codes.SHEET_RANGE, f"{text} is larger than {most_rows} x {MAX_COLUMNS}")
    return cell_range
