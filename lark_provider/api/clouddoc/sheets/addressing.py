"""Cells and ranges: in A1 notation, as numbers from 1, and in Lark's form `sheetId!A1:C9`."""

from __future__ import annotations

import re
from typing import NamedTuple, NoReturn, TypeAlias

from lark_provider.api.clouddoc.cells import show
from lark_provider.protocol.errors import InvalidRequestError

MAX_COLUMNS = 13_000
MAX_CELLS = 5_000_000
"""The most cells of one worksheet, empty cells included."""
WRONG_RANGE = 90202
_LETTERS = 26
_MAX_ROWS = MAX_CELLS
_CORNER = re.compile(r"\$?([A-Za-z]{1,3})?\$?([0-9]{1,9})?")
_PAIR, _QUAD = 2, 4


class Cell(NamedTuple):
    """A cell; row and column count from 1."""

    row: int
    column: int

    def __str__(self) -> str:
        """Return the cell in A1 notation."""
        return f"{format_column(self.column)}{self.row}"


class Range(NamedTuple):
    """A rectangle of cells, both corners included, counted from 1.

    Attributes:
        first_row: The upper row.
        first_column: The left column.
        last_row: The lower row; None for the end of the sheet.
        last_column: The right column; None for the end of the sheet.
        sheet: The worksheet that it names, by title or id; None if it names none.
    """

    first_row: int = 1
    first_column: int = 1
    last_row: int | None = None
    last_column: int | None = None
    sheet: str | None = None

    @classmethod
    def from_size(cls, first: Cell, rows: int, columns: int) -> Range:
        """Return the range that begins at a cell and has so many rows and columns."""
        return cls(first.row, first.column, first.row + rows - 1, first.column + columns - 1)

    @property
    def first(self) -> Cell:
        """The upper left cell."""
        return Cell(self.first_row, self.first_column)

    @property
    def is_cell(self) -> bool:
        """Whether it is a single cell."""
        return (self.last_row, self.last_column) == (self.first_row, self.first_column)

    @property
    def a1(self) -> str:
        """The range as people write it, such as `A1:C9`, `A2:C`, `A:C` or `1:2`; empty for a whole sheet."""
        if self.last_row is None and self.last_column is None:
            return "" if self.first == (1, 1) else f"{self.first}:"
        left = format_column(self.first_column)
        if self.last_column is None:
            return f"{self.first_row if self.first_column == 1 else self.first}:{self.last_row}"
        right = format_column(self.last_column)
        if self.last_row is None:
            return f"{left}{'' if self.first_row == 1 else self.first_row}:{right}"
        return str(self.first) if self.is_cell else f"{self.first}:{right}{self.last_row}"

    def on(self, sheet_id: str) -> str:
        """Return a closed range in Lark's form, `sheetId!A1:C9`; a single cell is `sheetId!A1:A1`.

        Args:
            sheet_id: The id of the worksheet.
        """
        if self.last_row is None or self.last_column is None:
            raise ValueError(f"The range {self.a1!r} has no end.")
        return f"{sheet_id}!{self.first}:{Cell(self.last_row, self.last_column)}"

    def within(self, rows: int, columns: int) -> Range | None:
        """Return the part of the range that lies in a grid, as a closed range; None if no part does.

        Args:
            rows: How many rows the grid has.
            columns: How many columns the grid has.
        """
        if self.first_row > rows or self.first_column > columns:
            return None
        last_row = rows if self.last_row is None else min(self.last_row, rows)
        last_column = columns if self.last_column is None else min(self.last_column, columns)
        return self._replace(last_row=last_row, last_column=last_column)

    def meets(self, other: Range) -> bool:
        """Return whether two ranges have a cell in common."""
        return _overlap(self.first_row, self.last_row, other.first_row, other.last_row) and _overlap(
            self.first_column, self.last_column, other.first_column, other.last_column
        )


RangeLike: TypeAlias = str | tuple[int, int] | tuple[int, int, int, int] | Range | None
"""A1 text (`A1:C9`, `A:C`, `A2:C`, `1:2`, `Sheet1!A1`), (row, column), (row, column, row, column), or None
for the whole sheet."""


