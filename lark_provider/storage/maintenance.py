"""Check and back up databases. See also `purging`."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from psycopg2.extensions import make_dsn
from sqlalchemy.engine import URL, Engine

from lark_provider import config
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.protocol.redact import redact
from lark_provider.storage import migrate, tables, urls
from lark_provider.storage.engine import BUSY_SECONDS, CONNECT_SECONDS, get_engine, hold_transaction
from lark_provider.storage.error_texts import UPGRADE
from lark_provider.storage.errors import StorageError
from lark_provider.support.secret import Secret
from lark_provider.support.text import shorten_name

_OLDEST_POSTGRES = (15,)
_SERVICE = "lark"
_MAX_KEY_PASSWORD = 900
"""Bytes; libpq refuses longer lines of a service file."""


def require_engine(url: URL) -> Engine:
    """Return the engine of a database that must exist: a SQLite file is not created.

    Args:
        url: The database's URL, from `urls.database` or `urls.registry`.

    Raises:
        StorageError: There is no such file.
    """
    if url.drivername == urls.SQLITE_DRIVER and not config.is_there(Path(str(url.database))):
        raise StorageError(
            f"The database file {url.database} must exist. Next: check the path; `lark-provider db upgrade` "
            "makes a new one."
        )
    return get_engine(url)


def connect(url: URL) -> str:
    """Prove that a database answers.

    Args:
        url: The database's URL, from `urls.database` or `urls.registry`.

    Returns:
        What it is, such as `PostgreSQL 15.4`.

    Raises:
        StorageError: It does not, or is a PostgreSQL before 15.
    """
    is_sqlite = url.drivername == urls.SQLITE_DRIVER
    with hold_transaction(require_engine(url), reading=True) as connection:
        # `SELECT 1` would not make SQLite read the file.
        connection.execute(sa.text("SELECT 1 FROM sqlite_master" if is_sqlite else "SELECT 1"))
        version = connection.dialect.server_version_info or ()
    name = f"{'SQLite' if is_sqlite else 'PostgreSQL'} {'.'.join(map(str, version))}"
    if not is_sqlite and version < _OLDEST_POSTGRES:
        raise StorageError(
            f"{urls.display(url)} is {name}; PostgreSQL 15 or later is required. Next: upgrade the server."
        )
    return name


def require_writable(url: URL) -> None:
    """Check that a server of PostgreSQL accepts writes; which tables this user may write is not checked.

    Args:
        url: The database's URL, from `urls.database` or `urls.registry`.

    Raises:
        StorageError: It is unavailable, or is a standby or set to be read-only.
    """
    if url.drivername == urls.SQLITE_DRIVER:
        return
    with hold_transaction(require_engine(url), reading=True) as connection:
        is_read_only = connection.execute(sa.text("SHOW transaction_read_only")).scalar_one() == "on"
    if is_read_only:
        raise StorageError(
            f"Database {urls.display(url)} is read-only. Next: connect to the primary server, and not to a "
            "standby."
        )


def check_revision(url: URL) -> str:
    """Check that a database is at the revision that this version was written for, or at a later one.

    Args:
        url: The database's URL, from `urls.database` or `urls.registry`.

    Returns:
        The revision.

    Raises:
        StorageError: It is behind, a newer version has migrated it, or it has none of our tables.
    """
    revision = migrate.read_version(require_engine(url))
    where = f"Database {urls.display(url)}"
    if revision is None:
        raise StorageError(f"{where} has none of our tables. Next: {UPGRADE}.")
    if migrate.includes_head(revision):
        return revision
    if migrate.knows(revision):
        raise StorageError(
            f"{where} is behind on migrations: at {revision}, not {tables.HEAD}. Next: {UPGRADE}."
        )
    raise migrate.make_newer_error(url, revision)


def back_up(url: URL, target: Path) -> None:
    """Copy a live database into a file that only its owner can read.

    SQLite: a SQLite file. PostgreSQL: SQL for `psql`, written by `pg_dump`.

    Args:
        url: The database's URL, from `urls.database` or `urls.registry`.
        target: The file to create; it appears when it is complete.

    Raises:
        ConfigurationError: The file exists already, or `pg_dump` is not installed.
        StorageError: The database cannot be read or the file not written.
    """
    if config.is_there(target):
        raise ConfigurationError(f"The file {target} must not exist yet. Next: name another one.")
    require_engine(url)
    try:
        descriptor, name = tempfile.mkstemp(
            dir=target.absolute().parent, prefix=f".{shorten_name(target.name)}."
        )
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
            "user can read, and that its disk has free space."
        ) from None


def _dump(url: URL, target: Path) -> None:
    _, parts = url.get_dialect()().create_connect_args(url.set(password=None))
    key_password = Secret.of(parts.pop("sslpassword", None))
    where = f"--dbname={make_dsn(**parts)}"  # Not a URL, in which a socket's folder cannot be the host.
    command = ["pg_dump", "--no-password", f"--file={target}", where]
    if shutil.which(command[0]) is None:
        raise ConfigurationError(
            f"pg_dump is not installed. Next: install PostgreSQL's client programs, or run on a machine that "
            f"has them: pg_dump {shlex.quote(where)} > backup.sql"
        )
    # Secrets are not passed as arguments, which show in `ps`.
    environ = {"PGCONNECT_TIMEOUT": str(CONNECT_SECONDS), **os.environ}
    environ = {name: Secret(value) for name, value in environ.items()}  # it is in frames of subprocess
    if url.password is not None:
        environ["PGPASSWORD"] = Secret(url.password)
    with _pass_key_password(key_password, parts, target.parent) as (variables, descriptors):
        done = subprocess.run(  # noqa: S603 - arguments of ours, no shell
            command,
            env=environ | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            pass_fds=descriptors,
        )
    if done.returncode != 0:
        reason = " ".join(redact(done.stderr.decode(errors="replace"), url.password, key_password).split())
        if denied := re.search(r"permission denied for [^:]*?(?= pg_dump:|$)", reason):
            raise StorageError(
                f"{urls.display(url)} cannot be copied by this user: {denied[0]}. Next: run it as the owner "
                "of the tables, which --url can name: a role that reads and writes rows may not read all."
            )
        raise StorageError(
            f"{reason or 'pg_dump failed'}. Next: check that the database runs, that this user may read all "
            "of it, and that pg_dump is no older than the server."
        )


@contextmanager
def _pass_key_password(
    key_password: str | None, parts: Mapping[str, Any], folder: Path
) -> Iterator[tuple[dict[str, str], tuple[int, ...]]]:
    """Pass the passphrase of a client certificate's key, for which libpq has no variable, in a service file.

    Args:
        key_password: The passphrase; None if there is none.
        parts: The connection's other parameters.
        folder: Where files may be written; this one has no name there.

    Yields:
        The variables that name the service, and the descriptors that the program inherits.

    Raises:
        ConfigurationError: A service file of ours cannot pass it.
        StorageError: The folder cannot be written.
    """
    if key_password is None:
        yield {}, ()
        return
    if "service" in parts or "PGSERVICE" in os.environ:
        raise ConfigurationError(
            "sslpassword must not be combined with a service. Next: write it into the service file."
        )
    is_one_value = key_password == key_password.strip() and key_password.isprintable()
    if not (is_one_value and len(key_password.encode()) <= _MAX_KEY_PASSWORD):
        raise ConfigurationError(
            f"sslpassword must have at most {_MAX_KEY_PASSWORD} bytes, no control characters, and no spaces "
            "at its ends, for a backup. Next: give the key another passphrase."
        )
    with ExitStack() as stack:
        try:
            file = stack.enter_context(tempfile.TemporaryFile(dir=folder))
            file.write(f"[{_SERVICE}]\nsslpassword={key_password}\n".encode())
            file.seek(0)
        except OSError as error:
            raise StorageError(
                f"{folder} cannot be written: {error.strerror}. Next: name another path."
            ) from None
        yield {"PGSERVICEFILE": f"/dev/fd/{file.fileno()}", "PGSERVICE": _SERVICE}, (file.fileno(),)
