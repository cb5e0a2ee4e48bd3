"""The base of both hooks: it fetches the connection, and reads the settings that both of its types have."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseHook

from lark_provider.errors import ConfigurationError
from lark_provider.support.secret import Secret

if TYPE_CHECKING:
    from airflow.sdk import Connection


class LarkBaseHook(BaseHook):
    """Fetch a connection once, and read what connections of both types hold.

    Args:
        timeout: Seconds for connecting, writing and reading, each.
        deadline: Seconds for one call in all: token, waits, retries and the answer.
        max_retries: The most retries of one call; None for the client's own default.
    """

    conn_name_attr: ClassVar[str]
    conn_type: ClassVar[str]
    _parsed_extras: dict[str, Any] | None = None

    def __init__(
        self,
        *,
        timeout: float = 30.0,
        deadline: float = 120.0,
        max_retries: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.timeout, self.deadline = timeout, deadline
        self.max_retries = max_retries

    @property
    def _conn_id(self) -> str:
        """Return the id of the hook's connection."""
        return str(getattr(self, self.conn_name_attr))

    @cached_property
    def connection(self) -> Connection:
        """Fetch the connection, once for each hook."""
        return self.get_connection(self._conn_id)

    @property  # Not cached_property: its `__get__` has the hook's `__dict__` as a local, for error reporters.
    def _extras(self) -> dict[str, Any]:
        """Return the extras of the hook's connection, read once: Airflow masks them by a blocking request.

        Raises:
            ConfigurationError: They are not a JSON object.
        """
        if self._parsed_extras is None:
            self._parsed_extras = self._check_extras(self.connection.extra_dejson)
        return self._parsed_extras

    def load_extras(self) -> None:
        """Read the extras of the hook's connection, which may block, so that nothing blocks later.

        Raises:
            ConfigurationError: They are not a JSON object.
        """
        _ = self._extras

    def _check_extras(self, extras: Any) -> dict[str, Any]:
        if has_object(extras, self.connection.extra):
            return extras  # type: ignore[no-any-return]  # It is a JSON object, as has_object says.
        del extras  # Error reporters print the arguments of this function.
        raise ConfigurationError(
            f"The extra of connection {self._conn_id!r} must be a JSON object, got another text. Next: write "
            'it as {"name": "value"}, with double quotes.'
        )

    @property
    def owners(self) -> dict[str, Any]:
        """Return the ids of people by owner of DAGs and tasks: one id, or a list of them.

        Raises:
            ConfigurationError: The extra `owners` is not a JSON object.
        """
        return self._read_json_object("owners")

    def _read_json_object(self, extra: str) -> dict[str, Any]:
        """Return an extra of the connection that holds a JSON object; {} if it is not set.

        Args:
            extra: The name of the extra.

        Raises:
            ConfigurationError: It is not a JSON object.
        """
        from lark_provider.hooks.receivers import read_json_object

        return read_json_object(self._extras.get(extra), extra, self._conn_id)

    async def _fetch_connection(self) -> None:
        """Fetch the connection with its extras without blocking the event loop, once for each hook.

        Raises:
            ConfigurationError: The extras are not a JSON object.
        """
        if "connection" not in self.__dict__:
            self.__dict__["connection"] = await self.aget_connection(self._conn_id)
        if self._parsed_extras is None:
            self._parsed_extras = self._check_extras(await aread_extras(self.connection))

    def _make_http_settings(self) -> dict[str, Any]:
        """Return the client's arguments for HTTP that connections of both types set."""
        # DAG files are parsed without them.
        from lark_provider.hooks import extras as unknown_extras
        from lark_provider.hooks import reporting

        # It starts here, since everything that a task does with Lark goes through a client.
        reporting.start()
        unknown_extras.warn(self._conn_id, self.conn_type, self._extras)
        return {
            "proxy": Secret.of(self._extras.get("proxy") or None),
            "verify": parse_verify(self._extras.get("verify", True)),
            "timeout": self.timeout,
            "deadline": self.deadline,
        } | ({} if self.max_retries is None else {"max_retries": self.max_retries})


def aread_extras(connection: Connection) -> Awaitable[Any]:
    """Return the extras of a connection as Airflow parses them, without blocking the event loop.

    Before Airflow 3.3.2, and with connections of some secrets backends, they can only be read by a blocking
    request to Airflow's supervisor. A thread of asgiref makes it, from which that can reach the event loop.

    Args:
        connection: The connection. No coroutine of this package holds it, for its repr shows the password.
    """
    if hasattr(connection, "aextra_dejson"):
        return connection.aextra_dejson()
    from asgiref.sync import sync_to_async

    return sync_to_async(lambda: connection.extra_dejson, thread_sensitive=False)()


def has_object(extras: Any, text: str | None) -> bool:
    """Return whether the extras of a connection are a JSON object or empty.

    Airflow takes extras that are not JSON for none at all. So one that redirects messages, or that requires
    TLS, would have no effect.

    Args:
        extras: The extras as Airflow parses them.
        text: The text of the extras.
    """
    if extras or not isinstance(extras, dict):
        return isinstance(extras, dict)
    text = (text or "").strip()
    try:
        return not text or not json.loads(text)
    except ValueError:
        return False


def make_base_url(host: str, port: int | None) -> str | None:
    """Return the base URL of a connection's host and port; None without a host.

    Args:
        host: `feishu`, `lark` or a URL.
        port: The port of a URL that has none of its own. With `feishu` or `lark` it is ignored; it may be set
            nevertheless, since Airflow's list of connections tests only connections that have a port.
    """
    if not port or not host or host.lower() in {"feishu", "lark"}:
        return host or None
    scheme, separator, rest = host.rpartition("://")
    address, slash, path = rest.partition("/")
    own_port = re.search(r":\d+$", address)
    return host if own_port else f"{scheme}{separator}{address}:{port}{slash}{path}"


_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def is_true(value: Any) -> bool:
    """Return whether a text from a form, or a JSON value, means true."""
    return value is True or _BOOLEANS.get(str(value).strip().lower(), False)


def parse_verify(value: Any) -> bool | str:
    """Return the client's `verify` for a text from a form: a boolean, or the path of a certificate file."""
    if value is None or value == "":
        return True
    return value if isinstance(value, bool) else _BOOLEANS.get(str(value).strip().lower(), str(value))
