"""`POST …/records/search`: filter, sort, page."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator import codes
from lark_emulator.bitable import filters, pages, views, visibility
from lark_emulator.bitable.access import find_base, find_table
from lark_emulator.bitable.filters import Filters
from lark_emulator.bitable.formulas import FilterFormula
from lark_emulator.bitable.rows import Rows
from lark_emulator.bitable.values import AUTO_NUMBER
from lark_emulator.codes import RefusedError
from lark_emulator.routing import Call, Route
from lark_emulator.slicing import filter_items, free_items, sort_items
from lark_emulator.validation import read_json_object, read_user_id_type

if TYPE_CHECKING:
    from collections.abc import Generator

    from lark_emulator.routing import Slices
    from lark_emulator.world.bases import Base, Field, Table
    from lark_emulator.world.records import Record

MAX_SORTS = 100
MAX_NAMES = 200


def search(call: Call) -> Slices:
    """Answer with records in the read shape, empty fields left out."""
    base, table = find_base(call), find_table(call)
    id_type = read_user_id_type(call)
    size = pages.read_page_size(call)
    body = read_json_object(call, codes.WRONG_JSON)
    condition, sorts, view_id = body.get("filter"), body.get("sort"), body.get("view_id")
    if view_id and not condition and not sorts:
        condition = views.get_search_filter(table, view_id)
    yield from prepare(call, base, table, id_type, condition)
    # What is found is shown by the fields of the same moment: they may change before it is all sorted.
    columns = find_columns(table, body.get("field_names"))
    rows = Rows(call, base, table, id_type)
    records = yield from find(call, base, table, id_type, condition, sorts)
    automatic = body.get("automatic_fields") is True
    return pages.make_page(
        call, table, records, size, lambda record: rows.render(record, columns=columns, automatic=automatic)
    )


def prepare(
    call: Call, base: Base, table: Table, id_type: str, condition: Any
) -> Generator[None, None, None]:
    """Make the indexes that a search needs; other requests are served meanwhile."""
    if condition and not isinstance(condition, FilterFormula) and visibility.shows_all(call, base):
        finder = Filters(call, base, table, id_type)
        finder.check_size(condition)
        finder.make_test(condition)
        yield from finder.prepare(condition)


def find(
    call: Call, base: Base, table: Table, id_type: str, condition: Any, sorts: Any
) -> Generator[None, None, list[Record]]:
    """Return the records that a search shows, in its order; other requests are served meanwhile.

    It finds the records as they are when it begins, whatever others write then. The result is kept until the
    table changes, so that the next page is cut from it and not searched again.
    """
    plain = visibility.shows_all(call, base)
    if not condition and not sorts:
        return table.records.list_all() if plain else (yield from visibility.list_visible(call, base, table))
    finder, version = Filters(call, base, table, id_type), _get_version(table)
    question = (orjson.dumps([condition, sorts]), id_type, call.app.app_id, finder.today)
    known = table.searches.get(question) if plain else None
    if known is not None and known[0] == version:
        return known[1]
    test = candidates = None
    if isinstance(condition, FilterFormula):
        test = condition.make_test(finder, table)
    elif condition:
        finder.check_size(condition)
        test = finder.make_test(condition)
        candidates = finder.list_candidates(condition) if plain else None
    columns = _read_sorts(table, sorts) if sorts else []
    records = candidates
    if records is None:
        records = yield from visibility.list_visible(call, base, table)
    if test is not None:
        records = yield from filter_items(test, records)
    for column, is_descending in reversed(columns):
        records = yield from _sort_records(finder, column, records, reverse=is_descending)
    if plain and version == _get_version(table):
        table.keep_search(question, version, records)
    return records


def _get_version(table: Table) -> tuple[int, int]:
    return table.revision, table.records.version


def find_columns(table: Table, names: Any) -> list[Field] | None:
    """Return the fields that a request names; None = all.

    Raises:
        RefusedError: 1254024.
    """
    if not names:
        return None
    if not isinstance(names, list) or len(names) > MAX_NAMES:
        raise RefusedError(codes.INVALID_FIELD_NAMES)
    try:
        return [table.names[name] for name in names]
    except (KeyError, TypeError):
        raise RefusedError(codes.INVALID_FIELD_NAMES) from None


def _read_sorts(table: Table, sorts: Any) -> list[tuple[Field, bool]]:
    """Return the fields to sort by, and whether each is descending."""
    if not isinstance(sorts, list) or len(sorts) > MAX_SORTS:
        raise RefusedError(codes.INVALID_SORT)
    columns = []
    for sort in sorts:
        name = sort.get("field_name") if isinstance(sort, dict) else None
        column = table.names.get(name) if isinstance(name, str) else None
        if column is None:
            raise RefusedError(codes.INVALID_SORT)
        columns.append((column, sort.get("desc") is True))
    return columns


def _sort_records(
    finder: Filters, column: Field, records: list[Record], *, reverse: bool
) -> Generator[None, None, list[Record]]:
    filled = yield from filter_items(partial(_is_filled, finder, column), records)
    empty: list[Record] = []
    if len(filled) < len(records):
        empty = yield from filter_items(partial(_is_empty, finder, column), records)
    ranked = yield from sort_items(filled, partial(_rank, finder, column), reverse=reverse)
    yield from free_items(filled)
    ranked += empty
    return ranked


def _is_filled(finder: Filters, column: Field, record: Record) -> bool:
    return finder.get_value(record, column) is not None


def _is_empty(finder: Filters, column: Field, record: Record) -> bool:
    return finder.get_value(record, column) is None


def _rank(finder: Filters, column: Field, record: Record) -> Any:
    value = finder.get_value(record, column)
    if column.options and isinstance(value, str):  # options sort in the order of the field
        return list(column.options).index(value)
    if column.type == AUTO_NUMBER:
        return int(value)
    return "\0".join(value) if isinstance(value, list) else value


ROUTES = (
    Route(
        "POST",
        "/open-apis/bitable/v1/apps/:app_token/tables/:table_id/records/search",
        search,
        unconfirmed=(
            *filters.UNCONFIRMED,
            "empty cells sort last",
            "unknown names: 1254024 (field_names), 1254018 (filter), 1254016 (sort)",
            *pages.UNCONFIRMED,
            visibility.UNCONFIRMED,
        ),
    ),
)
