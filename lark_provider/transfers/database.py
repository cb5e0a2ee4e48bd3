"""Airflow's SQL hooks, as transfers use them: the driver behind one, and reading row by row."""

from __future__ import annotations

import importlib
import re
import uuid
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from airflow.sdk import BaseHook

from lark_provider.errors import ConfigurationError, InvalidRequestError
from lark_provider.protocol.arguments import check_dict, check_str

if TYPE_CHECKING:
    from airflow.providers.common.sql.hooks.sql import DbApiHook

Parameters: TypeAlias = "Sequence[Any] | Mapping[str, Any] | None"
POSTGRES = frozenset({"psycopg2", "psycopg"})
MYSQL = frozenset({"MySQLdb", "pymysql"})
_LITERALS = re.compile(r"--[^\n]*|/\*.*?\*/|'[^']*'|\"[^\"]*\"", re.DOTALL)
_PARENTHESES = re.compile(r"\([^()]*\)")
_FILE = re.compile(r"\S+\.sql")
_ORDER_BY = re.compile(r"\border\s+by\b", re.IGNORECASE)


def get_sql_hook(conn_id: str, hook_params: Mapping[str, Any] | None = None) -> DbApiHook:
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
        hook_params=check_dict("hook_params", hook_params, "the arguments of the hook by name")
    )
    if not isinstance(hook, DbApiHook):
        raise ConfigurationError(
            f"Connection {conn_id!r} must be one to a SQL database, got one of {type(hook).__name__}. Next: "
            "pass the id of a connection whose provider has a SQL hook, such as Postgres."
        )
    return hook


def get_driver(connection: Any) -> str:
    """Return the package of the driver of a DB-API connection, such as `psycopg2`."""
    return type(connection).__module__.partition(".")[0]


def check_query(sql: str) -> str:
    """Return a query, after templates were rendered.

    Args:
        sql: The query.

    Raises:
        InvalidRequestError: It is not a str, or the path of a file that was not found.
    """
    check_str("sql", sql, "a query, or the path of a file that ends in .sql")
    if _FILE.fullmatch(sql.strip()):
        raise InvalidRequestError(
            f"sql names the file {sql.strip()!r}, which does not exist. Next: give its path from "
            "the DAG's folder or template_searchpath, in the DAG file itself and not in a template."
        )
    return sql


def check_columns(wanted: object, returned: Collection[str]) -> None:
    """Check that a query returns the columns that an argument names.

    Args:
        wanted: The names of the columns.
        returned: The columns that the query returns.

    Raises:
        InvalidRequestError: They are not a collection of names, or the query does not return one of them.
    """
    if not isinstance(wanted, Collection) or isinstance(wanted, str | bytes):
        raise InvalidRequestError(
            f"columns must name columns of the query ({', '.join(returned)}), got {wanted!r:.80}. Next: "
            "pass a list or a dict, or leave it out for all."
        )
    if missing := [column for column in wanted if not isinstance(column, str) or column not in returned]:
        raise InvalidRequestError(
            f"columns names {missing[0]!r:.80}, which the query does not return; it returns "
            f"{', '.join(returned)}. Next: correct columns, or the query. Most databases fold unquoted names "
            "to lower case."
        )


def is_ordered(sql: str) -> bool:
    """Return whether a query says in which order its rows come."""
    text, count = _LITERALS.sub(" ", sql), 1
    while count:
        # An order inside of parentheses is that of a window or of a subquery.
        text, count = _PARENTHESES.subn(" ", text)
    return _ORDER_BY.search(text) is not None


def select(
    hook: DbApiHook, sql: str, parameters: Parameters = None, *, chunk_size: int = 1000
) -> Generator[Sequence[Any], None, None]:
    """Yield the names of a query's columns, which are known without rows as well, and then its rows.

    Drivers that would else hold the whole result in memory are told to stream it: psycopg by a cursor on the
    server, MySQL's by an unbuffered one.

    Args:
        hook: The Airflow hook of the database.
        sql: The query.
        parameters: The query's parameters, as the database's driver takes them.
        chunk_size: How many rows are fetched at a time.

    Raises:
        InvalidRequestError: It is not a query, or two columns have the same name.
    """
    sql = sql.rstrip().rstrip(";")
    connection = hook.get_conn()
    cursor: Any = None
    try:
        cursor = _make_streaming_cursor(connection, chunk_size)
        cursor.execute(sql, parameters) if parameters else cursor.execute(sql)
        # A cursor on the server knows its columns only after the first fetch.
        chunk = cursor.fetchmany(chunk_size) if get_driver(connection) in POSTGRES else None
        yield _list_columns(cursor.description)
        while chunk is None or chunk:
            yield from chunk or ()
            chunk = cursor.fetchmany(chunk_size)
    except BaseException:
        # An unbuffered cursor of MySQL reads all rows that are left before it closes, unless its connection
        # is closed.
        with suppress(Exception):
            connection.close()
        if cursor is not None:
            with suppress(Exception):
                cursor.close()
        raise
    with closing(connection):
        cursor.close()


def _make_streaming_cursor(connection: Any, chunk_size: int) -> Any:
    driver = get_driver(connection)
    if driver in POSTGRES:
        cursor = connection.cursor(name=f"lark_{uuid.uuid4().hex}")
        cursor.itersize = chunk_size
        return cursor
    if driver in MYSQL:
        return connection.cursor(importlib.import_module(f"{driver}.cursors").SSCursor)
    return connection.cursor()


def _list_columns(description: Sequence[Sequence[Any]] | None) -> list[str]:
    if not description:
        raise InvalidRequestError(
            "The statement in sql returned no result set. Next: pass a query that returns rows, such as a "
            "SELECT."
        )
    names = [str(column[0]) for column in description]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidRequestError(
            f"The query returned two columns named {twice[0]!r}. Next: rename one with "
            "AS, such as SELECT a.id AS order_id."
        )
    return names
