"""Database URLs: from arguments and the environment, and for display without the password."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from lark_provider import config
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.support.environment import ENVIRONMENT
from lark_provider.support.secret import Secret
from lark_provider.support.text import is_unicode

POSTGRES_DRIVER, SQLITE_DRIVER = "postgresql+psycopg2", "sqlite"
_DRIVERS = {
    "postgres": POSTGRES_DRIVER,
    "postgresql": POSTGRES_DRIVER,
    POSTGRES_DRIVER: POSTGRES_DRIVER,
    SQLITE_DRIVER: SQLITE_DRIVER,
    "sqlite+pysqlite": SQLITE_DRIVER,
}
_POSTGRES_PORT = 5432
_KEY_PARAMETER = "sslpassword"


class _PostgresURL(URL):
    """A URL whose text hides the passphrase of a client certificate's key as well."""

    __slots__ = ()

    def render_as_string(self, hide_password: bool = True) -> str:
        """Return the URL as text.

        Args:
            hide_password: Whether password and passphrase are masked.
        """
        if hide_password and _KEY_PARAMETER in self.query:
            return URL.render_as_string(self.update_query_dict({_KEY_PARAMETER: "masked"}))
        return super().render_as_string(hide_password)


def parse(text: str, setting: str) -> URL:
    """Read a database URL.

    Args:
        text: `postgresql://…`, `postgres://…` or `sqlite:///…`; a password with `@ / : % #` is quoted.
        setting: Where it was written, for the error's text.

    Returns:
        The URL with the driver that is installed; a SQLite path is made absolute.

    Raises:
        ConfigurationError: It is not such a URL.
    """
    text = Secret(text)  # Error reporters print the arguments of a function.
    try:
        text.encode()
        _ = urlsplit(text).port  # SQLAlchemy's error would quote the whole URL, password included.
        url = make_url(text.strip())
        driver = _DRIVERS[url.drivername.lower()]
    except (ArgumentError, ValueError, KeyError):
        raise ConfigurationError(
            f"{setting} must be the URL of a PostgreSQL or SQLite database. Next: write it as "
            "postgresql://user:password@host:5432/database, with the special characters of the password "
            "percent-encoded, or as sqlite:////path/to/file.db."
        ) from None
    # The end of a password that was not encoded would be shown as host or database.
    if "@" in (url.host or "") or (url.password and "@" in (url.database or "")):
        raise ConfigurationError(
            f"{setting} must have one @, before the host. Next: percent-encode the special characters of the "
            "password, an @ as %40."
        )
    url = url.set(drivername=driver)
    if driver != SQLITE_DRIVER:
        return _mask_parameters(url)
    if not url.database or url.database == ":memory:":
        raise ConfigurationError(
            f"{setting} must name a file, got a SQLite database in memory, which no other process can see. "
            "Next: write it as sqlite:////path/to/file.db."
        )
    if url.query:
        raise ConfigurationError(
            f"{setting} must have no parameters after the name of a SQLite file. Next: leave out what "
            "follows the ?, or write %3F if it belongs to the name."
        )
    return url.set(database=_make_absolute(url.database))


def database(url: str | None = None, environ: Mapping[str, str] = ENVIRONMENT) -> URL:
    """Return the URL of the shared database: the argument, `LARK_DATABASE_URL`, then `POSTGRES_*`.

    Args:
        url: A URL, as passed by the caller.
        environ: The environment.

    Raises:
        ConfigurationError: Nothing is configured, or a part is invalid.
    """
    url = Secret.of(url)
    if url:
        return parse(url, "database_url")
    if text := Secret(environ.get("LARK_DATABASE_URL", "").strip()):
        return parse(text, "LARK_DATABASE_URL")
    if not config.has_database(None, environ):
        raise ConfigurationError(
            "No database is configured. Next: set POSTGRES_HOST, POSTGRES_USER, POSTGRES_PASSWORD and "
            "POSTGRES_DB, or LARK_DATABASE_URL, or pass database_url=."
        )
    port = config.read_port("POSTGRES_PORT", _POSTGRES_PORT, environ)
    sslmode = environ.get("POSTGRES_SSLMODE", "").strip()
    for part in ("HOST", "DB", "USER", "PASSWORD", "SSLMODE"):
        if not is_unicode(environ.get(f"POSTGRES_{part}", "")):
            raise ConfigurationError(f"POSTGRES_{part} must be valid UTF-8. Next: write it in UTF-8.")
    return URL.create(
        POSTGRES_DRIVER,
        username=environ.get("POSTGRES_USER", "").strip() or "lark",
        password=environ.get("POSTGRES_PASSWORD") or None,
        host=environ.get("POSTGRES_HOST", "").strip() or "localhost",
        port=port,
        database=environ.get("POSTGRES_DB", "").strip() or "lark_service",
        query={"sslmode": sslmode} if sslmode else {},
    )


def registry(location: str | None = None, environ: Mapping[str, str] = ENVIRONMENT) -> URL:
    """Return the URL of the registry: the argument, `LARK_REGISTRY_PATH`, then `config/applications.db`.

    Args:
        location: A path or a database URL, as passed by the caller.
        environ: The environment.

    Raises:
        ConfigurationError: A URL is invalid.
    """
    raw = location or config.get_registry(environ)
    if "://" in raw:
        url, setting = Secret(raw), "registry" if location else config.REGISTRY_VARIABLE
        location = raw = ""  # They hold the password in clear, and error reporters print locals.
        return parse(url, setting)
    return URL.create(SQLITE_DRIVER, database=_make_absolute(raw))


def _mask_parameters(url: URL) -> URL:
    """Move a password among the parameters to where a URL hides it, and mask a key's passphrase there."""
    password, key_password = url.query.get("password"), url.query.get(_KEY_PARAMETER)
    if isinstance(password, str):
        url = url.set(password=password).difference_update_query(["password"])
    if isinstance(key_password, str):
        url = url.update_query_dict({_KEY_PARAMETER: Secret(key_password)})
    return _PostgresURL(*url)


def _make_absolute(path: str) -> str:
    return str(config.expand_path(path).absolute())


def display(url: URL) -> str:
    """Return a URL without its password, for display; of SQLite only the path."""
    if url.drivername == SQLITE_DRIVER:
        return str(url.database)
    return url.set(drivername="postgresql", query={}).render_as_string(hide_password=True)
