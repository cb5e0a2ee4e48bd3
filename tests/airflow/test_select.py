"""How a query is read row by row, and what is closed when, also by drivers that no test can install."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from lark_provider.errors import InvalidRequestError
from lark_provider.transfers.database import select


class Connection:
    """A connection of a driver that behaves like mysqlclient: its unbuffered cursor closes only once read."""

    __module__ = "MySQLdb.connections"

    def __init__(self, count: int, names: Sequence[str]) -> None:
        self.rows, self.names = iter([(number,) * len(names) for number in range(count)]), names
        self.events: list[str] = []
        self.is_open = True

    def cursor(self, kind: type[Any]) -> Any:
        return kind(self)

    def close(self) -> None:
        if not self.is_open:
            raise RuntimeError("closing a closed connection")
        self.is_open = False
        self.events.append("connection")


class SSCursor:
    """An unbuffered cursor."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.description = [(name,) for name in connection.names]

    def execute(self, sql: str) -> None:
        if sql == "wrong":
            raise RuntimeError("syntax error")

    def fetchmany(self, count: int) -> list[tuple[int, ...]]:
        return list(itertools.islice(self.connection.rows, count))

    def close(self) -> None:
        if not self.connection.is_open:
            raise RuntimeError("the connection is closed")
        left = len(list(self.connection.rows))
        self.connection.events.append(f"cursor, {left} rows read")


@pytest.fixture(autouse=True)
def _driver(monkeypatch: pytest.MonkeyPatch) -> None:
    cursors: Any = ModuleType("MySQLdb.cursors")
    cursors.SSCursor = SSCursor
    monkeypatch.setitem(sys.modules, "MySQLdb", ModuleType("MySQLdb"))
    monkeypatch.setitem(sys.modules, "MySQLdb.cursors", cursors)


def read(connection: Connection, sql: str = "SELECT") -> Any:
    hook: Any = SimpleNamespace(get_conn=lambda: connection)
    return select(hook, sql, chunk_size=2)


def test_a_query_that_is_read_to_its_end_closes_its_cursor_first() -> None:
    connection = Connection(5, ["no"])
    assert list(read(connection)) == [["no"], (0,), (1,), (2,), (3,), (4,)]
    assert connection.events == ["cursor, 0 rows read", "connection"]


def test_a_query_that_is_left_early_reads_no_further_row() -> None:
    connection = Connection(5_000_000, ["no"])
    rows = read(connection)
    assert [next(rows), next(rows)] == [["no"], (0,)]
    rows.close()
    assert (connection.events, next(connection.rows)) == (["connection"], (2,))


def test_a_query_that_fails_says_why() -> None:
    connection = Connection(5, ["no"])
    with pytest.raises(RuntimeError, match="syntax error"):
        list(read(connection, "wrong"))
    assert connection.events == ["connection"]
    connection = Connection(5, ["no", "no"])
    with pytest.raises(InvalidRequestError, match="two columns named 'no'"):
        list(read(connection))
    assert connection.events == ["connection"]
