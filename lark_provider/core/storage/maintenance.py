"""What an operator does with a database: look whether it is fit for use, clean it up, back it up."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
from psycopg2.extensions import make_dsn
from sqlalchemy.engine import URL, Engine

from lark_provider.core import config
from lark_provider.core.storage import migrate, tables, urls
from lark_provider.core.storage.engine import BUSY_SECONDS, CONNECT_SECONDS, UPGRADE, engine, transaction
from lark_provider.core.storage.errors import StorageError
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.protocol.redact import redact

TOKENS_KEPT = timedelta(days=7)
"""For how long an expired token stays, as the deployment guide has it."""
_LONGEST = timedelta(days=36_525)  # nothing here is that old, and clocks end somewhere
_LEASES_KEPT = timedelta(days=1)
_CLICKS_KEPT = timedelta(days=90)  # a card takes clicks for 14 days, and its task may be looked at for longer
_EVENTS_KEPT = timedelta(days=7)  # Lark repeats an event for 6 hours
_OLDEST_POSTGRES = (15,)


def existing(url: URL) -> Engine:
    """The engine of a database that has to be there: a SQLite file is not made.

    Args:
        url: As `urls` makes it.

    Raises:
        StorageError: There is no such file.
    """
    if url.drivername == urls.SQLITE_DRIVER and not config.is_there(Path(str(url.database))):
        raise StorageError(
            f"There is no file {url.database}. Next: check the path; `db upgrade` makes a new one."
        )
    return engine(url)


def connect(url: URL) -> str:
    """Prove that a database answers.

    Args:
        url: As `urls` makes it.

    Returns:
        What it is, such as `PostgreSQL 15.4`.

    Raises:
        StorageError: It does not, or is a PostgreSQL before 15.
    """
    is_sqlite = url.drivername == urls.SQLITE_DRIVER
    with transaction(existing(url), reading=True) as connection:
        # Of any file SQLite says that 1 is 1: it has not looked at it yet.
        connection.execute(sa.text("SELECT 1 FROM sqlite_master" if is_sqlite else "SELECT 1"))
        version = connection.dialect.server_version_info or ()
    name = f"{'SQLite' if is_sqlite else 'PostgreSQL'} {'.'.join(map(str, version))}"
    if not is_sqlite and version < _OLDEST_POSTGRES:
        raise StorageError(f"{urls.shown(url)} is {name}. Next: use PostgreSQL 15 or later.")
    return name


def check_revision(url: URL) -> str:
    """Check that a database stands at the revision that this version was written for.

    Args:
        url: As `urls` makes it.

    Returns:
        The revision.

    Raises:
        StorageError: It stands at another, or has none of our tables.
    """
    found = migrate.version(existing(url))
    where = f"Database {urls.shown(url)}"
    if found is None:
        raise StorageError(f"{where} has none of our tables. Next: {UPGRADE}.")
    if found != tables.HEAD and migrate.knows(found):
        raise StorageError(
            f"{where} is behind on migrations: at {found}, not {tables.HEAD}. Next: {UPGRADE}."
        )
    if found != tables.HEAD:
        raise migrate.newer(url, found)
    return found


def purge(url: URL, *, tokens_older_than: timedelta = TOKENS_KEPT) -> dict[str, int]:
    """Delete what nobody can use any more, by the database's own clock.

    Args:
        url: As `urls` makes it.
        tokens_older_than: For how long a token has to have expired; one that lives is never deleted.

    Returns:
        How many rows were deleted, by table: `tokens`, `user_cache`, `leases`, `card_callbacks`,
        `card_answers`, `handled_events`.

    Raises:
        ConfigurationError: The age is negative.
        StorageError: The database cannot be used.
    """
    if tokens_older_than < timedelta():
        raise ConfigurationError("tokens_older_than is negative. Next: pass how long ago tokens expired.")
    existing(url)
    with transaction(migrate.opened(url)) as connection:
        is_sqlite = url.drivername == urls.SQLITE_DRIVER  # its clock is ours
        now = datetime.now(UTC) if is_sqlite else connection.scalar(sa.select(sa.func.clock_timestamp()))
        assert now is not None  # noqa: S101 - a clock always tells
        ends = {
            tables.tokens.c.expires_at: now - min(tokens_older_than, _LONGEST),
            tables.user_cache.c.expires_at: now,
            tables.leases.c.until: now - _LEASES_KEPT,
            tables.card_callbacks.c.stored_at: now - _CLICKS_KEPT,
            tables.card_answers.c.decided_at: now - _CLICKS_KEPT,
            tables.handled_events.c.handled_at: now - _EVENTS_KEPT,
        }
        return {
            str(column.table.name): connection.execute(column.table.delete().where(column < end)).rowcount
            for column, end in ends.items()
        }


def backup(url: URL, target: Path) -> None:
    """Copy a live database into a file that only its owner can read.

    SQLite: a SQLite file. PostgreSQL: SQL for `psql`, written by `pg_dump`.

    Args:
        url: As `urls` makes it.
        target: The file to make; it appears when it is whole.

    Raises:
        ConfigurationError: The file is there already, or `pg_dump` is not installed.
        StorageError: The database cannot be read or the file not written.
    """
    if config.is_there(target):
        raise ConfigurationError(f"{target} is there already. Next: name a file that is not.")
    existing(url)
    try:
        descriptor, name = tempfile.mkstemp(dir=target.absolute().parent, prefix=f".{target.name}.")
    except OSError as error:
        raise StorageError(
            f"{target} cannot be written: {error.strerror}. Next: name another path."
        ) from None
    part = Path(name)
    try:
        os.close(descriptor)
        (_copy if url.drivername == urls.SQLITE_DRIVER else _dump)(url, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _copy(url: URL, target: Path) -> None:
    source = f"file:{quote(str(url.database))}?mode=ro"
    try:
        with (
            closing(sqlite3.connect(source, uri=True, timeout=BUSY_SECONDS)) as live,
            closing(sqlite3.connect(target)) as copy,
        ):
            live.backup(copy)
    except sqlite3.Error as error:
        raise StorageError(
            f"{url.database} cannot be copied: {error}. Next: check that it is a SQLite database that this "
            "user can read, and that there is room."
        ) from None


def _dump(url: URL, target: Path) -> None:
    # The password goes through the environment: arguments show in `ps`.
    _, parts = url.get_dialect()().create_connect_args(url.set(password=None))
    where = f"--dbname={make_dsn(**parts)}"  # and no URL, in which a socket's folder is no host
    command = ["pg_dump", "--no-password", f"--file={target}", where]
    if shutil.which(command[0]) is None:
        raise ConfigurationError(
            f"pg_dump is not installed. Next: install PostgreSQL's client programs, or run on a machine that "
            f"has them: pg_dump {shlex.quote(where)} > backup.sql"
        )
    environ = {"PGCONNECT_TIMEOUT": str(CONNECT_SECONDS), **os.environ}
    if url.password is not None:
        environ["PGPASSWORD"] = str(url.password)
    done = subprocess.run(  # noqa: S603 - arguments of ours, no shell
        command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode != 0:
        reason = " ".join(redact(done.stderr.decode(errors="replace"), url.password).split())
        if denied := re.search(r"permission denied for [^:]*?(?= pg_dump:|$)", reason):
            raise StorageError(
                f"{urls.shown(url)} cannot be copied by this user: {denied[0]}. Next: run it as the owner of "
                "the tables, whom --url can name; who reads and writes rows may not read all of it."
            )
        raise StorageError(
            f"{reason or 'pg_dump failed'}. Next: check that the database runs, that this user may read all "
            "of it, and that pg_dump is no older than the server."
        )
