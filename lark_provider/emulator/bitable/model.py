"""Bases, tables, fields and records, and how a request finds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lark_provider.emulator import codes
from lark_provider.emulator.codes import RefusedError

if TYPE_CHECKING:
    from lark_provider.emulator.apps import App
    from lark_provider.emulator.routing import Call


DATA_NOT_CHANGE = str(codes.DATA_NOT_CHANGE.number)
UNCHANGED = "a write that changes nothing succeeds (settable, `unchanged_write`: else 1254606)"


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


def base_of(call: Call) -> Base:
    """Return the base of the path.

    Raises:
        RefusedError: 1254040 (none), 1254302 (not shared with this app).
    """
    base = call.world.bases.get(call.params["app_token"])
    if base is None:
        raise RefusedError(codes.BASE_NOT_FOUND)
    if call.app.app_id not in base.shared_with:
        raise RefusedError(codes.PERMISSION_DENIED)
    return base


def table_of(call: Call) -> Table:
    """Return the table of the path.

    Raises:
        RefusedError: 1254041 (none), or what `base_of` raises.
    """
    table = base_of(call).tables.get(call.params["table_id"])
    if table is None:
        raise RefusedError(codes.TABLE_NOT_FOUND)
    return table


def table_to_write(call: Call) -> Table:
    """Return the table of the path for a write of its records or fields.

    Raises:
        RefusedError: 1254291 (another write is going on), or what `table_of` raises.
    """
    table = table_of(call)
    if table.held:
        raise RefusedError(codes.WRITE_CONFLICT)
    return table


def refuse_unchanged(call: Call, *, changed: bool) -> None:
    """Refuse a write that changes nothing, if the setting `unchanged_write` says that Lark does.

    Raises:
        RefusedError: 1254606.
    """
    if not changed and call.settings.unchanged_write == DATA_NOT_CHANGE:
        raise RefusedError(codes.DATA_NOT_CHANGE)


def hold(call: Call, table: Table) -> None:
    """Keep the table busy for `write_ms`: call it when the write is done, the answer is sent after it."""
    if call.settings.write_ms <= 0:
        return
    table.held = True
    call.hold = call.settings.write_ms / 1000

    def let_go() -> None:
        table.held = False

    call.release = let_go
