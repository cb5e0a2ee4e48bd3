"""Records in and out: requested fields to cells, cells to what Lark shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_provider.emulator import codes
from lark_provider.emulator.bitable.values import AUTOMATIC, TEXT, Cell, echo, person_of, read, write
from lark_provider.emulator.codes import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lark_provider.emulator.routing import Call
    from lark_provider.emulator.world.bases import Base, Field, Record, Table


class Rows:
    """Converts the rows of one table for one caller.

    Args:
        call: who asks.
        base: the base.
        table: the table.
        id_type: which kind of user id the caller speaks.
    """

    def __init__(self, call: Call, base: Base, table: Table, id_type: str) -> None:
        self._call = call
        self._table = table
        self._cells = {
            column.field_id: Cell(call.world, call.app, base, column, id_type)
            for column in table.fields.values()
        }

    def cells(self, fields: Any) -> dict[str, Any]:
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
                        "Correct format : the name of a field of this table."
                    },
                )
            stored[column.field_id] = write(self._cells[column.field_id], value)
        return stored

    def echoed(self, record: Record, cells: dict[str, Any]) -> dict[str, Any]:
        """Return a written record in the write shape, with the fields that were written."""
        fields = {
            self._table.fields[field_id].name: echo(self._cells[field_id], value)
            for field_id, value in cells.items()
            if value is not None
        }
        return {"fields": fields, "id": record.record_id, "record_id": record.record_id}

    def shown(
        self,
        record: Record,
        *,
        columns: Iterable[Field] | None = None,
        automatic: bool = False,
        plain_text: bool = False,
    ) -> dict[str, Any]:
        """Return a record in the read shape.

        Args:
            record: which one.
            columns: only these fields.
            automatic: with who made and changed it, and when.
            plain_text: text as a plain string, as the legacy endpoints return it.
        """
        fields: dict[str, Any] = {}
        for column in self._table.fields.values() if columns is None else columns:
            if column.type in AUTOMATIC:
                fields[column.name] = AUTOMATIC[column.type](record)
                continue
            value = record.cells.get(column.field_id)
            if value is None:
                continue
            plain = plain_text and column.type == TEXT
            fields[column.name] = value if plain else read(self._cells[column.field_id], value)
        shown: dict[str, Any] = {"fields": fields, "record_id": record.record_id}
        if automatic:
            shown["created_by"] = person_of(record.created_by)
            shown["created_time"] = record.created_time
            shown["last_modified_by"] = person_of(record.modified_by)
            shown["last_modified_time"] = record.modified_time
        return shown
