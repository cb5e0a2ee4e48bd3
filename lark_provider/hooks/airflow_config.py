"""Read the section `[lark]` of Airflow's configuration: the database and the broker that workers share."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from airflow.sdk import BaseHook, conf

from lark_provider.errors import ConfigurationError
from lark_provider.hooks.base import has_object, make_extras_error
from lark_provider.support.secret import Secret

if TYPE_CHECKING:
    from airflow.sdk import Connection

SECTION = "lark"
_TRUE, _FALSE = frozenset({"1", "true", "t", "yes", "on"}), frozenset({"", "0", "false", "f", "no", "off"})
_SCHEMES = {"postgres": "postgresql", "postgresql": "postgresql", "sqlite": "sqlite"}


def read_rabbitmq_url() -> str | None:
    """Return the URL of RabbitMQ, `[lark] rabbitmq_url`; None to leave it to the environment.

    It may query a secrets backend.
    """
    return _read_option("rabbitmq_url")


def should_run_bridge() -> bool:
    """Return whether the bridge asks Airflow's questions in Lark: `[lark] bridge`, else `LARK_BRIDGE`.

    Raises:
        ConfigurationError: It is neither true nor false.
    """
    setting = _read_option("bridge") or os.environ.get("LARK_BRIDGE", "").strip()
    word = setting.lower()
    if word in _TRUE | _FALSE:
        return word in _TRUE
    raise ConfigurationError(
        f"[lark] bridge, or LARK_BRIDGE, must be true or false, got {setting!r}. Next: write true where "
        "`lark-provider airflow bridge` runs."
    )


def read_database_url() -> Secret | None:
    """Return the URL of the database; None to leave it to the environment.

    It is `[lark] database_url`, else that of the connection `[lark] database_conn_id`. It may query a secrets
    backend.

    Raises:
        ConfigurationError: The connection is not of type postgres or sqlite.
    """
    url, conn_id = _read_database_options()
    return make_database_url(BaseHook.get_connection(conn_id)) if url is None and conn_id is not None else url


async def aread_database_url() -> Secret | None:
    """Return `read_database_url()`, with the connection fetched without blocking; for triggers."""
    url, conn_id = await asyncio.to_thread(_read_database_options)
    return (
        make_database_url(await BaseHook.aget_connection(conn_id))
        if url is None and conn_id is not None
        else url
    )


def names_database() -> bool:
    """Return whether the section names a database, by URL or by connection; nothing is looked up."""
    return any(_read_database_options())


def _read_database_options() -> tuple[Secret | None, str | None]:
    return Secret.of(_read_option("database_url")), _read_option("database_conn_id")


def _read_option(name: str) -> str | None:
    return (conf.get(SECTION, name, fallback=None) or "").strip() or None


def make_database_url(connection: Connection) -> Secret:
    """Return the URL of the database that a connection names, masked, since it may hold a password.

    Args:
        connection: Of type `postgres` or `sqlite`; `sslmode` may be set in its extra.

    Raises:
        ConfigurationError: It is of another type, names no host or file, or its extra is not a JSON object.
    """
    scheme, host = _SCHEMES.get((connection.conn_type or "").lower()), connection.host
    if scheme is None or not host:
        conn_id, conn_type = connection.conn_id, connection.conn_type
        del connection  # Its repr shows the password, and error reporters print the arguments of a function.
        raise ConfigurationError(
            f"Connection {conn_id!r} ([{SECTION}] database_conn_id) must be of type postgres or sqlite and "
            f"have a host, got type {conn_type!r} with host {host!r}. Next: make it a connection of type "
            "postgres with host, schema, login and password."
        )
    if not has_object(connection):
        conn_id = connection.conn_id
        del connection
        raise make_extras_error(conn_id)
    if scheme == "sqlite":
        return Secret(f"sqlite:///{host}")
    login = ":".join(quote(part, safe="") for part in (connection.login, connection.password) if part)
    place = f"{quote(host, safe='')}:{connection.port or 5432}"
    sslmode = connection.extra_dejson.get("sslmode")
    query = f"?{urlencode({'sslmode': sslmode})}" if sslmode else ""
    name = quote(connection.schema or "", safe="")
    return Secret(f"{scheme}://{login}{'@' if login else ''}{place}/{name}{query}")
