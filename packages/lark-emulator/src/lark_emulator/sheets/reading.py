"""What cells read as, by the options of a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator import codes
from lark_emulator.sheets import ranges
from lark_emulator.sheets.formats import display, is_date
from lark_emulator.sheets.formulas import compute_result
from lark_emulator.sheets.pace import Pace
from lark_emulator.world.grid import Formula, Rect, Rich

if TYPE_CHECKING:
    from collections.abc import Generator

    from lark_emulator.sheets.opened import OpenSpreadsheet
    from lark_emulator.sheets.ranges import Range
    from lark_emulator.world.grid import GridRow
    from lark_emulator.world.sheets import Worksheet

RENDERS = ("", "ToString", "Formula", "FormattedValue", "UnformattedValue")
DATES = ("", "FormattedString")
MAX_OPEN_COLUMNS = 100
#: The bytes that a cell takes at least.
_SHORTEST = 2


@dataclass(slots=True)
class CellReader:
    """Reads cells for one request.

    Args:
        file: The spreadsheet to read.
        render: The request's `valueRenderOption`.
        dates: Whether `dateTimeRenderOption` asks for dates as text.
        left: How many bytes the answer may still take.
    """

    file: OpenSpreadsheet
    render: str
    dates: bool
    left: int

    def read_values(self, text: str) -> Generator[None, None, tuple[str, orjson.Fragment, int]]:
        """Return the range that was read, its rows as JSON, and how many cells they are.

        Raises:
            RefusedError: 90202 (wrong, or outside the grid), 90221 (too much).
        """
        cell_range = ranges.parse(self.file, text)
        if cell_range.rows_only:
            raise self.file.make_refusal(codes.SHEET_RANGE, text)
        if not cell_range.starts_inside:
            if self.file.call.settings.read_outside == "refused":
                raise self.file.make_refusal(codes.SHEET_RANGE, f"{text} is beyond the grid")
            return "", orjson.Fragment(b"[]"), 0
        where = _limit_range(cell_range)
        if where.rows * where.columns * _SHORTEST > self.left:
            raise self.file.make_refusal(codes.SHEET_ANSWER_TOO_LARGE)
        rows = yield from self.read_rows(cell_range.sheet, where)
        last = next((n for n in range(len(rows), 0, -1) if rows[n - 1].count(None) < where.columns), 0)
        if self.file.call.settings.trailing_rows == "cut":
            del rows[last:]
        packed = orjson.dumps(rows)
        self.left -= len(packed)
        if self.left < 0:
            raise self.file.make_refusal(codes.SHEET_ANSWER_TOO_LARGE)
        name = ranges.format_range(cell_range.sheet.sheet_id, where) if last else ""
        return name, orjson.Fragment(packed), where.rows * where.columns

    def read_rows(self, sheet: Worksheet, where: Rect) -> Generator[None, None, list[list[Any]]]:
        """Return the rows of some cells; other requests are served between them."""
        pace = Pace()
        first, last, width = where.column, where.end_column, where.columns
        blank = [None] * width
        plain = not self.dates and self.render not in ("ToString", "FormattedValue")
        rows = []
        for row in sheet.grid.look_at(where.row, where.end_row):
            if row is None:
                rows.append(blank)
                continue
            cells = row.values[first:last]
            if len(cells) < width:
                cells += blank[len(cells) :]
            if row.rich or not plain:
                cells = [
                    value if value is None else self._convert_value(sheet, value, row, first + n)
                    for n, value in enumerate(cells)
                ]
                if pace.count_cells(width):
                    yield
            rows.append(cells)
        return rows

    def _convert_value(self, sheet: Worksheet, value: Any, row: GridRow, column: int) -> Any:
        if isinstance(value, Formula):
            if self.render in ("", "Formula"):
                return value.text
            value = compute_result(sheet, value)
        if isinstance(value, Rich):
            return self._convert_rich(value)
        if isinstance(value, bool):
            return str(value).upper() if self.render in ("ToString", "FormattedValue") else value
        if isinstance(value, (int, float)):
            number = row.styles[column] if column < len(row.styles) else 0
            formatter = self.file.book.styles[number].get("formatter", "")
            if self.render == "FormattedValue" or (self.dates and is_date(formatter)):
                return display(value, formatter)
        return value

    def _convert_rich(self, value: Rich) -> Any:
        if not value.segments:
            return {"type": "#UNSUPPORT VALUE"}
        if value.segments[0]["type"] == "multipleValue":
            as_list = self.file.call.settings.dropdown_reads == "list"
            return value.segments[0]["values"] if as_list else value.text
        if self.render in ("ToString", "FormattedValue"):
            return value.text
        return value.segments


def _limit_range(cell_range: Range) -> Rect:
    where = cell_range.cut
    if not cell_range.bounded and where.columns > MAX_OPEN_COLUMNS:
        return where._replace(end_column=where.column + MAX_OPEN_COLUMNS)
    return where
