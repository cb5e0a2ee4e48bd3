"""Bases, tables, fields and records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lark_provider.emulator.world.apps import App


@dataclass(slots=True)
class Field:
    """A column. `options` maps the names of a select's options to their ids, in order."""

    field_id: str
    name: str
    type: int
    ui_type: str
    property: dict[str, Any] | None = None
    description: str = ""
    options: dict[str, str] = field(default_factory=dict)
    colors: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Record:
    """A row: values by field id, in write shape, empty cells left out."""

    record_id: str
    cells: dict[str, Any]
    created_by: App
    created_time: int
    modified_by: App
    modified_time: int
    number: int


@dataclass(slots=True)
class Table:
    """A table. `held` is true while a slow write (`write_ms`) is going on."""

    table_id: str
    name: str
    view_id: str
    view_name: str
    fields: dict[str, Field] = field(default_factory=dict)
    names: dict[str, Field] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    revision: int = 1
    last_number: int = 0
    held: bool = False

    @property
    def primary(self) -> Field:
        """The first column, which cannot be deleted."""
        return next(iter(self.fields.values()))

    def add_field(self, column: Field) -> None:
        """Append a column."""
        self.fields[column.field_id] = column
        self.names[column.name] = column


@dataclass(slots=True)
class Replay:
    """The answer that a client_token got, to be given again."""

    fingerprint: int
    answer: dict[str, Any]
    time: float


@dataclass(slots=True)
class Base:
    """A base ("app" in Lark's API), open to the apps in `shared_with`."""

    app_token: str
    name: str
    folder_token: str
    time_zone: str
    shared_with: set[str]
    is_advanced: bool = False
    tables: dict[str, Table] = field(default_factory=dict)
    replays: dict[tuple[str, str, str], Replay] = field(default_factory=dict)
    revision: int = 1

    def touch(self, table: Table | None = None) -> None:
        """Count an edit."""
        self.revision += 1
        if table is not None:
            table.revision += 1
