"""Rows that people or administrators put into a table: given ones, and a million made from a template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator.bitable import duplex
from lark_emulator.bitable.access import begin_write
from lark_emulator.bitable.base_events import Changes
from lark_emulator.bitable.rows import Rows
from lark_emulator.bitable.values import DATE, NUMBER
from lark_emulator.codes import RefusedError
from lark_emulator.control.specs import read_count, read_text, refuse_unknown, require_known
from lark_emulator.routing import Actor
from lark_emulator.slicing import at_once, with_turns
from lark_emulator.world.apps import TENANT_KEY, App

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from lark_emulator.lark import Lark
    from lark_emulator.routing import Slices
    from lark_emulator.world.bases import Base, Table
    from lark_emulator.world.users import User

#: Rows that are added before other clients are served: some 10 ms.
SLICE = 1000
#: Rows that one request makes: some gigabytes.
MAX_MADE = 10_000_000
_PEOPLE = App("", "", "people")


class Writer:
    """Writes the rows of one table in the name of a person. Users are named by their user_id.

    Args:
        lark: The emulator that holds the base.
        base: The base that the table belongs to.
        table: The table that is written to.
        user: The user in whose name rows are written.
    """

    def __init__(self, lark: Lark, base: Base, table: Table, user: User) -> None:
        self._lark, self._world = lark, lark.world
        self._base = base
        self.table = table
        self.user = user

    @property
    def app_token(self) -> str:
        """The base's own token."""
        return self._base.app_token

    def begin(self) -> None:
        """Take the fields as they are now; call it before each run of writes.

        Raises:
            ValueError: the emulator was reset since.
        """
        if self._lark.world is not self._world:
            raise ValueError("the emulator was reset meanwhile. Next: write to a table that is there")
        begin_write(self._lark.settings, self.table, unchecked=True)
        actor = Actor(self._lark.world, self._lark.settings, _PEOPLE, TENANT_KEY)
        self._rows = Rows(actor, self._base, self.table, "user_id", gives_computed=True)
        self._paired = duplex.links_both_ways(self.table)
        self._now = self._lark.clock.get_time()
        self._changes = Changes(self._lark.world, self._lark.settings, self._base, self.table, self.user)

    def end(self) -> None:
        """Count the edit, and tell of it; call it after each run of writes."""
        self._base.touch(self.table)
        self._changes.send()

    def convert_cells(self, fields: Any) -> dict[str, Any]:
        """Return stored values.

        Raises:
            ValueError: an unknown field, or a value that does not fit.
        """
        try:
            return self._rows.convert_cells(fields)
        except RefusedError as refusal:
            raise ValueError(
                f"{fields!r} is refused: {refusal}, {refusal.error.get('message', '')}"
            ) from None

    def add(self, cells: dict[str, Any]) -> str:
        """Append a row, and return its id."""
        filled = {field_id: value for field_id, value in cells.items() if value is not None}
        record_id = self._lark.world.make_id("rec", 11)
        record = self.table.records.add(record_id, filled, self.user, int(self._now * 1000), now=self._now)
        if self._paired:
            duplex.follow(self._base, self.table, record, {}, self.user, now=self._now)
        self._changes.note_added(record)
        return record_id

    def change(self, record_id: str, cells: dict[str, Any]) -> None:
        """Set cells of a row; None empties one."""
        before = self.table.records[record_id]
        record = self.table.records.change(record_id, cells, self.user, int(self._now * 1000), now=self._now)
        if self._paired:
            duplex.follow(self._base, self.table, record, before.cells, self.user, now=self._now)
        self._changes.note_edited(record, before)

    def remove(self, record_id: str) -> None:
        """Remove a row."""
        self._changes.note_deleted(self.table.records[record_id])
        self.table.records.remove(record_id, now=self._now)