def _overlap(first: int, last: int | None, other: int, other_last: int | None) -> bool:
    return (last is None or other <= last) and (other_last is None or first <= other_last)


def format_column(number: int) -> str:
    """Return the letters of a column: 1 is A, 27 is AA.

    Args:
        number: The number of the column, from 1.
    """
    letters = ""
    while number:
        number, place = divmod(number - 1, _LETTERS)
        letters = chr(ord("A") + place) + letters
    return letters


def parse_column(letters: str) -> int:
    """Return the number of a column: A is 1, AA is 27.

    Args:
        letters: Latin letters, of either case.
    """
    number = 0
    for letter in letters.upper():
        number = number * _LETTERS + ord(letter) - ord("A") + 1
    return number


def parse_range(range_like: RangeLike) -> Range:
    """Read a range.

    Args:
        range_like: A1 text, (row, column), (row, column, row, column), a `Range`, or None for the whole
            sheet.

    Returns:
        The range.

    Raises:
        InvalidRequestError: It is something else, or is larger than any sheet.
    """
    if range_like is None:
        return Range()
    if isinstance(range_like, Range):
        area = range_like
    elif isinstance(range_like, str):
        area = _parse(range_like)
    elif isinstance(range_like, tuple) and len(range_like) in (_PAIR, _QUAD):
        area = Range(*range_like) if len(range_like) == _QUAD else Range(*range_like, *range_like)
    else:
        _refuse(range_like)
    ends = (area.first_row, area.first_column, area.last_row, area.last_column)
    if not all(end is None or (type(end) is int and end >= 1) for end in ends) or None in ends[:_PAIR]:
        _refuse(range_like)
    last_row, last_column = area.last_row or area.first_row, area.last_column or area.first_column
    if last_row < area.first_row or last_column < area.first_column:
        _refuse(range_like)
    if last_row > _MAX_ROWS or last_column > MAX_COLUMNS:
        raise InvalidRequestError(
            f"A range must end within {MAX_COLUMNS:,} columns and {_MAX_ROWS:,} rows, got {show(range_like)}"
            ". Next: correct the range, or split the table over several sheets.",
            code=WRONG_RANGE,
        )
    return area


def _parse(text: str) -> Range:
    title, mark, place = text.strip().rpartition("!")
    sheet = _unquote(title) if mark else None
    if not place:
        if mark or not text.strip():
            return Range(sheet=sheet)
        _refuse(text)
    left, colon, right = place.partition(":")
    start, end = _CORNER.fullmatch(left), _CORNER.fullmatch(right)
    if start is None or end is None or not any(start.groups()):
        _refuse(text)
    columns = [parse_column(corner[1]) if corner[1] else None for corner in (start, end)]
    rows = [int(corner[2]) if corner[2] else None for corner in (start, end)]
    if not colon:
        if rows[0] is None or columns[0] is None:
            _refuse(text)
        rows[1], columns[1] = rows[0], columns[0]
    elif columns[0] is None and columns[1] is not None:
        _refuse(text)
    return _order_corners(rows, columns, sheet)


def _order_corners(rows: list[int | None], columns: list[int | None], sheet: str | None) -> Range:
    """Return the range between two corners, which may be in either order."""
    if None not in rows:
        rows = sorted(rows, key=lambda row: row or 0)
    if None not in columns:
        columns = sorted(columns, key=lambda column: column or 0)
    first_row, first_column = (
        rows[0] if rows[0] is not None else 1,
        columns[0] if columns[0] is not None else 1,
    )
    return Range(first_row, first_column, rows[1], columns[1], sheet)


def _unquote(title: str) -> str:
    is_quoted = len(title) >= _PAIR and title[0] == title[-1] == "'"
    return title[1:-1].replace("''", "'") if is_quoted else title


def _refuse(value: object) -> NoReturn:
    raise InvalidRequestError(
        f"A range must be A1 text or numbers from 1, got {show(value)}. Next: write 'A1:C9', 'A:C', 'A2:C', "
        "'1:2', 'Sheet1!A1:C9', (row, column) or (row, column, last_row, last_column).",
        code=WRONG_RANGE,
    )
