"""A base with its tables, fields and rows, as a seed describes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from lark_emulator.bitable.columns import add_table
from lark_emulator.codes import RefusedError
from lark_emulator.control import seeding
from lark_emulator.control.specs import read_names, read_text, refuse_unknown, require_known
from lark_emulator.routing import Actor
from lark_emulator.world.apps import DEFAULT_APP_ID, TENANT_KEY
from lark_emulator.world.bases import Base
from lark_emulator.world.drive import BITABLE, Document

if TYPE_CHECKING:
    from lark_emulator.lark import Lark
    from lark_emulator.world.bases import Table

_ZONE = "Asia/Shanghai"


def add_base(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Add a base that is open to apps.

    Args:
        lark: The emulator to add the base to.
        spec: Arguments by name: `name`; `app_token` (generated if absent); `time_zone`; `apps` (app ids,
            absent = the app that exists from the start); `tables`, each with `name`, `table_id` (generated if
            absent), `fields` (as the API takes them: `field_name`, `type`, `property`) and `rows` (fields by
            name).

    Returns:
        `app_token`, and `tables`: the table ids by name.

    Raises:
        ValueError: an unknown member, an id that is taken, or a field or value that Lark would refuse.
    """
    refuse_unknown(spec, "name", "app_token", "time_zone", "apps", "tables")
    world = lark.world
    apps = [require_known(world.apps, "app", name) for name in read_names(spec, "apps") or [DEFAULT_APP_ID]]
    token = read_text(spec, "app_token") or world.make_id("bascn", 22)
    if token in world.bases:
        raise ValueError(f"'app_token' {token!r} is taken")
    zone = read_text(spec, "time_zone") or _ZONE
    if zone not in available_timezones():
        raise ValueError(f"'time_zone' must be the name of a time zone, not {zone!r}")
    base = Base(token, read_text(spec, "name"), "", zone, {app.app_id for app in apps})
    actor = Actor(world, lark.settings, apps[0], TENANT_KEY)
    specs = spec.get("tables") or [{"name": "Table 1"}]
    if not isinstance(specs, list) or not all(isinstance(table_spec, dict) for table_spec in specs):
        raise ValueError(f"'tables' must be a list of objects, not {specs!r}")
    tables = [_add_table(actor, base, table_spec) for table_spec in specs]
    world.bases[token] = base
    owner = ("app", apps[0].app_id)
    root = world.drive.ensure_root(owner).token
    world.drive.add(Document(token, BITABLE, owner, root, lark.clock.get_time(), base))
    # Only now: a writer looks for the base among those of the world.
    for table, table_spec in zip(tables, specs, strict=True):
        if table_spec.get("rows"):
            _write_rows(lark, {"app_token": token, "table_id": table.table_id}, table_spec["rows"])
    return {"app_token": token, "tables": {table.name: table.table_id for table in tables}}


def _add_table(actor: Actor, base: Base, spec: dict[str, Any]) -> Table:
    refuse_unknown(spec, "name", "table_id", "fields", "rows")
    fields = spec.get("fields")
    if fields is not None and not isinstance(fields, list):
        raise ValueError(f"'fields' must be a list of objects, not {fields!r}")
    try:
        table = add_table(actor, base, read_text(spec, "name"), fields)
    except RefusedError as refusal:
        raise ValueError(f"'fields' of table {spec.get('name')!r} are refused: {refusal}") from None
    wanted = read_text(spec, "table_id")
    if wanted:
        if wanted in base.tables:
            raise ValueError(f"'table_id' {wanted!r} is taken")
        del base.tables[table.table_id]
        table.table_id = wanted
        base.tables[wanted] = table
    return table


def _write_rows(lark: Lark, spec: dict[str, Any], rows: Any) -> None:
    if not isinstance(rows, list):
        raise ValueError(f"'rows' must be a list of objects, not {rows!r}")  # noqa: TRY004 - one kind for bad input
    to = seeding.make_writer(lark, spec)
    to.begin()
    for cells in [to.convert_cells(row) for row in rows]:
        to.add(cells)
    to.end()
