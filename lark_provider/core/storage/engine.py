"""Open databases. One engine for each process and URL, so that a client per request opens nothing anew."""

from __future__ import annotations

import os
import re
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
    StatementError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from lark_provider.core.storage import urls
from lark_provider.core.storage.errors import StorageError
from lark_provider.protocol.errors import ConfigurationError

CONNECT_SECONDS = 5
BUSY_SECONDS = 5
"""For how long a SQLite file that somebody else writes is waited for."""
UPGRADE = "run `lark-provider db upgrade`, with --registry for the registry of apps"
# A host that is gone without a word is noticed in half a minute, and not in the kernel's two hours.
_KEEPALIVE = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
POOL_SETTINGS = {
    "LARK_DB_POOL_SIZE": ("pool_size", 10),
    "LARK_DB_MAX_OVERFLOW": ("max_overflow", 20),
    "LARK_DB_POOL_TIMEOUT": ("pool_timeout", 30),
    "LARK_DB_POOL_RECYCLE": ("pool_recycle", 3600),
}
"""Environment variable → SQLAlchemy's name and the default; times in seconds."""
_LINK = re.compile(r"\(Background on this error at: \S+\)")
_MAY_BE_UNLIMITED = {"max_overflow", "pool_recycle"}  # -1, as SQLAlchemy has it

# A forked child makes engines of its own. Its parent's stay here, unused and unclosed, for closing them
# would say goodbye on the parent's connections.
_engines: dict[tuple[int, URL], Engine] = {}
_lock = threading.Lock()


def _after_fork() -> None:
    global _lock  # noqa: PLW0603 - it replaces itself
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


def pool_settings(environ: Mapping[str, str] = os.environ) -> dict[str, int]:
    """The size and times of the pool.

    Raises:
        ConfigurationError: One is no whole number.
    """
    found = {}
    for variable, (name, default) in POOL_SETTINGS.items():
        text = environ.get(variable, "").strip()
        is_number = text.isascii() and text.isdigit()
        if text and not (is_number or (text == "-1" and name in _MAY_BE_UNLIMITED)):
            raise ConfigurationError(f"{variable} is {text!r}. Next: set it to a whole number.")
        found[name] = int(text) if text else default
    return found


def engine(url: URL) -> Engine:
    """The process's engine for a database.

    Args:
        url: As `urls` makes it.
    """
    key = (os.getpid(), url)
    found = _engines.get(key)
    if found is None:
        with _lock:
            found = _engines.get(key)
            if found is None:
                found = _engines[key] = create(url, **pool_settings())
    return found


def create(url: URL, **pool: int) -> Engine:
    """Make an engine; nothing is connected yet.

    Args:
        url: As `urls` makes it.
        pool: SQLAlchemy's `pool_size`, `max_overflow`, `pool_timeout`, `pool_recycle`.
    """
    if url.drivername == urls.SQLITE_DRIVER:
        # Opened for each transaction: a file that was replaced is noticed, and nothing crosses a fork.
        made = sa.create_engine(
            url, hide_parameters=True, poolclass=sa.NullPool, connect_args={"timeout": BUSY_SECONDS}
        )
        sa.event.listen(made, "connect", _sqlite_connected)
        sa.event.listen(made, "begin", _sqlite_begins)
        return made
    arguments = {"connect_timeout": CONNECT_SECONDS, "application_name": "lark_provider"} | _KEEPALIVE
    made = sa.create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,  # a database that was restarted is noticed before a statement is lost
        connect_args={name: value for name, value in arguments.items() if name not in url.query},
        **pool,
    )
    sa.event.listen(made, "begin", _postgres_begins)
    return made


def _sqlite_connected(connection: sqlite3.Connection, _record: Any) -> None:
    # Transactions begin where SQLAlchemy says, DDL included. The journal stays what SQLite makes it and not
    # a write-ahead log, so that a plain copy of the file is a backup.
    connection.isolation_level = None


def _sqlite_begins(connection: Connection) -> None:
    # A transaction that reads and then writes must not find a second one doing the same.
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _postgres_begins(connection: Connection) -> None:
    # Whatever a site's default is: what others commit has to be seen. SQLAlchemy's `isolation_level` would
    # have psycopg2 send a SET with every ping as well.
    if not connection.get_execution_options().get("reading", False):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")


