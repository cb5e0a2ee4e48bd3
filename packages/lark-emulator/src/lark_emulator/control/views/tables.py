"""Bitable tables and worksheets as the page shows them: windows of rows, and orders made in slices."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from lark_emulator.bitable.columns import render_field
from lark_emulator.bitable.values import (
    AUTO_NUMBER,
    CREATED_TIME,
    CREATED_USER,
    MODIFIED_TIME,
    MODIFIED_USER,
    USER,
)
from lark_emulator.control.sheet_view import render_value
from lark_emulator.control.specs import read_text, refuse_unknown, require_known
from lark_emulator.control.views.windows import parse_limit, parse_number
from lark_emulator.sheets.ranges import format_a1, format_column
from lark_emulator.slicing import filter_items, free_items, sort_items, with_turns
from lark_emulator.world.drive import SHEET
from lark_emulator.world.grid import COLUMNS, ROWS
from lark_emulator.world.sheets import Spreadsheet

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Iterator

    from lark_emulator.lark import Lark
    from lark_emulator.world.bases import Field, Table
    from lark_emulator.world.records import Record

#: Columns of a worksheet that the page shows.
_MAX_COLUMNS = 200
_AUTOMATIC: dict[int, Callable[[Record], Any]] = {
    CREATED_TIME: lambda record: record.created_time,
    MODIFIED_TIME: lambda record: record.modified_time,
    CREATED_USER: lambda record: [record.created_by.name],
    MODIFIED_USER: lambda record: [record.modified_by.name],
    AUTO_NUMBER: lambda record: record.number,
}


def list_records(lark: Lark, spec: dict[str, Any]) -> dict[str, Any] | Coroutine[None, None, dict[str, Any]]:
    """Return a window of the records of a table.

    Args:
        lark: The emulator that holds the table.
        spec: Arguments by name: `app_token`, `table_id`; `start` (absent = 0) and `limit` (absent = 50, at
            most 200); `sort` (the name of a field), and `order`, `asc` or `desc`.

    Returns:
        `fields` as Lark shows them, `total`, `start`, and `items` with `record_id` and `fields`; people by
        name.
    """
    refuse_unknown(spec, "app_token", "table_id", "start", "limit", "sort", "order")
    base = require_known(lark.world.bases, "base", read_text(spec, "app_token"))
    table = require_known(base.tables, "table", read_text(spec, "table_id"))
    start, wanted = parse_number(spec, "start", 0), parse_limit(spec)
    order = read_text(spec, "order") or "asc"
    if order not in ("asc", "desc"):
        raise ValueError(f"'order' must be asc or desc, not {order!r}")
    by = read_text(spec, "sort")
    if not by:
        return _make_window(table, list(table.fields.values()), table.records.list_all(), start, wanted)
    column = require_known(table.names, "field", by)
    question, version = ("page", column.field_id, order), (table.revision, table.records.version)
    known = table.searches.get(question)
    if known is not None and known[0] == version:
        return _make_window(table, list(table.fields.values()), known[1], start, wanted)
    columns, rows = list(table.fields.values()), table.records.take_snapshot()

    async def make_window() -> dict[str, Any]:
        ranked = await with_turns(_sort(table, rows, column, question, version))
        return _make_window(table, columns, ranked, start, wanted)

    return make_window()


def _sort(
    table: Table,
    rows: list[Record],
    column: Field,
    question: tuple[str, str, str],
    version: tuple[int, int],
) -> Generator[None, None, list[Record]]:
    """Sort records; empty cells are last."""
    filled = yield from filter_items(lambda record: _get_cell(column, record) not in (None, []), rows)
    empty = yield from filter_items(lambda record: _get_cell(column, record) in (None, []), rows)
    ranked = yield from sort_items(filled, partial(_rank, column), reverse=question[2] == "desc")
    yield from free_items(filled)
    ranked += empty
    if version == (table.revision, table.records.version):
        table.keep_search(question, version, ranked)
    return ranked


def _rank(column: Field, record: Record) -> tuple[int, Any]:
    """Return what a record is ordered by: numbers before texts, options in the order of their field."""
    value = _get_cell(column, record)
    if column.options:
        places = column.options
        first = value[0] if isinstance(value, list) else value
        return (0, list(places).index(first)) if first in places else (1, str(first))
    if isinstance(value, (int, float)):
        return 0, value
    return 1, value.casefold() if isinstance(value, str) else json.dumps(
        value, ensure_ascii=False, default=str
    )


def _get_cell(column: Field, record: Record) -> Any:
    automatic = _AUTOMATIC.get(column.type)
    if automatic is not None:
        return automatic(record)
    value = record.cells.get(column.field_id)
    if value is not None and column.type == USER:
        return [person.name for person in value]
    return value


def _make_window(
    table: Table, columns: list[Field], rows: list[Record], start: int, wanted: int
) -> dict[str, Any]:
    items = []
    for record in rows[start : start + wanted]:
        cells = {column.name: value for column in columns if (value := _get_cell(column, record)) is not None}
        items.append({"record_id": record.record_id, "fields": cells})
    return {
        "name": table.name,
        "fields": [render_field(table, column) for column in columns],
        "total": len(rows),
        "start": start,
        "items": items,
    }


def get_sheet(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Return a window of the rows of a worksheet, as far as its data goes and a few beyond.

    Args:
        lark: The emulator that holds the spreadsheet.
        spec: Arguments by name: `token`, `sheet_id`; `start` (the number of the first row, from 0) and
            `limit`.

    Returns:
        `title`, `row_count`, `column_count`, `total` (rows down to the last value), `start`; `rows`, each
        with `values` and `styles` of its cells, `height` and `hidden`; `columns` with `name`, `width` and
        `hidden`; `frozen_rows`, `frozen_columns` and `merges`.
    """
    refuse_unknown(spec, "token", "sheet_id", "start", "limit")
    document = require_known(lark.world.drive.documents, "document", read_text(spec, "token"))
    book = document.content
    if document.type != SHEET or not isinstance(book, Spreadsheet):
        raise ValueError(f"document {document.token!r} must be a spreadsheet")
    worksheet = require_known(book.sheets, "worksheet", read_text(spec, "sheet_id"))
    start, wanted, grid = parse_number(spec, "start", 0), parse_limit(spec, 100), worksheet.grid
    width = min(grid.column_count, _MAX_COLUMNS)
    heights, widths = grid.sizes[ROWS], grid.sizes[COLUMNS]
    rows = []
    for place in range(start, min(start + wanted, grid.row_count)):
        row = grid.rows[place] if place < len(grid.rows) else None
        values = [] if row is None else [render_value(worksheet, value) for value in row.values[:width]]
        styles = {} if row is None else _get_styles(book, row.styles[:width])
        size = heights.get(place)
        rows.append(
            {
                "number": place + 1,
                "values": values,
                "styles": styles,
                "height": None if size is None else size.pixels,
                "hidden": size is not None and size.hidden,
            }
        )
    return {
        "title": worksheet.title,
        "row_count": grid.row_count,
        "column_count": grid.column_count,
        "total": grid.end_of_data(),
        "start": start,
        "rows": rows,
        "columns": list(_iterate_columns(width, widths)),
        "frozen_rows": worksheet.frozen_rows,
        "frozen_columns": worksheet.frozen_columns,
        "merges": [format_a1(rect) for rect in worksheet.merges],
    }


def _get_styles(book: Spreadsheet, numbers: list[int]) -> dict[str, Any]:
    return {str(column): book.styles[number_] for column, number_ in enumerate(numbers) if number_}


def _iterate_columns(width: int, sizes: Any) -> Iterator[dict[str, Any]]:
    for place in range(width):
        size = sizes.get(place)
        yield {
            "name": format_column(place),
            "width": None if size is None else size.pixels,
            "hidden": size is not None and size.hidden,
        }
