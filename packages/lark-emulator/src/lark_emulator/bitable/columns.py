"""Making fields and tables, with the checks that both their endpoints share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.bitable import duplex
from lark_emulator.bitable.values import (
    FIELD_TYPES,
    LINKS,
    MAX_OPTIONS,
    MULTI_SELECT,
    SINGLE_SELECT,
)
from lark_emulator.codes import RefusedError
from lark_emulator.world.bases import Field, Table

if TYPE_CHECKING:
    from lark_emulator.routing import Actor
    from lark_emulator.world.bases import Base

MAX_FIELDS = 300
MAX_TABLES = 100
DEFAULT_VIEW = "Grid"
DEFAULT_FIELD = {"field_name": "Text", "type": 1}

SELECTS = {SINGLE_SELECT: codes.SINGLE_SELECT_PROPERTY, MULTI_SELECT: codes.MULTI_SELECT_PROPERTY}

UNCONFIRMED = (
    "fields of type 24 and 3001 (stage, button) are not emulated: 1254012; formulas and lookups are not "
    "computed: the control plane gives their values (`records/add`, `records/edit`)"
)


def make_field(call: Actor, base: Base, table: Table, spec: Any, *, instead_of: Field | None = None) -> Field:
    """Return a field made from a request; the table does not hold it yet.

    Args:
        call: The app or user on whose behalf the field is made.
        base: The base whose tables the field may link to.
        table: The table that the field is for.
        spec: The field as the request describes it: `field_name`, `type`, `ui_type`, `property`,
            `description`.
        instead_of: The field that it replaces, whose id it keeps; None for an additional field.

    Raises:
        RefusedError: a name missing or taken, a type not known, a property that does not fit.
    """
    if not isinstance(spec, dict):
        raise RefusedError(codes.WRONG_BODY)
    name = spec.get("field_name")
    name = name.strip() if isinstance(name, str) else ""
    if not name:
        raise RefusedError(codes.EMPTY_FIELD_NAME)
    taken = table.names.get(name)
    if taken is not None and taken is not instead_of:
        raise RefusedError(codes.FIELD_NAME_DUPLICATED)
    if instead_of is None and len(table.fields) >= MAX_FIELDS:
        raise RefusedError(codes.COLUMNS_EXCEEDED)
    number = spec.get("type")
    kind = FIELD_TYPES.get(number) if isinstance(number, int) and not isinstance(number, bool) else None
    if kind is None:
        raise RefusedError(codes.FIELD_NOT_SUPPORTED)
    first = not table.fields or instead_of is table.primary
    if first and not kind.primary:
        raise RefusedError(codes.FIELD_NOT_SUPPORTED)
    ui_type = spec.get("ui_type") or kind.ui_types[0]
    if ui_type not in kind.ui_types:
        raise RefusedError(codes.FIELD_TYPES_MISMATCH)
    properties = spec.get("property")
    if properties is not None and not isinstance(properties, dict):
        raise RefusedError(codes.WRONG_BODY)
    column = Field(
        call.world.make_id("fld", 10) if instead_of is None else instead_of.field_id,
        name,
        kind.number,
        ui_type,
        dict(properties) if properties is not None else None,
        _read_description(spec),
    )
    if kind.number in SELECTS:
        _add_options(call, column, instead_of)
    if kind.number in LINKS:
        _check_link(base, properties or {})
    return column


def _check_link(base: Base, properties: dict[str, Any]) -> None:
    """Refuse a link to no table of the base, and members that are no texts."""
    texts = [properties.get(name) for name in ("table_id", "back_field_name", "back_field_id")]
    if not all(text is None or isinstance(text, str) for text in texts) or texts[0] not in base.tables:
        raise RefusedError(codes.LINK_PROPERTY)


def _read_description(spec: dict[str, Any]) -> str:
    description = spec.get("description")
    if isinstance(description, dict):
        description = description.get("text")
    return description if isinstance(description, str) else ""


def _add_options(call: Actor, column: Field, instead_of: Field | None) -> None:
    properties = column.property or {}
    options = properties.pop("options", None) or []
    refusal = SELECTS[column.type]
    if not isinstance(options, list) or len(options) > MAX_OPTIONS:
        raise RefusedError(refusal)
    before = instead_of.options if instead_of is not None else {}
    for option in options:
        name = option.get("name") if isinstance(option, dict) else None
        if not isinstance(name, str) or not name:
            raise RefusedError(codes.EMPTY_OPTION_NAME)
        if name in column.options:
            raise RefusedError(refusal)
        color = option.get("color", len(column.options))
        column.options[name] = before.get(name) or call.world.make_id("opt", 10)
        column.colors[name] = color if isinstance(color, int) else 0


def render_field(table: Table, column: Field) -> dict[str, Any]:
    """Return a field as Lark shows it."""
    properties = column.property
    if column.type in SELECTS:
        options = [
            {"name": name, "id": option_id, "color": column.colors[name]}
            for name, option_id in column.options.items()
        ]
        properties = {**(properties or {}), "options": options}
    return {
        "field_id": column.field_id,
        "field_name": column.name,
        "type": column.type,
        "ui_type": column.ui_type,
        "property": properties,
        "description": {"text": column.description, "disable_sync": True} if column.description else None,
        "is_primary": column is table.primary,
        "is_hidden": False,
    }


def add_table(
    call: Actor, base: Base, name: str, specs: list[Any] | None = None, view_name: str = DEFAULT_VIEW
) -> Table:
    """Add a table to a base; without fields it gets one text field.

    Raises:
        RefusedError: 1254013 (name taken), 1254100 (too many tables), or what `make_field` raises.
    """
    if any(table.name == name for table in base.tables.values()):
        raise RefusedError(codes.TABLE_NAME_DUPLICATED)
    if len(base.tables) >= MAX_TABLES:
        raise RefusedError(codes.TABLES_EXCEEDED)
    table = Table(call.world.make_id("tbl", 13), name, call.world.make_id("vew", 10), view_name)
    for spec in specs or [DEFAULT_FIELD]:
        table.add_field(make_field(call, base, table, spec))
    base.tables[table.table_id] = table
    for column in list(table.fields.values()):
        duplex.pair(call, base, table, column)
    base.touch()
    return table
