"""A worksheet as JSON: all that its cells hold and look like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator.sheets.formulas import compute_result
from lark_emulator.sheets.pace import Pace
from lark_emulator.sheets.ranges import format_a1, format_cell, format_column
from lark_emulator.world.grid import COLUMNS, ROWS, Formula, Rich

if TYPE_CHECKING:
    from collections.abc import Generator

    from lark_emulator.routing import Slices
    from lark_emulator.world.sheets import Filter, Lock, Rule, Spreadsheet, Worksheet


def render(book: Spreadsheet, sheet: Worksheet, *, cells: bool) -> Slices:
    """Return a worksheet; other requests are served between its rows.

    Args:
        book: The spreadsheet that the worksheet belongs to.
        sheet: The worksheet to return.
        cells: Whether to return values and formats.

    Returns:
        `values`: rows down to the last one that holds a value, all as long as the longest; formulas are
        `{"formula", "result"}`, links and the like lists of segments. `formats`: the styles of cells that
        have one, by `A1`. `widths` and `heights` in pixels by `A` and by `1`, and what is `hidden`.
        `filter_views`, `float_images` and `locks` (protected rows and columns) with their ids.
    """
    grid = sheet.grid
    view: dict[str, Any] = {
        "sheet_id": sheet.sheet_id,
        "title": sheet.title,
        "index": list(book.sheets).index(sheet.sheet_id),
        "hidden": sheet.hidden,
        "row_count": grid.row_count,
        "column_count": grid.column_count,
        "frozen_rows": sheet.frozen_rows,
        "frozen_columns": sheet.frozen_columns,
        "protection": sheet.protection,
        "merges": [format_a1(rect) for rect in sheet.merges],
        "widths": {format_column(n): size.pixels for n, size in grid.sizes[COLUMNS].items() if size.pixels},
        "heights": {str(n + 1): size.pixels for n, size in grid.sizes[ROWS].items() if size.pixels},
        "hidden_columns": [format_column(n) for n, size in grid.sizes[COLUMNS].items() if size.hidden],
        "hidden_rows": [n + 1 for n, size in grid.sizes[ROWS].items() if size.hidden],
        "filter": None if sheet.filter is None else _render_filter(sheet.filter),
        "conditional_formats": [_render_rule(rule) for rule in sheet.formats.values()],
        "dropdowns": [_render_rule(rule) for rule in sheet.dropdowns.values()],
        "filter_views": [
            {"id": filter_view.view_id, "name": filter_view.name, **_render_filter(filter_view.filter)}
            for filter_view in sheet.views.values()
        ],
        "float_images": [
            {
                "id": image.image_id,
                "token": image.token,
                "cell": format_cell(image.where.row, image.where.column),
                **image.size,
            }
            for image in sheet.images.values()
        ],
        "locks": [_lock(lock) for lock in sheet.locks.values()],
    }
    if cells:
        view["values"] = yield from _render_values(sheet)
        view["formats"] = yield from _render_formats(book, sheet)
    return view


def _render_filter(filter_: Filter) -> dict[str, Any]:
    conditions = {format_column(column): condition for column, condition in filter_.conditions.items()}
    return {"range": format_a1(filter_.where), "conditions": conditions}


def _lock(lock: Lock) -> dict[str, Any]:
    start, end = lock.where.get_span(lock.axis)
    name = format_column if lock.axis == COLUMNS else _format_row
    return {
        "id": lock.lock_id,
        "range": f"{name(start)}:{name(end - 1)}",
        "by": list(lock.creator),
        "users": lock.users,
        "info": lock.info,
    }


def _format_row(number: int) -> str:
    return str(number + 1)


def _render_rule(rule: Rule) -> dict[str, Any]:
    return {"id": rule.rule_id, "ranges": [format_a1(rect) for rect in rule.where], **rule.spec}


def _render_values(sheet: Worksheet) -> Generator[None, None, list[list[Any]]]:
    rows = [[] if row is None else row.values for row in sheet.grid.rows[: sheet.grid.end_of_data()]]
    pace, width, shown_rows = Pace(), max(map(_compute_width, rows), default=0), []
    for row in rows:
        shown_rows.append([render_value(sheet, v) for v in row[:width]] + [None] * (width - len(row)))
        if pace.count_cells(width):
            yield
    return shown_rows


def _compute_width(row: list[Any]) -> int:
    width = len(row)
    while width and row[width - 1] is None:
        width -= 1
    return width


def render_value(sheet: Worksheet, value: Any) -> Any:
    """Return what a cell holds: a formula with its result, segments, or a plain value."""
    if isinstance(value, Formula):
        return {"formula": value.text, "result": compute_result(sheet, value)}
    if isinstance(value, Rich):
        return value.segments or {"error": True}
    return value


def _render_formats(book: Spreadsheet, sheet: Worksheet) -> Slices:
    formats, pace = {}, Pace()
    for row, grid_row in enumerate(sheet.grid.rows):
        if grid_row is not None and any(grid_row.styles):
            for column, number in enumerate(grid_row.styles):
                if number:
                    formats[format_cell(row, column)] = book.styles[number]
            if pace.count_cells(len(grid_row.styles)):
                yield
    return formats
