"""SQL that differs between PostgreSQL and SQLite."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from lark_provider.storage.tables import UtcTimestamp
from lark_provider.storage.urls import SQLITE_DRIVER

_SEPARATOR = "\n"
_MAX_PARAMETERS = 32_766
"""What SQLite takes in one statement, unless it was built for more."""
INSERTS: dict[str, Callable[[sa.Table], Any]] = {
    "postgresql": postgresql.insert,
    SQLITE_DRIVER: sqlite.insert,
}
"""What makes an INSERT that supports ON CONFLICT, by dialect."""


def insert(connection: Connection, table: sa.Table) -> Any:
    """Return an INSERT that supports ON CONFLICT.

    Args:
        connection: Determines the dialect.
        table: The table.
    """
    return INSERTS[connection.dialect.name](table)


def insert_rows(connection: Connection, statement: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, thousands in one statement.

    psycopg2 sends one statement for each row of a list of parameters, and other processes that insert the
    same rows wait for all of them.

    Args:
        connection: Where to insert.
        statement: What `insert` returned, with its ON CONFLICT.
        rows: The values by column, the same columns in each.
    """
    at_once = _MAX_PARAMETERS // len(rows[0]) if rows else 1
    for start in range(0, len(rows), at_once):
        connection.execute(statement.values(rows[start : start + at_once]))


def make_among_condition(
    connection: Connection, column: sa.Column[Any], values: Iterable[Any]
) -> sa.ColumnElement[bool]:
    """Return the condition that a column has one of some values: any number of them in one parameter.

    Args:
        connection: Determines the dialect.
        column: The column; its type is that of the values.
        values: The values.
    """
    distinct = sorted(set(values))
    if connection.dialect.name == SQLITE_DRIVER:
        elements = sa.func.json_each(orjson.dumps(distinct).decode()).table_valued("value")
        return column.in_(sa.select(elements.c.value))
    if any(distinct) and all(isinstance(value, str) and _SEPARATOR not in value for value in distinct):
        # The server parses one constant instead of a thousand, and splits it before it plans the query. An
        # empty text would be split into no value, which is of no type but text.
        return column == sa.func.any(sa.func.string_to_array(_SEPARATOR.join(distinct), _SEPARATOR))
    return column == sa.func.any(sa.cast(distinct, sa.ARRAY(column.type)))


def make_clock_column(connection: Connection) -> sa.ColumnElement[datetime]:
    """Return the database's clock as a column `clock`; for SQLite, which has none as fine, this machine's.

    Args:
        connection: Determines the dialect.
    """
    if connection.dialect.name == SQLITE_DRIVER:
        return sa.literal(datetime.now(UTC), UtcTimestamp()).label("clock")
    return sa.func.clock_timestamp(type_=UtcTimestamp()).label("clock")


class Clock(NamedTuple):
    """The database's clock, once it was read.

    Attributes:
        began: When it was asked, by the monotonic clock of this process: never after `now`.
        now: What it said.
    """

    began: float
    now: datetime


def read_clock(connection: Connection) -> Clock:
    """Read the database's clock.

    Args:
        connection: A transaction.
    """
    began = time.monotonic()
    if connection.dialect.name == SQLITE_DRIVER:
        return Clock(began, datetime.now(UTC))
    return Clock(began, connection.execute(_POSTGRES_CLOCK).scalar_one())


_POSTGRES_CLOCK = sa.select(sa.func.clock_timestamp(type_=UtcTimestamp()))
