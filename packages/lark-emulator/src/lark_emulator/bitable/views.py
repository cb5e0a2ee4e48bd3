"""`…/tables/:table_id/views`: create, list, read, change and delete views."""

from __future__ import annotations

from typing import Any

import orjson

from lark_emulator import codes
from lark_emulator.bitable.access import find_base, find_table, find_table_to_write
from lark_emulator.codes import RefusedError
from lark_emulator.routing import Call, Route
from lark_emulator.validation import cut_page, read_bounded_page_size, read_json_object
from lark_emulator.world.bases import Table, TableView

MAX_PER_PAGE = 100
MAX_VIEWS = 200
MAX_NAME_LENGTH = 100
MAX_CONDITIONS = 50
MAX_HIDDEN = 300
OPERATORS = frozenset(
    {
        *("is", "isNot", "contains", "doesNotContain", "isEmpty", "isNotEmpty"),
        *("isGreater", "isGreaterEqual", "isLess", "isLessEqual"),
    }
)
TYPES = ("grid", "kanban", "gallery", "gantt", "form")


def _check_name(table: Table, name: Any, but: TableView | None = None) -> str:
    """Return the checked name of a view.

    Raises:
        RefusedError: 1254021 (empty), 1254022 (too long, or with brackets), 1254020 (taken).
    """
    if not isinstance(name, str) or not name.strip():
        raise RefusedError(codes.EMPTY_VIEW_NAME)
    if len(name) > MAX_NAME_LENGTH or "[" in name or "]" in name:
        raise RefusedError(codes.INVALID_VIEW_NAME)
    if any(view.name == name for view in table.views.values() if view is not but):
        raise RefusedError(codes.VIEW_NAME_DUPLICATED)
    return name


def _find_view(call: Call, table: Table) -> TableView:
    view = table.views.get(call.params["view_id"])
    if view is None:
        raise RefusedError(codes.VIEW_NOT_FOUND)
    return view


def _render(view: TableView, *, full: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"view_id": view.view_id, "view_name": view.name, "view_type": view.type}
    if full:
        shown["property"] = {
            "filter_info": view.filter_info,
            "hidden_fields": view.hidden_fields,
            "hierarchy_config": view.hierarchy_config,
        }
    return shown


def get_search_filter(table: Table, view_id: Any) -> dict[str, Any] | None:
    """Return the filter of a view as a search takes it; None if it has none.

    Raises:
        RefusedError: 1254042.
    """
    view = table.views.get(view_id) if isinstance(view_id, str) else None
    if view is None:
        raise RefusedError(codes.VIEW_NOT_FOUND)
    if view.filter_info is None or not view.filter_info["conditions"]:
        return None
    conditions = []
    for condition in view.filter_info["conditions"]:
        column = table.fields.get(condition["field_id"])
        if column is None:  # deleted since
            continue
        names = {option_id: name for name, option_id in column.options.items()}
        held = [] if condition["value"] is None else orjson.loads(condition["value"])
        value = [names.get(item, item) if isinstance(item, str) else str(item) for item in held]
        conditions.append({"field_name": column.name, "operator": condition["operator"], "value": value})
    return {"conjunction": view.filter_info["conjunction"], "conditions": conditions} if conditions else None


def create(call: Call) -> dict[str, Any]:
    """Answer `POST …/views`."""
    base, table = find_base(call), find_table_to_write(call)
    body = read_json_object(call, codes.WRONG_JSON)
    kind = body.get("view_type") or TYPES[0]
    if kind not in TYPES:
        raise RefusedError(codes.INVALID_VIEW_TYPE)
    name = _check_name(table, body.get("view_name"))
    if len(table.views) >= MAX_VIEWS:
        raise RefusedError(codes.VIEWS_EXCEEDED)
    view = TableView(call.world.make_id("vew", 10), name, kind)
    table.views[view.view_id] = view
    base.touch(table)
    return {"view": _render(view, full=False)}


def list_views(call: Call) -> dict[str, Any]:
    """Answer `GET …/views`."""
    table = find_table(call)
    size = read_bounded_page_size(call, limit=MAX_PER_PAGE, code_for_zero=codes.PAGE_SIZE)
    items, more = cut_page(list(table.views.values()), call, size, codes.INVALID_PAGE_TOKEN)
    return {"items": [_render(view, full=False) for view in items], **more, "total": len(table.views)}


def get(call: Call) -> dict[str, Any]:
    """Answer `GET …/views/:view_id`."""
    return {"view": _render(_find_view(call, find_table(call)), full=True)}


