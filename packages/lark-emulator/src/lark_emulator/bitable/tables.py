"""`/bitable/v1/apps/:app_token/tables`: create, list, rename, delete."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.bitable.access import find_base, find_base_to_write, find_table_to_write
from lark_emulator.bitable.columns import DEFAULT_VIEW, add_table
from lark_emulator.bitable.columns import UNCONFIRMED as FIELD_TYPES
from lark_emulator.codes import RefusedError
from lark_emulator.routing import Call, Route
from lark_emulator.validation import (
    cut_page,
    read_bounded_page_size,
    read_json_object,
    read_optional_text,
    refuse_parameter,
    require_text,
)

if TYPE_CHECKING:
    from lark_emulator.routing import Slices

MAX_PER_PAGE = 100
MAX_DELETED = 50
MAX_NAME_LENGTH = 100
NAME = re.compile(r"[^\[\]:\\/?*]+")


def _read_name(spec: dict[str, Any]) -> str:
    name = require_text(spec, "name", longest=MAX_NAME_LENGTH)
    if not NAME.fullmatch(name):
        refuse_parameter("name", name, "name must not contain [ ] : \\ / ? *")
    return name


def create(call: Call) -> dict[str, Any]:
    """Answer `POST …/tables`."""
    base = find_base_to_write(call)
    spec = read_json_object(call, codes.WRONG_JSON).get("table")
    if not isinstance(spec, dict):
        raise RefusedError(codes.WRONG_BODY)
    fields = spec.get("fields")
    if fields is not None and not isinstance(fields, list):
        raise RefusedError(codes.WRONG_BODY)
    table = add_table(
        call,
        base,
        _read_name(spec),
        fields,
        read_optional_text(spec, "default_view_name", default=DEFAULT_VIEW),
    )
    answer: dict[str, Any] = {"table_id": table.table_id}
    if fields or spec.get("default_view_name"):
        answer |= {"default_view_id": table.view_id, "field_id_list": list(table.fields)}
    return answer


def batch_create(call: Call) -> dict[str, Any]:
    """Answer `POST …/tables/batch_create`: all tables, or none."""
    base = find_base_to_write(call)
    specs = read_json_object(call, codes.WRONG_JSON).get("tables")
    if not isinstance(specs, list) or not specs or not all(isinstance(spec, dict) for spec in specs):
        raise RefusedError(codes.WRONG_BODY)
    names = [_read_name(spec) for spec in specs]
    before = dict(base.tables)
    try:
        table_ids = [add_table(call, base, name).table_id for name in names]
    except RefusedError:
        base.tables = before
        raise
    return {"table_ids": table_ids}


def list_tables(call: Call) -> dict[str, Any]:
    """Answer `GET …/tables`."""
    base = find_base(call)
    size = read_bounded_page_size(call, limit=MAX_PER_PAGE, code_for_zero=codes.PAGE_SIZE)
    items, more = cut_page(list(base.tables.values()), call, size, codes.INVALID_PAGE_TOKEN)
    return {
        "items": [{"table_id": t.table_id, "revision": t.revision, "name": t.name} for t in items],
        **more,
        "total": len(base.tables),
    }


def rename(call: Call) -> dict[str, Any]:
    """Answer `PATCH …/tables/:table_id`."""
    base, table = find_base(call), find_table_to_write(call)
    name = _read_name(read_json_object(call, codes.WRONG_JSON))
    if any(other.name == name for other in base.tables.values() if other is not table):
        raise RefusedError(codes.TABLE_NAME_DUPLICATED)
    table.name = name
    base.touch(table)
    return {"name": name}


def delete(call: Call) -> Slices:
    """Answer `DELETE …/tables/:table_id`; the last one stays."""
    base, table = find_base(call), find_table_to_write(call)
    if len(base.tables) == 1:
        raise RefusedError(codes.LAST_TABLE)
    del base.tables[table.table_id]
    base.touch()
    yield from table.free()
    return {}


def batch_delete(call: Call) -> Slices:
    """Answer `POST …/tables/batch_delete`: all tables, or none; the last one stays."""
    base = find_base(call)
    ids = read_json_object(call, codes.WRONG_JSON).get("table_ids")
    if not isinstance(ids, list) or not 0 < len(ids) <= MAX_DELETED:
        raise RefusedError(codes.WRONG_BODY)
    if not all(isinstance(table_id, str) for table_id in ids):
        raise RefusedError(codes.WRONG_BODY)
    paths = [{**call.params, "table_id": table_id} for table_id in dict.fromkeys(ids)]
    tables = [find_table_to_write(replace(call, params=params)) for params in paths]
    if len(tables) == len(base.tables):
        raise RefusedError(codes.LAST_TABLE)
    for table in tables:
        del base.tables[table.table_id]
    base.touch()
    for table in tables:
        yield from table.free()
    return {}


_PATH = "/open-apis/bitable/v1/apps/:app_token/tables"

ROUTES = (
    Route("GET", _PATH, list_tables),
    Route(
        "POST",
        _PATH,
        create,
        unconfirmed=(FIELD_TYPES, "a table made without fields has one text field named Text"),
    ),
    Route("POST", f"{_PATH}/batch_create", batch_create),
    Route(
        "POST",
        f"{_PATH}/batch_delete",
        batch_delete,
        unconfirmed=("no table_ids, or more than 50, get 1254001", "link fields to a deleted table stay"),
    ),
    Route("PATCH", f"{_PATH}/:table_id", rename),
    Route("DELETE", f"{_PATH}/:table_id", delete, unconfirmed=("link fields to a deleted table stay",)),
)
