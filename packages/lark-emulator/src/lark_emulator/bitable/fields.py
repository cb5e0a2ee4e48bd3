"""`…/tables/:table_id/fields`: create, list, overwrite, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.bitable import duplex
from lark_emulator.bitable.access import (
    UNCHANGED,
    find_base,
    find_table,
    find_table_to_write,
    hold,
    refuse_unchanged,
)
from lark_emulator.bitable.base_events import note_field
from lark_emulator.bitable.client_tokens import UNCONFIRMED as CLIENT_TOKEN
from lark_emulator.bitable.client_tokens import find_replay, remember
from lark_emulator.bitable.columns import SELECTS, make_field, render_field
from lark_emulator.bitable.columns import UNCONFIRMED as FIELD_TYPES
from lark_emulator.bitable.values import DUPLEX_LINK, LINKS
from lark_emulator.codes import RefusedError
from lark_emulator.routing import Call, Route
from lark_emulator.validation import cut_page, read_bounded_page_size, read_flag, read_json_object

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from lark_emulator.routing import Slices
    from lark_emulator.world.bases import Base, Field, Table

MAX_PER_PAGE = 100


def create(call: Call) -> dict[str, Any]:
    """Answer `POST …/fields`."""
    base = find_base(call)
    answer = find_replay(call, base)
    if answer is not None:
        return answer
    table = find_table_to_write(call)
    column = make_field(call, base, table, read_json_object(call, codes.WRONG_JSON))
    duplex.pair(call, base, table, column)
    table.add_field(column)
    base.touch(table)
    note_field(call.world, base, table, call.author, None, column)
    hold(call, table)
    return remember(call, base, {"field": render_field(table, column)})


def list_fields(call: Call) -> dict[str, Any]:
    """Answer `GET …/fields`."""
    table = find_table(call)
    as_array = read_flag(call.query, "text_field_as_array")
    if (call.query.get("view_id") or table.view_id) not in table.views:
        raise RefusedError(codes.VIEW_NOT_FOUND)
    size = read_bounded_page_size(call, limit=MAX_PER_PAGE, code_for_zero=codes.PAGE_SIZE)
    items, more = cut_page(list(table.fields.values()), call, size, codes.INVALID_PAGE_TOKEN)
    shown = [render_field(table, column) for column in items]
    for field, column in zip(shown, items, strict=True):
        # A list shows the plain text, where create and update answer with an object.
        text = column.description
        field["description"] = [{"text": text, "type": "text"}] if as_array else text
    return {"items": shown, **more, "total": len(table.fields)}


def update(call: Call) -> Slices:
    """Answer `PUT …/fields/:field_id`: the whole field is overwritten.

    Values that the new field cannot hold go first; the table is busy until they are gone.
    """
    base, table = find_base(call), find_table_to_write(call)
    before = _find_field(call, table)
    after = make_field(call, base, table, read_json_object(call, codes.WRONG_JSON), instead_of=before)
    same_link = before.type == after.type == DUPLEX_LINK and _get_target(before) == _get_target(after)
    if same_link:
        after.property = {**(before.property or {}), **(after.property or {})}
    refuse_unchanged(call, changed=before != after)
    if not _keeps_all(after, before):
        yield from _drop_values(base, table, after, before)
    table.fields[after.field_id] = after  # the same key keeps its place
    table.names = {column.name: column for column in table.fields.values()}
    paired: Iterable[None] = () if same_link else duplex.unpair(base, before)
    duplex.pair(call, base, table, after)
    base.touch(table)
    note_field(call.world, base, table, call.author, before, after)
    hold(call, table)
    answer = {"field": render_field(table, after)}
    yield from paired
    return answer


def _drop_values(base: Base, table: Table, after: Field, before: Field) -> Generator[None, None, None]:
    """Empty the cells that a changed field cannot hold, while the table refuses other writes.

    Raises:
        RefusedError: 1254291, what the change needs was deleted meanwhile.
    """
    table.held = conversion = object()
    try:
        yield from table.records.drop_values(
            before.field_id, lambda value: not _survives(after, before, value)
        )
    finally:
        if table.held is conversion:
            table.held = None
    is_there = table.fields.get(before.field_id) is before and base.tables.get(table.table_id) is table
    if not is_there or (after.type in LINKS and _get_target(after) not in base.tables):
        raise RefusedError(codes.WRITE_CONFLICT)


def _keeps_all(after: Field, before: Field) -> bool:
    """Return whether no value can be lost, so that none has to be looked at."""
    if after.type != before.type or (after.type in LINKS and _get_target(after) != _get_target(before)):
        return False
    return before.options.keys() <= after.options.keys()


def _get_target(column: Field) -> Any:
    return (column.property or {}).get("table_id")


def _survives(after: Field, before: Field, value: Any) -> bool:
    if after.type != before.type or after.type not in SELECTS:
        return False
    return set(value if isinstance(value, list) else [value]) <= after.options.keys()


def delete(call: Call) -> Slices:
    """Answer `DELETE …/fields/:field_id`; the primary field stays."""
    base, table = find_base(call), find_table_to_write(call)
    column = _find_field(call, table)
    if column is table.primary:
        raise RefusedError(codes.PRIMARY_FIELD)
    paired = duplex.unpair(base, column)
    del table.fields[column.field_id], table.names[column.name]
    base.touch(table)
    note_field(call.world, base, table, call.author, column, None)
    hold(call, table)
    # No field shows the values any more.
    yield from paired
    yield from table.records.drop_values(column.field_id, lambda _: True)
    return {"field_id": column.field_id, "deleted": True}


def _find_field(call: Call, table: Table) -> Field:
    column = table.fields.get(call.params["field_id"])
    if column is None:
        raise RefusedError(codes.FIELD_NOT_FOUND)
    return column


_PATH = "/open-apis/bitable/v1/apps/:app_token/tables/:table_id/fields"

ROUTES = (
    Route(
        "POST",
        _PATH,
        create,
        unconfirmed=(
            CLIENT_TOKEN,
            FIELD_TYPES,
            "properties of other types than select and link are kept unchecked",
        ),
    ),
    Route("GET", _PATH, list_fields),
    Route(
        "PUT",
        f"{_PATH}/:field_id",
        update,
        unconfirmed=(
            FIELD_TYPES,
            UNCHANGED,
            "a change of type empties the column; Lark converts where it can",
        ),
    ),
    Route("DELETE", f"{_PATH}/:field_id", delete),
)