def patch(call: Call) -> dict[str, Any]:
    """Answer `PATCH …/views/:view_id`: what is named changes, null removes it."""
    base, table = find_base(call), find_table_to_write(call)
    view, body = _find_view(call, table), read_json_object(call, codes.WRONG_JSON)
    name = _check_name(table, body["view_name"], view) if body.get("view_name") is not None else view.name
    properties = body.get("property")
    if properties is None:
        properties = {}
    if not isinstance(properties, dict):
        raise RefusedError(codes.WRONG_BODY)
    changes: dict[str, Any] = {}
    if "filter_info" in properties:
        changes["filter_info"] = _check_filter(call, table, properties["filter_info"])
    if "hidden_fields" in properties:
        changes["hidden_fields"] = _read_hidden(table, properties["hidden_fields"])
    if "hierarchy_config" in properties:
        config = properties["hierarchy_config"]
        field_id = config.get("field_id") if isinstance(config, dict) else None
        if config is not None and not (isinstance(field_id, str) and field_id in table.fields):
            raise RefusedError(codes.FIELD_NOT_FOUND)
        changes["hierarchy_config"] = config
    view.name = name
    for member, value in changes.items():
        setattr(view, member, value)
    base.touch(table)
    return {"view": _render(view, full=True)}


def _check_filter(call: Call, table: Table, filter_info: Any) -> dict[str, Any] | None:
    if filter_info is None:
        return None
    conditions = filter_info.get("conditions") if isinstance(filter_info, dict) else None
    if not isinstance(conditions, list) or len(conditions) > MAX_CONDITIONS:
        raise RefusedError(codes.INVALID_FILTER)
    if filter_info.get("conjunction", "and") not in ("and", "or"):
        raise RefusedError(codes.INVALID_FILTER)
    new_conditions = []
    for condition in conditions:
        operator = condition.get("operator", "is") if isinstance(condition, dict) else None
        if not isinstance(operator, str) or operator not in OPERATORS:
            raise RefusedError(codes.INVALID_FILTER)
        field_id = condition.get("field_id")
        column = table.fields.get(field_id) if isinstance(field_id, str) else None
        if column is None:
            raise RefusedError(codes.FIELD_NOT_FOUND)
        new_conditions.append(
            {
                "condition_id": call.world.make_id("con", 7),
                "field_id": field_id,
                "field_type": column.type,
                "operator": operator,
                "value": _check_value(condition.get("value")),
            }
        )
    return {
        "conjunction": filter_info.get("conjunction", "and"),
        "conditions": new_conditions,
        "condition_omitted": None,
    }


def _check_value(raw: Any) -> str | None:
    """Return the value of a condition, which is the JSON of a list, as a string."""
    if raw is None:
        return None
    try:
        held = orjson.loads(raw) if isinstance(raw, str) else None
    except orjson.JSONDecodeError:
        held = None
    if not isinstance(held, list):
        raise RefusedError(codes.INVALID_FILTER)
    return str(raw)


def _read_hidden(table: Table, field_ids: Any) -> list[str] | None:
    if field_ids is None:
        return None
    if not isinstance(field_ids, list) or len(field_ids) > MAX_HIDDEN:
        raise RefusedError(codes.WRONG_BODY)
    if not all(isinstance(field_id, str) and field_id in table.fields for field_id in field_ids):
        raise RefusedError(codes.FIELD_NOT_FOUND)
    return list(field_ids)


def delete(call: Call) -> dict[str, Any]:
    """Answer `DELETE …/views/:view_id`; the last one stays."""
    base, table = find_base(call), find_table_to_write(call)
    view = _find_view(call, table)
    if len(table.views) == 1:
        raise RefusedError(codes.LAST_VIEW)
    del table.views[view.view_id]
    if table.view_id == view.view_id:
        first = next(iter(table.views.values()))
        table.view_id, table.view_name = first.view_id, first.name
    base.touch(table)
    return {}


_PATH = "/open-apis/bitable/v1/apps/:app_token/tables/:table_id/views"
_EFFECT = (
    "the filter of a view applies to lists, and to searches without a filter and a sort of their own; hidden "
    "fields are kept and shown, and are read nevertheless"
)

ROUTES = (
    Route("GET", _PATH, list_views),
    Route("POST", _PATH, create, unconfirmed=("a form can be made, but forms are not emulated",)),
    Route("GET", f"{_PATH}/:view_id", get, unconfirmed=(_EFFECT,)),
    Route("PATCH", f"{_PATH}/:view_id", patch, unconfirmed=(_EFFECT,)),
    Route("DELETE", f"{_PATH}/:view_id", delete),
)
