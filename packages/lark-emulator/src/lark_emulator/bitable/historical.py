"""The historical `GET …/records` and `GET …/records/:record_id`: texts are strings, filters formulas."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator import codes
from lark_emulator.bitable import formulas, pages, views, visibility
from lark_emulator.bitable.access import find_base, find_table
from lark_emulator.bitable.formulas import FilterFormula
from lark_emulator.bitable.rows import Rows
from lark_emulator.bitable.search import find, find_columns, prepare
from lark_emulator.codes import RefusedError
from lark_emulator.routing import Call, Route
from lark_emulator.validation import read_flag, read_user_id_type

if TYPE_CHECKING:
    from lark_emulator.routing import Slices
    from lark_emulator.world.bases import Field
    from lark_emulator.world.records import Record

#: What the list accepts of a filter and a sort, in characters.
_MAX_EXPRESSION_LENGTHS = (("filter", 2000, codes.FILTER_TOO_LONG), ("sort", 1000, codes.SORT_TOO_LONG))
_DIRECTIONS = {"ASC": False, "DESC": True}


def get(call: Call) -> dict[str, Any]:
    """Answer `GET …/records/:record_id`."""
    base, table = find_base(call), find_table(call)
    converter = Rows(call, base, table, read_user_id_type(call))
    records, hidden, _ = visibility.by_id(call, base, table, [call.params["record_id"]])
    if not records:
        raise RefusedError(codes.PERMISSION_DENIED if hidden else codes.RECORD_NOT_FOUND)
    link = "record_url" if read_flag(call.query, "with_shared_url") else ""
    return {"record": _render(call, converter, None, records[0], link=link)}


def list_records(call: Call) -> Slices:
    """Answer `GET …/records`; with a filter or a sort, the view is ignored."""
    base, table = find_base(call), find_table(call)
    for name, longest, code in _MAX_EXPRESSION_LENGTHS:
        if len(call.query.get(name, "")) > longest:
            raise RefusedError(code)
    text, sorts = call.query.get("filter", "").strip(), _read_sorts(call)
    condition: Any = FilterFormula(text) if text else None
    if not text and not sorts:
        condition = views.get_search_filter(table, call.query.get("view_id") or table.view_id)
    size, id_type = pages.read_page_size(call), read_user_id_type(call)
    yield from prepare(call, base, table, id_type, condition)
    # What is found is shown by the fields of the same moment: they may change before it is all sorted.
    columns = find_columns(table, _read_list(call, "field_names", codes.INVALID_FIELD_NAMES))
    converter = Rows(call, base, table, id_type)
    records = yield from find(call, base, table, id_type, condition, sorts)
    return pages.make_page(call, table, records, size, partial(_render, call, converter, columns))


def _read_list(call: Call, name: str, code: codes.Code) -> list[str]:
    """Return the JSON list of strings that a query parameter holds; none if it is absent."""
    text = call.query.get(name, "").strip()
    if not text:
        return []
    try:
        items = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise RefusedError(code) from None
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise RefusedError(code)
    return items


def _read_sorts(call: Call) -> list[dict[str, Any]]:
    """Return the sort as a search takes it: `["Name DESC"]`; ascending without a direction."""
    sorts = []
    for item in _read_list(call, "sort", codes.INVALID_SORT):
        name, _, direction = item.strip().rpartition(" ")
        if name and direction.upper() in _DIRECTIONS:
            sorts.append({"field_name": name.strip(), "desc": _DIRECTIONS[direction.upper()]})
        else:
            sorts.append({"field_name": item.strip(), "desc": False})
    return sorts


def _render(
    call: Call, converter: Rows, columns: list[Field] | None, record: Record, *, link: str = ""
) -> dict[str, Any]:
    shown = converter.render(
        record,
        columns=columns,
        automatic=read_flag(call.query, "automatic_fields"),
        plain_text=not read_flag(call.query, "text_field_as_array"),
        link=link,
    )
    return {**shown, "id": record.record_id}


_PATH = "/open-apis/bitable/v1/apps/:app_token/tables/:table_id/records"

ROUTES = (
    Route(
        "GET",
        f"{_PATH}/:record_id",
        get,
        unconfirmed=("`with_shared_url` adds `record_url`, where nothing is served", visibility.UNCONFIRMED),
    ),
    Route(
        "GET",
        _PATH,
        list_records,
        unconfirmed=(
            *formulas.UNCONFIRMED,
            "`sort` and `field_names` that are not JSON lists of known names get 1254016 and 1254024",
            *pages.UNCONFIRMED,
            visibility.UNCONFIRMED,
        ),
    ),
)
