"""Open databases. Each process has one engine for a URL, so that a client per request connects only once."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, ExceptionContext
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from lark_provider.protocol.errors import ConfigurationError
from lark_provider.storage import deadlines, error_texts, urls
from lark_provider.storage.deadlines import Deadlines
from lark_provider.storage.errors import StorageError
from lark_provider.support import measured, meters
from lark_provider.support.environment import ENVIRONMENT
from lark_provider.support.locks import ForkSafeLock

if TYPE_CHECKING:
    from lark_provider.storage.watched import WatchedConnection

CONNECT_SECONDS = 5
BUSY_SECONDS = 5
"""How long to wait for a SQLite file that another process writes."""
# A host that vanished without closing the connection is noticed in half a minute; the kernel takes two hours.
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
_MAY_BE_UNLIMITED = {"max_overflow", "pool_recycle"}  # -1, as SQLAlchemy has it

# A forked child makes engines of its own. Its parent's stay here, unused and unclosed, since closing them
# would end the parent's sessions.
_engines: dict[tuple[int, URL], Engine] = {}
_lock = ForkSafeLock()


def read_pool_settings(environ: Mapping[str, str] = ENVIRONMENT) -> dict[str, int]:
    """Return the settings of the pool, by SQLAlchemy's names.

    Raises:
        ConfigurationError: A variable is not a whole number.
    """
    settings = {}
    for variable, (name, default) in POOL_SETTINGS.items():
        text = environ.get(variable, "").strip()
        is_number = text.isascii() and text.isdigit()
        if text and not (is_number or (text == "-1" and name in _MAY_BE_UNLIMITED)):
            raise ConfigurationError(
                f"{variable} must be a whole number, got {text!r}. Next: unset it for {default}, or "
                "set it to such a number."
            )
        settings[name] = int(text) if text else default
    return settings


def get_engine(url: URL) -> Engine:
    """Return the process's engine for a database.

    Args:
        url: The database's URL, from `urls.database` or `urls.registry`.
    """
    key = (os.getpid(), url)
    if (cached := _engines.get(key)) is not None:
        return cached
    with _lock:
        if key not in _engines:
            _engines[key] = create(url, **read_pool_settings())
        return _engines[key]


def create(url: URL, **pool: int) -> Engine:
    """Make an engine; nothing is connected yet.

    Args:
        url: The database's URL, from `urls.database` or `urls.registry`.
        pool: SQLAlchemy's `pool_size`, `max_overflow`, `pool_timeout`, `pool_recycle`.
    """
    if url.drivername == urls.SQLITE_DRIVER:
        # Opened for each transaction: a file that was replaced is noticed, and nothing crosses a fork.
        # Transactions begin where SQLAlchemy says, DDL included. The journal stays what SQLite makes it and
        # not a write-ahead log, so that a plain copy of the file is a backup.
        db_engine = sa.create_engine(
            url,
            hide_parameters=True,
            poolclass=sa.NullPool,
            connect_args={"timeout": BUSY_SECONDS, "isolation_level": None},
        )
        sa.event.listen(db_engine, "begin", _begin_sqlite)
        return db_engine
    arguments = {"connect_timeout": CONNECT_SECONDS, "application_name": "lark_provider"} | _KEEPALIVE
    from lark_provider.storage.watched import WatchedConnection  # Needs psycopg2, which SQLite does not.

    connect_args = {name: value for name, value in arguments.items() if name not in url.query}
    db_engine = sa.create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,  # Notices a restarted database before a statement is lost.
        connect_args={**connect_args, "connection_factory": WatchedConnection},
        use_native_hstore=False,  # It would query each new connection for its types, without a deadline.
        **pool,
    )
    # A ping is a round trip, as long as most of our statements take.
    db_engine.dialect.do_ping = functools.partial(_ping, db_engine.dialect.do_ping)  # type: ignore[method-assign]  # no event replaces a ping
    sa.event.listen(db_engine, "begin", _begin_postgres)
    sa.event.listen(db_engine, "checkin", _handle_postgres_checkin)
    sa.event.listen(db_engine, "checkout", _handle_postgres_checkout)
    sa.event.listen(db_engine, "handle_error", _handle_postgres_error)
    return db_engine


def _ping(ping: Callable[[Any], bool], connection: WatchedConnection) -> bool:
    return connection.is_fresh() or ping(connection)


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads and then writes must not find a second one doing the same.
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _begin_postgres(connection: Connection) -> None:
    options = connection.get_execution_options()
    limits = options.get("limits", deadlines.STATEMENT)
    each_alone = options.get("reading", False) or options.get("each_alone", False)
    watched = cast("WatchedConnection", connection.connection.dbapi_connection)
    watched.limit(limits, each_alone=each_alone)
    if not each_alone:
        connection.exec_driver_sql(limits.make_begin_sql())


def _handle_postgres_checkin(connection: WatchedConnection | None, _record: Any) -> None:
    if connection is not None:  # None: it was lost.
        connection.limit(None)
    _count_connections(returning=1)


def _handle_postgres_checkout(_connection: Any, _record: Any, _proxy: Any) -> None:
    _count_connections()


def _count_connections(returning: int = 0) -> None:
    """Measure the pools of the process; `returning` connections count as in use until their pool has them."""
    if meters.sinks:
        pid = os.getpid()
        pools = [db_engine.pool for (owner, _), db_engine in list(_engines.items()) if owner == pid]
        queues = [pool for pool in pools if isinstance(pool, sa.QueuePool)]  # SQLite's keep no connection
        measured.DATABASE_CONNECTIONS.set(sum(pool.checkedout() for pool in queues) - returning, "in_use")
        measured.DATABASE_CONNECTIONS.set(sum(pool.checkedin() for pool in queues) + returning, "idle")


def _handle_postgres_error(context: ExceptionContext) -> None:
    # A session keeps the default_transaction_read_only that it began with, and its server may be a standby by
    # now. So the pool's sessions are replaced, as after a lost connection.
    if getattr(context.original_exception, "pgcode", None) == error_texts.READ_ONLY:
        context.is_disconnect = True


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
def hold_transaction(
    on: Engine, *, reading: bool = False, each_alone: bool = False, limits: Deadlines | None = None
) -> Iterator[Connection]:
    """Open a transaction; errors of the database in it become a `StorageError`.

    Args:
        on: The engine.
        reading: Whether it only reads, so that a SQLite file need not be locked, nor writable, and each
            statement on PostgreSQL is a transaction of its own: one round trip, with nothing held open.
        each_alone: Whether each statement is such a transaction on PostgreSQL although it writes.
        limits: How long its statements may take on PostgreSQL, `deadlines.STATEMENT` by default. On SQLite
            a lock is waited for `BUSY_SECONDS`.

    Raises:
        StorageError: The database is unavailable, denies access, is too slow, or lacks our tables.
    """
    limits = limits or deadlines.STATEMENT
    try:
        with _connect(on) as connection:
            # Set here and not on the engine, which would be copied for each transaction.
            connection.execution_options(reading=reading, each_alone=each_alone, limits=limits)
            with connection.begin():
                yield connection
    except SQLAlchemyError as error:
        if isinstance(error, StorageError):
            raise
        explained = error_texts.explain(error, on.url)
        _count_error(error, explained)
        raise explained from error


def _connect(on: Engine) -> Connection:
    """Connect, without the frames of the drivers in an error: their local variables hold the password."""
    try:
        return on.connect()
    except SQLAlchemyError as error:
        for chained in (error, error.__cause__, error.__context__):
            if chained is not None:
                chained.__traceback__ = None
        raise


def _count_error(error: SQLAlchemyError, explained: StorageError) -> None:
    if isinstance(error, PoolTimeout):
        kind = "pool_exhausted"
    elif explained.retryable:
        kind = "unavailable"
    else:
        kind = "rejected" if explained.permanent else "misconfigured"
    measured.DATABASE_ERRORS.add(kind)
