"""Two-way links (type 21): each has a field in the other table that shows the same pairs from there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.bitable.values import DUPLEX_LINK
from lark_emulator.codes import RefusedError
from lark_emulator.world.bases import Field

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lark_emulator.routing import Actor
    from lark_emulator.world.apps import App
    from lark_emulator.world.bases import Base, Table
    from lark_emulator.world.records import Record
    from lark_emulator.world.users import User


def pair(actor: Actor, base: Base, table: Table, column: Field) -> None:
    """Add the field in the other table, unless it is there or the column is of another type.

    Raises:
        RefusedError: 1254014, the other table has a field of the name wanted.
    """
    if column.type != DUPLEX_LINK or _get_back_column(base, column) is not None:
        return
    properties = column.property or {}
    target = base.tables[properties["table_id"]]
    name = properties.get("back_field_name") or f"{table.name}-{column.name}"
    if name in target.names:
        raise RefusedError(codes.FIELD_NAME_DUPLICATED)
    back = Field(actor.world.make_id("fld", 10), name, DUPLEX_LINK, column.ui_type)
    back.property = {
        "table_id": table.table_id,
        "back_field_id": column.field_id,
        "back_field_name": column.name,
        "multiple": True,
    }
    target.add_field(back)
    column.property = {**properties, "back_field_id": back.field_id, "back_field_name": name}
    base.touch(target)


def unpair(base: Base, column: Field) -> Iterable[None]:
    """Remove the field in the other table with this one.

    Returns:
        Steps that free its values, between which other requests are served.
    """
    back = _get_back_column(base, column)
    if back is None:
        return ()
    target, field_id = back
    other = target.fields.pop(field_id)
    del target.names[other.name]
    base.touch(target)
    return target.records.drop_values(field_id, lambda _: True)


def links_both_ways(table: Table) -> bool:
    """Return whether a table has such a field, so that its writes have to be followed."""
    return any(column.type == DUPLEX_LINK for column in table.fields.values())


def follow(
    base: Base,
    table: Table,
    record: Record,
    before: Mapping[str, Any],
    by: App | User,
    *,
    now: float,
) -> None:
    """Show in the other table what was written to the two-way links of a record.

    Args:
        base: The base that holds both tables.
        table: The table that the record belongs to.
        record: The record as it is after the write.
        before: The record's cells before the write, by field id.
        by: The app or user that made the change.
        now: The time of the write, in seconds since the epoch.
    """
    for column in table.fields.values():
        back = _get_back_column(base, column)
        if back is None:
            continue
        target, field_id = back
        old, new = (set(cells.get(column.field_id, ())) for cells in (before, record.cells))
        for record_id in old ^ new:
            if record_id not in target.records:
                continue
            other = target.records[record_id]
            linked = [
                linked_id for linked_id in other.cells.get(field_id, ()) if linked_id != record.record_id
            ]
            if record_id in new:
                linked.append(record.record_id)
            target.records.change(record_id, {field_id: linked or None}, by, int(now * 1000), now=now)


def _get_back_column(base: Base, column: Field) -> tuple[Table, str] | None:
    if column.type != DUPLEX_LINK or column.property is None:
        return None
    target = base.tables.get(column.property["table_id"])
    field_id = column.property.get("back_field_id")
    return (target, field_id) if target is not None and field_id in target.fields else None
