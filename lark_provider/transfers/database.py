"""Airflow's SQL hooks, as transfers use them: the driver behind one, and reading row by row."""

from __future__ import annotations

import importlib
import re
import uuid
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeAlias

from airflow.sdk import BaseHook

from lark_provider.errors import ConfigurationError, InvalidRequestError

if TYPE_CHECKING:
    from airflow.providers.common.sql.hooks.sql import DbApiHook

Parameters: TypeAlias = "Sequence[Any] | Mapping[str, Any] | None"
POSTGRES = frozenset({"psycopg2", "psycopg"})
MYSQL = frozenset({"MySQLdb", "pymysql"})
_LITERALS = re.compile(r"--[^\n]*|/\*.*?\*/|'[^']*'|\"[^\"]*\"", re.DOTALL)
_PARENTHESES = re.compile(r"\([^()]*\)")
_ORDER_BY = re.compile(r"\border\s+by\b", re.IGNORECASE)


def sql_hook(conn_id: str, hook_params: Mapping[str, Any] | None = None) -> DbApiHook:
    """Return the hook of a connection to a SQL database.

    Args:
        conn_id: The connection.
        hook_params: Further arguments for the hook.

    Raises:
        ConfigurationError: `apache-airflow-providers-common-sql` is not installed, or it is another kind of
            connection.
    """
    try:
        from airflow.providers.common.sql.hooks.sql import DbApiHook
    except ImportError as error:
        raise ConfigurationError(
            "Transfers to and from SQL need apache-airflow-providers-common-sql, which is not installed. "
            "Next: install 'airflow-provider-lark[sql]', and the provider of your database."
        ) from error
    # No variable holds the connection: its repr shows the password, and error reporters send variables.
    hook = BaseHook.get_connection(conn_id).get_hook(  # type: ignore[no-untyped-call]  # Airflow's
        hook_params=dict(hook_params or {})
    )
    if not isinstance(hook, DbApiHook):
        raise ConfigurationError(
            f"Connection {conn_id!r} must be one to a SQL database, got one of {type(hook).__name__}. Next: "
            "pass the id of a connection whose provider has a SQL hook, such as Postgres."
        )
    return hook


def driver_of(connection: Any) -> str:
    """Return the package of the driver of a DB-API connection, such as `psycopg2`."""
    return type(connection).__module__.partition(".")[0]


def is_ordered(sql: str) -> bool:
    """Return whether a query says in which order its rows come."""
    text, count = _LITERALS.sub(" ", sql), 1
    while count:
        # An order inside of parentheses is that of a window or of a subquery.
        text, count = _PARENTHESES.subn(" ", text)
    return _ORDER_BY.search(text) is not None


def rows(
    hook: DbApiHook, sql: str, parameters: Parameters = None, *, chunk_size: int = 1000
) -> Generator[dict[str, Any], None, None]:
    """Yield the rows of a query, by column.

    Drivers that would else hold the whole result in memory are told to stream it: psycopg by a cursor on the
    server, MySQL's by an unbuffered one.

    Args:
        hook: The database.
        sql: The query.
        parameters: Its parameters.
        chunk_size: How many rows are fetched at once.

    Raises:
        InvalidRequestError: It is not a query, or two columns have the same name.
    """
    sql = sql.rstrip().rstrip(";")
    with closing(hook.get_conn()) as connection, closing(_streaming_cursor(connection, chunk_size)) as cursor:
        cursor.execute(sql, parameters) if parameters else cursor.execute(sql)
        # A cursor on the server knows its columns only after the first fetch.
        found = cursor.fetchmany(chunk_size) if driver_of(connection) in POSTGRES else None
        names = _columns(cursor.description)
        while found is None or found:
            for row in found or ():
                yield dict(zip(names, row, strict=True))
            found = cursor.fetchmany(chunk_size)


def _streaming_cursor(connection: Any, chunk_size: int) -> Any:
    driver = driver_of(connection)
    if driver in POSTGRES:
        cursor = connection.cursor(name=f"lark_{uuid.uuid4().hex}")
        cursor.itersize = chunk_size
        return cursor
    if driver in MYSQL:
        return connection.cursor(importlib.import_module(f"{driver}.cursors").SSCursor)
    return connection.cursor()


def _columns(description: Sequence[Sequence[Any]] | None) -> list[str]:
    if not description:
        raise InvalidRequestError(
            "sql must be a query that returns rows, got a statement without a result. Next: pass a SELECT."
        )
    names = [str(column[0]) for column in description]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidRequestError(
            f"The query's columns must have different names, got {twice[0]!r} twice. Next: rename one with "
            "AS, such as SELECT a.id AS order_id."
        )
    return names
