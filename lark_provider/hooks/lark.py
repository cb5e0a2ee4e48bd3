"""`LarkHook`: a Lark client with the credentials of an Airflow connection."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from lark_provider.hooks import airflow_version  # noqa: F401 - first, for its clear sentence

from airflow.sdk import BaseHook  # isort: skip

from lark_provider.errors import ConfigurationError, LarkError

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from lark_provider.client import AsyncLarkServiceClient, LarkServiceClient


class LarkHook(BaseHook):
    """Reaches Lark or Feishu with an Airflow connection of type `lark`.

    The connection: login is the app id, password the app secret, host `feishu` (default), `lark` or the URL
    of a private deployment; extras `proxy` and `verify`.

    Args:
        lark_conn_id: The connection.
        timeout: Seconds for connecting, writing and reading, each.
    """

    conn_name_attr = "lark_conn_id"
    default_conn_name = "lark_default"
    conn_type = "lark"
    hook_name = "Lark / Feishu"

    def __init__(
        self, lark_conn_id: str = default_conn_name, *, timeout: float = 30.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.lark_conn_id = lark_conn_id
        self.timeout = timeout

    @cached_property
    def client(self) -> LarkServiceClient:
        """The client; made once for each hook.

        Raises:
            ConfigurationError: The connection lacks an app id or a secret, or its host cannot be right.
        """
        from lark_provider.client import LarkServiceClient  # noqa: PLC0415 - DAG files are parsed without it

        return LarkServiceClient(**self._settings(self.get_connection(self.lark_conn_id)))

    def get_conn(self) -> LarkServiceClient:
        """The client, under the name that Airflow's hooks share."""
        return self.client

    async def get_async_conn(self) -> AsyncLarkServiceClient:
        """The asynchronous client, with the connection fetched without blocking; for triggers.

        Raises:
            ConfigurationError: As for `client`.
        """
        from lark_provider.client import AsyncLarkServiceClient  # noqa: PLC0415 - as above

        return AsyncLarkServiceClient(**self._settings(await self.aget_connection(self.lark_conn_id)))

    def test_connection(self) -> tuple[bool, str]:
        """Prove the connection with a token and `GET /open-apis/bot/v3/info`.

        Returns:
            Whether it works, and a sentence for the connection's form.
        """
        try:
            bot = self.client.bot.info().data["bot"]
        except LarkError as error:
            return False, str(error)
        return True, f"Connected as bot {bot.get('app_name')!r} ({bot.get('open_id')})."

    def _settings(self, connection: Connection) -> dict[str, Any]:
        missing = [
            name
            for name, value in (
                ("login (the app id)", connection.login),
                ("password (the app secret)", connection.password),
            )
            if not (value or "").strip()
        ]
        if missing:
            raise ConfigurationError(
                f"Connection {self.lark_conn_id!r} has no {' and no '.join(missing)}. Next: fill it in under "
                "Admin → Connections."
            )
        extra = connection.extra_dejson
        host = (connection.host or "feishu").strip()
        return {
            "app_id": connection.login,
            "app_secret": connection.password,
            "base_url": f"{host}:{connection.port}" if connection.port else host,
            "proxy": extra.get("proxy") or None,
            "verify": _verify(extra.get("verify", True)),
            "timeout": self.timeout,
        }


def _verify(value: Any) -> bool | str:
    """A form's text as what it means; any other text is the path of an authority's certificates."""
    if value is None or value == "":
        return True
    words = {"true": True, "false": False}
    return value if isinstance(value, bool) else words.get(str(value).strip().lower(), str(value))
