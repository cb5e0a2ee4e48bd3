"""Which database the workers of this Airflow share: the section `[lark]` of its configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from airflow.sdk import BaseHook, conf

from lark_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Connection

SECTION = "lark"
_SCHEMES = {"postgres": "postgresql", "postgresql": "postgresql", "sqlite": "sqlite"}


def configured() -> tuple[str | None, str | None]:
    """What the configuration says.

    Returns:
        `[lark] database_url`, and `[lark] database_conn_id`, which counts where there is no URL.
    """
    url, conn_id = (
        (conf.get(SECTION, name, fallback=None) or "").strip() or None
        for name in ("database_url", "database_conn_id")
    )
    return url, conn_id


def shared_url() -> str | None:
    """The URL of the database that all workers share; None to leave it to the environment.

    Raises:
        ConfigurationError: The connection named cannot be one to a database.
    """
    url, conn_id = configured()
    return url_of(BaseHook.get_connection(conn_id)) if url is None and conn_id is not None else url


async def ashared_url() -> str | None:
    """`shared_url`, with the connection fetched without blocking; for triggers."""
    url, conn_id = configured()
    return url_of(await BaseHook.aget_connection(conn_id)) if url is None and conn_id is not None else url


def url_of(connection: Connection) -> str:
    """The URL of the database that a connection leads to.

    Args:
        connection: Of type `postgres` or `sqlite`; `sslmode` may stand in its extra.

    Raises:
        ConfigurationError: It is of another type, or names no host or file.
    """
    scheme = _SCHEMES.get((connection.conn_type or "").lower())
    if scheme is None or not connection.host:
        raise ConfigurationError(
            f"Connection {connection.conn_id!r} ([{SECTION}] database_conn_id) is of type "
            f"{connection.conn_type!r} with host {connection.host!r}. Next: make it a connection of type "
            "postgres with host, schema, login and password."
        )
    if scheme == "sqlite":
        return f"sqlite:///{connection.host}"
    login = ":".join(quote(part, safe="") for part in (connection.login, connection.password) if part)
    place = f"{quote(connection.host, safe='')}:{connection.port or 5432}"
    sslmode = connection.extra_dejson.get("sslmode")
    query = f"?{urlencode({'sslmode': sslmode})}" if sslmode else ""
    return f"{scheme}://{login}{'@' if login else ''}{place}/{quote(connection.schema or '', safe='')}{query}"
