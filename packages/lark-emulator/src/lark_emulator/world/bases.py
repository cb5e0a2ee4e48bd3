"""Bases, tables, fields and records."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lark_emulator.slicing import free_items
from lark_emulator.world.records import Records

if TYPE_CHECKING:
    from collections.abc import Generator, Hashable

    from lark_emulator.world.records import Record

KEPT_SEARCHES = 8
#: The types of fields that hold text, and media that were uploaded to their base.
TEXT, ATTACHMENT = 1, 17


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
class TableView:
    """A view of a table. What it hides and filters is kept and shown, and changes no answer of records."""

    view_id: str
    name: str
    type: str = "grid"
    filter_info: dict[str, Any] | None = None
    hidden_fields: list[str] | None = None
    hierarchy_config: dict[str, Any] | None = None


@dataclass(slots=True)
class Table:
    """A table.

    Args:
        held: The write that is going on (`write_ms`), or None.
        count_before: How many records there were before the newest write.
    """

    table_id: str
    name: str
    view_id: str
    view_name: str
    fields: dict[str, Field] = field(default_factory=dict)
    names: dict[str, Field] = field(default_factory=dict)
    records: Records = field(default_factory=Records)
    revision: int = 1
    held: object = None
    count_before: int = 0
    searches: dict[Hashable, tuple[Hashable, list[Record]]] = field(default_factory=dict)
    """The newest searches and what they found, each with the version of the table in which it did."""
    views: dict[str, TableView] = field(default_factory=dict)
    """By view_id, the first one included."""

    def __post_init__(self) -> None:
        """Add the view that a table has from the start."""
        self.views = self.views or {self.view_id: TableView(self.view_id, self.view_name)}

    @property
    def primary(self) -> Field:
        """The first column, which cannot be deleted."""
        return next(iter(self.fields.values()))

    def keep_search(self, question: Hashable, version: Hashable, records: list[Record]) -> None:
        """Keep what a search found; the oldest is given up for it."""
        self.searches.pop(question, None)
        self.searches[question] = version, records
        if len(self.searches) > KEPT_SEARCHES:
            del self.searches[next(iter(self.searches))]

    def free(self) -> Generator[None, None, None]:
        """Free the rows of a table that is gone; other requests are served meanwhile."""
        searches, self.searches = self.searches, {}
        for _, records in searches.values():
            yield from free_items(records)
        yield from self.records.free()

    def add_field(self, column: Field) -> None:
        """Append a column."""
        self.fields[column.field_id] = column
        self.names[column.name] = column


@dataclass(slots=True)
class Replay:
    """The answer that a client_token got, as JSON, to be given again."""

    fingerprint: str
    answer: bytes
    time: float


@dataclass(frozen=True, slots=True)
class Limit:
    """What advanced permissions leave to an app.

    Args:
        sees: The records that it sees, one of `SIGHTS`.
        writes: Whether it may write records at all.
    """

    sees: str = "all"
    writes: bool = True


SIGHTS = ("all", "own", "none")
NO_LIMIT = Limit()


@dataclass(slots=True)
class Base:
    """A base ("app" in Lark's API), open to the apps in `shared_with`.

    Args:
        limits: What advanced permissions (`is_advanced`) leave to an app, by app_id.
    """

    app_token: str
    name: str
    folder_token: str
    time_zone: str
    shared_with: set[str]
    is_advanced: bool = False
    limits: dict[str, Limit] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)
    replays: dict[tuple[str, str, str], Replay] = field(default_factory=dict)
    revision: int = 1

    def get_limit(self, app_id: str) -> Limit:
        """Return what an app may do with the records."""
        return self.limits.get(app_id, NO_LIMIT) if self.is_advanced else NO_LIMIT

    def copy(self, limit: int | None = None) -> Generator[None, None, Base]:
        """Return a copy with the same ids; other requests are served while it is made.

        Args:
            limit: Tables with more records are copied without them; None = all records are copied.
        """
        tables = list(self.tables.values())
        kept = [(table, table.records, table.searches, table.held) for table in tables]
        for table in tables:
            table.records, table.searches, table.held = Records(), {}, None
        try:
            duplicate = copy.deepcopy(self)
        finally:
            for table, records, searches, held in kept:
                table.records, table.searches, table.held = records, searches, held
        for table, records, _, _ in kept:
            if limit is None or len(records) <= limit:
                duplicate.tables[table.table_id].records = records.copy()
                yield
        return duplicate

    def touch(self, table: Table | None = None) -> None:
        """Count an edit."""
        self.revision += 1
        if table is not None:
            table.revision += 1
