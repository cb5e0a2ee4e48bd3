"""Where the databases are: URLs from arguments and the environment, and how to show them without password."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from lark_provider.core import config
from lark_provider.protocol.errors import ConfigurationError

POSTGRES_DRIVER, SQLITE_DRIVER = "postgresql+psycopg2", "sqlite"
_DRIVERS = {
    "postgres": POSTGRES_DRIVER,
    "postgresql": POSTGRES_DRIVER,
    POSTGRES_DRIVER: POSTGRES_DRIVER,
    SQLITE_DRIVER: SQLITE_DRIVER,
    "sqlite+pysqlite": SQLITE_DRIVER,
}
_MAX_PORT = 65535


def parse(text: str, setting: str) -> URL:
    """Read a database URL.

    Args:
        text: `postgresql://…`, `postgres://…` or `sqlite:///…`; a password with `@ / : % #` is quoted.
        setting: Where it was written, for the error's text.

    Returns:
        The URL with the driver that is installed; a SQLite path is made absolute.

    Raises:
        ConfigurationError: It is no such URL.
    """
    try:
        text.encode()
        _ = urlsplit(text).port  # SQLAlchemy would quote the whole URL, password included
        url = make_url(text.strip())
        driver = _DRIVERS[url.drivername.lower()]
    except (ArgumentError, ValueError, KeyError):
        raise ConfigurationError(
            f"{setting} is no URL of a PostgreSQL or SQLite database. Next: write it as "
            "postgresql://user:password@host:5432/database, with the special characters of the password "
            "percent-encoded, or as sqlite:////path/to/file.db."
        ) from None
    url = url.set(drivername=driver)
    if driver != SQLITE_DRIVER:
        return _with_password(url)
    if not url.database or url.database == ":memory:":
        raise ConfigurationError(
            f"{setting} names a SQLite database in memory, which no other process can see. Next: name a "
            "file: sqlite:////path/to/file.db."
        )
    if url.query:
        raise ConfigurationError(
            f"{setting} has parameters after the file's name, and SQLite takes none. Next: leave out what "
            "follows the ?, or write %3F if it belongs to the name."
        )
    return url.set(database=_absolute(url.database))


def database(given: str | None = None, environ: Mapping[str, str] = os.environ) -> URL:
    """Find the database for tokens and people: the argument, `LARK_DATABASE_URL`, then `POSTGRES_*`.

    Args:
        given: A URL, as passed by the caller.
        environ: The environment.

    Raises:
        ConfigurationError: Nothing is configured, or a part cannot be right.
    """
    if given:
        return parse(given, "database_url")
    if text := environ.get("LARK_DATABASE_URL", "").strip():
        return parse(text, "LARK_DATABASE_URL")
    if not config.has_database(None, environ):
        raise ConfigurationError(
            "No database is configured. Next: set POSTGRES_HOST, POSTGRES_USER, POSTGRES_PASSWORD and "
            "POSTGRES_DB, or LARK_DATABASE_URL, or pass database_url=."
        )
    port = environ.get("POSTGRES_PORT", "").strip() or "5432"
    if not (port.isascii() and port.isdigit() and 0 < int(port) <= _MAX_PORT):
        raise ConfigurationError(f"POSTGRES_PORT is {port!r}. Next: set it to a number, usually 5432.")
    sslmode = environ.get("POSTGRES_SSLMODE", "").strip()
    for part in ("HOST", "DB", "USER", "PASSWORD"):
        try:
            environ.get(f"POSTGRES_{part}", "").encode()
        except UnicodeEncodeError:
            raise ConfigurationError(
                f"POSTGRES_{part} is no text in UTF-8. Next: write it in UTF-8."
            ) from None
    return URL.create(
        POSTGRES_DRIVER,
        username=environ.get("POSTGRES_USER", "").strip() or "lark",
        password=environ.get("POSTGRES_PASSWORD") or None,
        host=environ.get("POSTGRES_HOST", "").strip() or "localhost",
        port=int(port),
        database=environ.get("POSTGRES_DB", "").strip() or "lark_service",
        query={"sslmode": sslmode} if sslmode else {},
    )


def registry(given: str | None = None, environ: Mapping[str, str] = os.environ) -> URL:
    """Find the registry of apps: the argument, `LARK_REGISTRY_PATH`, then `config/applications.db`.

    Args:
        given: A path or a database URL, as passed by the caller.
        environ: The environment.

    Raises:
        ConfigurationError: A URL cannot be right.
    """
    text = given or config.registry(environ)
    if "://" in text:
        return parse(text, "registry" if given else config.REGISTRY_VARIABLE)
    return URL.create(SQLITE_DRIVER, database=_absolute(text))


def _with_password(url: URL) -> URL:
    """The URL with its password where one looks for it, so that nobody shows the other place by mistake."""
    found = url.query.get("password")
    return url.set(password=found).difference_update_query(["password"]) if isinstance(found, str) else url


def _absolute(path: str) -> str:
    return str(config.path(path).absolute())


def shown(url: URL) -> str:
    """A URL without its password, for texts; of SQLite only the path."""
    if url.drivername == SQLITE_DRIVER:
        return str(url.database)
    return url.set(drivername="postgresql", query={}).render_as_string(hide_password=True)
