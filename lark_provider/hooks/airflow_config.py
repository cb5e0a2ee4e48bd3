"""Read the section `[lark]` of Airflow's configuration: the database and the broker that workers share."""

from __future__ import annotations

import asyncio
import os
from typing import Any
from urllib.parse import quote, urlencode

from airflow.sdk import conf

from lark_provider.errors import ConfigurationError
from lark_provider.hooks.base import LarkBaseHook
from lark_provider.support.secret import Secret

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
    return DatabaseHook(conn_id).make_url() if url is None and conn_id is not None else url


async def aread_database_url() -> Secret | None:
    """Return `read_database_url()`, with the connection fetched without blocking; for triggers."""
    url, conn_id = await asyncio.to_thread(_read_database_options)
    return await DatabaseHook(conn_id).amake_url() if url is None and conn_id is not None else url


def names_database() -> bool:
    """Return whether the section names a database, by URL or by connection; nothing is looked up."""
    return any(_read_database_options())


def _read_database_options() -> tuple[Secret | None, str | None]:
    return Secret.of(_read_option("database_url")), _read_option("database_conn_id")


def _read_option(name: str) -> str | None:
    return (conf.get(SECTION, name, fallback=None) or "").strip() or None


class DatabaseHook(LarkBaseHook):
    """Make the URL of the database that a connection of type `postgres` or `sqlite` names.

    `sslmode` may be set in its extra. No variable holds the connection, since its repr shows the password and
    error reporters print the variables of functions.

    Args:
        database_conn_id: The connection.
    """

    conn_name_attr = "database_conn_id"

    def __init__(self, database_conn_id: str) -> None:
        super().__init__()
        self.database_conn_id = database_conn_id

    async def amake_url(self) -> Secret:
        """Return `make_url()`, with the connection fetched without blocking."""
        await self._fetch_connection()
        return self.make_url()

    def make_url(self) -> Secret:
        """Return the URL, masked, since it may hold a password.

        Raises:
            ConfigurationError: The connection is of another type, names no host or file, or its extra is not
                a JSON object.
        """
        conn_type, host = self.connection.conn_type, self.connection.host
        scheme = _SCHEMES.get((conn_type or "").lower())
        if scheme is None or not host:
            raise ConfigurationError(
                f"Connection {self._conn_id!r} ([{SECTION}] database_conn_id) must be of type postgres or "
                f"sqlite and have a host, got type {conn_type!r} with host {host!r}. Next: make it a "
                "connection of type postgres with host, schema, login and password."
            )
        sslmode = self._extras.get("sslmode")
        if scheme == "sqlite":
            return Secret(f"sqlite:///{host}")
        return self._make_postgres_url(sslmode)

    def _make_postgres_url(self, sslmode: Any) -> Secret:
        login, password = self.connection.login or "", Secret(self.connection.password or "")
        login = Secret(quote(login, safe="") + (f":{quote(password, safe='')}" if password else ""))
        host, port = self.connection.host or "", self.connection.port or 5432
        parameters = {"sslmode": sslmode} if sslmode else {}
        if host.startswith("/"):  # the folder of a Unix socket, which has no place in the authority of a URL
            parameters, place = {"host": host, "port": str(port), **parameters}, ""
        else:
            # A host is not percent-encoded: whoever reads the URL does not decode it.
            place = (
                f"[{host}]:{port}" if host.count(":") > 1 and not host.startswith("[") else f"{host}:{port}"
            )
        query = f"?{urlencode(parameters)}" if parameters else ""
        name = quote(self.connection.schema or "", safe="")
        return Secret(f"postgresql://{login}{'@' if login else ''}{place}/{name}{query}")