@contextmanager
def _each_on_its_own(connection: Connection) -> Iterator[None]:
    """Let psycopg2 begin no transactions. SQLAlchemy's AUTOCOMMIT costs a SET before and after."""
    psycopg = connection.connection.dbapi_connection
    assert psycopg is not None  # noqa: S101 - it was checked out
    psycopg.autocommit = True
    try:
        yield
    finally:
        if not psycopg.closed:
            psycopg.autocommit = False


def make_file(url: URL) -> None:
    """Make a SQLite file that only its owner can read, with its folder; leave one that is there.

    Raises:
        StorageError: It cannot be made there.
    """
    path = Path(str(url.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StorageError(
            f"{path} cannot be made or written: {error.strerror}. Next: name a path that this user can write."
        ) from None


@contextmanager
def transaction(on: Engine, *, reading: bool = False) -> Iterator[Connection]:
    """A transaction; what goes wrong in it with the database is a `StorageError`.

    Args:
        on: The engine.
        reading: Whether it only reads, so that a SQLite file need not be locked, nor writable, and each
            statement on PostgreSQL is on its own: there and back once, and nothing held open meanwhile.

    Raises:
        StorageError: The database is away, refuses us, or lacks our tables.
    """
    try:
        with on.execution_options(reading=reading).connect() as connection:
            alone = reading and on.dialect.name == "postgresql"
            with _each_on_its_own(connection) if alone else nullcontext(), connection.begin():
                yield connection
    except SQLAlchemyError as error:
        if isinstance(error, StorageError):
            raise
        raise explained(error, on.url) from error


def explained(error: SQLAlchemyError, url: URL) -> StorageError:
    """Say what a database error means to whoever runs this.

    Args:
        error: SQLAlchemy's.
        url: Of which database.
    """
    where = f"Database {urls.shown(url)}"
    reason = str(getattr(error, "orig", None) or error).strip()
    if url.password:
        reason = reason.replace(str(url.password), "***")
    reason = " ".join(_LINK.sub("", reason).split()).rstrip(".?")
    sqlstate = getattr(getattr(error, "orig", None), "pgcode", None)
    if sqlstate in {"42P01", "42703"} or (
        isinstance(error, OperationalError) and reason.startswith(("no such table", "no such column"))
    ):
        return StorageError(f"{where} is behind on migrations ({reason}). Next: {UPGRADE}.")
    if sqlstate == "25006":
        return StorageError(
            f"{where} can only be read now: {reason}. Next: name the server that takes writes, and not its "
            "standby.",
            retryable=True,
        )
    if sqlstate == "42501":
        return StorageError(
            f"{where}: {reason}. Next: grant this user SELECT, INSERT, UPDATE and DELETE on the tables; "
            "migrations are run as their owner."
        )
    if "file is not a database" in reason:
        return StorageError(f"{where} is no SQLite database. Next: name another path, or restore a backup.")
    if "readonly database" in reason or "unable to open database" in reason:
        return StorageError(f"{where}: {reason}. Next: let this user read and write the file and its folder.")
    if "database is locked" in reason:
        return StorageError(
            f"{where} is being written by another process. Next: try again when it is done.", retryable=True
        )
    if isinstance(error, PoolTimeout):
        return StorageError(
            f"{where}: no connection is free: {reason}. Next: use fewer threads at once, or raise "
            "LARK_DB_POOL_SIZE or LARK_DB_MAX_OVERFLOW.",
            retryable=True,
        )
    if isinstance(error, StatementError) and not isinstance(error, DBAPIError):
        return StorageError(f"{where} was not asked: {reason}. Next: look at the statement's parameters.")
    if isinstance(error, DataError | IntegrityError):
        return StorageError(f"{where} refuses the values: {reason}. Next: look at them.", unfit=True)
    if isinstance(error, ProgrammingError):
        return StorageError(f"{where}: {reason}. Next: look whether it is the database meant for Lark.")
    if url.drivername == urls.SQLITE_DRIVER:
        advice = "see that its disk has room; if the file is damaged, restore a backup"
    else:
        advice = "check that it runs, and its host, port, user and password"
    lost = not isinstance(error, DBAPIError) or isinstance(error, OperationalError)
    return StorageError(f"{where} cannot be used: {reason}. Next: {advice}.", retryable=lost)
