"""Records in and out: requested fields to cells, cells to what Lark shows."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.bitable.cells import Cell
from lark_emulator.bitable.values import (
    AUTOMATIC,
    COMPUTED,
    TEXT,
    compute,
    echo,
    read,
    render_author,
    write,
)
from lark_emulator.codes import RefusedError
from lark_emulator.streams import get_origin

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lark_emulator.routing import Actor
    from lark_emulator.world.bases import Base, Field, Table
    from lark_emulator.world.records import Record


class Rows:
    """Converts the rows of one table for one caller.

    Args:
        actor: The app or user that reads or writes the rows.
        base: The base that the table belongs to.
        table: The table whose rows are converted.
        id_type: The kind of user id that the caller uses, such as `open_id`.
        gives_computed: Whether the values of formulas and lookups can be written: people cannot, tests can.
    """

    def __init__(
        self, actor: Actor, base: Base, table: Table, id_type: str, *, gives_computed: bool = False
    ) -> None:
        self._actor = actor
        self._table = table
        self._id_type = id_type
        self._gives_computed = gives_computed
        origin = get_origin(actor)
        self._columns = list(table.fields.values())
        self._cells = {
            column.field_id: Cell(actor.world, actor.app, base, column, id_type, actor.settings, origin)
            for column in self._columns
        }

    def convert_cells(self, fields: Any) -> dict[str, Any]:
        """Return stored values by field id; None for a cell to be emptied.

        Raises:
            RefusedError: 1254001 (no object), 1254045 (no such field), or a conversion code.
        """
        if not isinstance(fields, dict):
            raise RefusedError(codes.WRONG_BODY)
        names = self._table.names
        stored = {}
        for name, value in fields.items():
            column = names.get(name)
            if column is None:
                raise RefusedError(
                    codes.FIELD_NAME_NOT_FOUND,
                    error={
                        "message": f"Invalid request parameter: 'fields.{name}'. "
                        "Correct format : field_name not found. Please check and modify accordingly."
                    },
                )
            if self._gives_computed and column.type in COMPUTED:
                stored[column.field_id] = compute(value)
            else:
                stored[column.field_id] = write(self._cells[column.field_id], value)
        return stored

    def echo(self, record: Record, cells: dict[str, Any]) -> dict[str, Any]:
        """Return a written record in the write shape, with the fields that were written."""
        fields = {
            self._table.fields[field_id].name: echo(self._cells[field_id], value)
            for field_id, value in cells.items()
            if value is not None
        }
        return {"fields": fields, "id": record.record_id, "record_id": record.record_id}

    def render(
        self,
        record: Record,
        *,
        columns: Iterable[Field] | None = None,
        automatic: bool = False,
        plain_text: bool = False,
        link: str = "",
    ) -> dict[str, Any]:
        """Return a record in the read shape.

        Args:
            record: The record to render.
            columns: The only fields to include; None = all fields of the table.
            automatic: Whether to add who made and last changed the record, and when.
            plain_text: Whether text fields are plain strings, as the legacy endpoints return them.
            link: The member that holds the record's address, `shared_url` or `record_url`; empty = none.
        """
        fields: dict[str, Any] = {}
        cells = record.cells
        for column in self._columns if columns is None else columns:
            kind = column.type
            if kind in AUTOMATIC:
                fields[column.name] = AUTOMATIC[kind](record, self._actor.app, self._id_type)
                continue
            value = cells.get(column.field_id)
            if value is None:
                continue
            if not (plain_text and kind == TEXT):
                value = read(self._cells[column.field_id], value)
                if value is None:
                    continue
            fields[column.name] = value
        shown: dict[str, Any] = {"fields": fields, "record_id": record.record_id}
        if automatic:
            shown["created_by"] = render_author(record.created_by, self._actor.app, self._id_type)
            shown["created_time"] = record.created_time
            shown["last_modified_by"] = render_author(record.modified_by, self._actor.app, self._id_type)
            shown["last_modified_time"] = record.modified_time
        if link:
            digest = hashlib.blake2s(f"{self._table.table_id} {record.record_id}".encode()).hexdigest()
            shown[link] = f"https://emulator.invalid/record/{digest[:27]}"
        return shown