def make_writer(lark: Lark, spec: dict[str, Any]) -> Writer:
    """Return the writer for `app_token`, `table_id` and `user_id` (absent = the first user)."""
    base = require_known(lark.world.bases, "base", read_text(spec, "app_token"))
    table = require_known(base.tables, "table", read_text(spec, "table_id"))
    users = lark.world.users
    return Writer(
        lark, base, table, require_known(users, "user", read_text(spec, "user_id") or next(iter(users)))
    )


def add_rows(lark: Lark, spec: dict[str, Any]) -> dict[str, Any] | Coroutine[None, None, dict[str, Any]]:
    """Add rows to a table (`app_token`, `table_id`) in the name of `user_id`.

    Args:
        lark: The emulator that holds the table.
        spec: Arguments by name: `rows` (a list of fields by name), or `count` and `fields`, from which so
            many rows are made.

    Returns:
        `count`, and for given rows their `record_ids`. While the emulator runs, other clients are served
        after each thousand rows.
    """
    refuse_unknown(spec, "app_token", "table_id", "user_id", "rows", "count", "fields")
    rows, fields = spec.get("rows"), spec.get("fields")
    if (rows is None) == (fields is None):
        raise ValueError("either 'rows', or 'count' and 'fields'")
    to = make_writer(lark, spec)
    if rows is None:
        number = read_count(spec, "count", limit=MAX_MADE)
        make = make_template(to.table, fields)
        slices = _add_made(to, make, number)
    else:
        if not isinstance(rows, (list, tuple)):
            raise ValueError(f"'rows' must be a list, not {rows!r}")
        slices = _add_given(to, rows)
    return at_once(slices) if lark.loop is None else with_turns(slices)


def _add_given(to: Writer, rows: Sequence[Any]) -> Slices:
    to.begin()
    converted: list[dict[str, Any]] = []
    for start in range(0, len(rows), SLICE):  # all of them, before the first is added
        converted += [to.convert_cells(row) for row in rows[start : start + SLICE]]
        yield
    record_ids: list[str] = []
    for start in range(0, len(rows), SLICE):
        to.begin()
        known = to.table.fields  # those that were deleted meanwhile hold nothing any more
        record_ids += [
            to.add({name: value for name, value in cells.items() if name in known})
            for cells in converted[start : start + SLICE]
        ]
        to.end()
        yield
    return {"count": len(record_ids), "record_ids": record_ids}


def _add_made(to: Writer, make: Callable[[int], dict[str, Any]], number: int) -> Slices:
    for start in range(0, number, SLICE):
        to.begin()
        for n in range(start, min(start + SLICE, number)):
            to.add(to.convert_cells(make(n)))
        to.end()
        yield
    return {"count": number}


def make_template(table: Table, fields: Any) -> Callable[[int], dict[str, Any]]:
    """Return what makes the fields of row n, from 0.

    Args:
        table: The table, for the types of its fields.
        fields: Values by field name. In a string `{n}` becomes the number of the row, and the string a number
            if the field holds numbers or dates; `{"cycle": [...]}` takes one after the other; all else stays.
    """
    if not isinstance(fields, dict):
        raise ValueError(f"'fields' must be an object, not {fields!r}")  # noqa: TRY004 - one kind for bad input
    makers = {name: _make_value_maker(table, name, value) for name, value in fields.items()}
    return lambda n: {name: make(n) for name, make in makers.items()}


def _make_value_maker(table: Table, name: str, value: Any) -> Callable[[int], Any]:
    column = table.names.get(name)
    if isinstance(value, dict) and value.keys() == {"cycle"}:
        values = value["cycle"]
        if not isinstance(values, list) or not values:
            raise ValueError(f"'cycle' must be a list of values, not {values!r}")
        return lambda n: values[n % len(values)]
    if not isinstance(value, str) or "{n}" not in value:
        return lambda _: value
    if column is None or column.type not in (NUMBER, DATE):
        return lambda n: value.replace("{n}", str(n))
    kind = int if column.type == DATE or "." not in value else float

    def make_number(n: int) -> float:
        try:
            return kind(value.replace("{n}", str(n)))
        except ValueError:
            raise ValueError(f"{name!r} must make numbers, not {value!r}") from None

    return make_number
