"""`LarkWebhookHook`: a custom bot with the webhook of an Airflow connection."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from lark_provider.hooks import airflow_version  # noqa: F401 - first, for its clear sentence

from airflow.sdk import BaseHook  # isort: skip

from lark_provider.errors import ConfigurationError
from lark_provider.hooks.lark import verify_setting

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from lark_provider.client import AsyncLarkWebhookClient, LarkWebhookClient


class LarkWebhookHook(BaseHook):
    """Writes into one group with an Airflow connection of type `lark_webhook`; no app is needed.

    The connection: password is the webhook's URL or only its last part; host is needed only for the latter:
    `feishu` (default), `lark` or the URL of a private deployment. Extras: `sign_secret`, `keyword` (text, or
    a list of which one will do), `owners` (owners of DAGs and tasks to their open_id or user_id, for
    mentions), `proxy` and `verify`.

    Args:
        lark_webhook_conn_id: The connection.
        timeout: Seconds for connecting, writing and reading, each.
        max_retries: How often one message is repeated, if not as often as the client does by itself.
    """

    conn_name_attr = "lark_webhook_conn_id"
    default_conn_name = "lark_webhook_default"
    conn_type = "lark_webhook"
    hook_name = "Lark / Feishu custom bot"

    def __init__(
        self,
        lark_webhook_conn_id: str = default_conn_name,
        *,
        timeout: float = 30.0,
        max_retries: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.lark_webhook_conn_id = lark_webhook_conn_id
        self.timeout = timeout
        self.max_retries = max_retries

    @cached_property
    def connection(self) -> Connection:
        """The connection; fetched once for each hook."""
        return self.get_connection(self.lark_webhook_conn_id)

    @property
    def keywords(self) -> tuple[str, ...]:
        """The bot's keywords, as far as the connection knows them.

        Raises:
            ConfigurationError: They are neither a text nor a list of texts.
        """
        found = self.connection.extra_dejson.get("keyword") or ()
        words = (found,) if isinstance(found, str) else found
        if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
            raise ConfigurationError(
                f"Extra 'keyword' of connection {self.lark_webhook_conn_id!r} is no text. Next: write the "
                "bot's keyword, or a JSON list of keywords of which one will do."
            )
        return tuple(words)

    @property
    def owners(self) -> dict[str, Any]:
        """Owners of DAGs and tasks to their open_id or user_id, or a list of them.

        Raises:
            ConfigurationError: It is no JSON object.
        """
        from lark_provider.hooks.receivers import mapping  # noqa: PLC0415 - DAG files are parsed without it

        return mapping(self.connection.extra_dejson.get("owners"), "owners", self.lark_webhook_conn_id)

    @cached_property
    def client(self) -> LarkWebhookClient:
        """The client; made once for each hook.

        Raises:
            ConfigurationError: The connection holds no webhook, or what it holds cannot be right.
        """
        from lark_provider.client import LarkWebhookClient  # noqa: PLC0415 - as above

        return LarkWebhookClient(**self._settings(self.connection))

    def get_conn(self) -> LarkWebhookClient:
        """The client, under the name that Airflow's hooks share."""
        return self.client

    async def get_async_conn(self) -> AsyncLarkWebhookClient:
        """The asynchronous client, with the connection fetched without blocking.

        Raises:
            ConfigurationError: As for `client`.
        """
        from lark_provider.client import AsyncLarkWebhookClient  # noqa: PLC0415 - as above

        if "connection" not in self.__dict__:
            self.__dict__["connection"] = await self.aget_connection(self.lark_webhook_conn_id)
        return AsyncLarkWebhookClient(**self._settings(self.connection))

    def test_connection(self) -> tuple[bool, str]:
        """Check what the connection holds. A custom bot cannot be asked anything without writing to people.

        Returns:
            Whether it can be right, and a sentence for the connection's form.
        """
        try:
            where = self.client.base_url
        except ConfigurationError as error:
            return False, str(error)
        return True, f"The webhook is well formed, for {where}. Nothing was sent: a test would be a message."

    def _settings(self, connection: Connection) -> dict[str, Any]:
        named, host, extra = (
            self.lark_webhook_conn_id,
            (connection.host or "").strip(),
            connection.extra_dejson,
        )
        if connection.conn_type == "lark":
            # Its password is an app's secret, which must not travel as a part of a URL.
            raise ConfigurationError(
                f"Connection {named!r} is of type 'lark', which is an app's. Next: make one of type "
                f"{self.conn_type!r} for the custom bot."
            )
        if "/hook/" in host:
            raise ConfigurationError(
                f"Connection {named!r} has the webhook as its host, which Airflow shows to everybody. Next: "
                "move it to the password."
            )
        if not (connection.password or "").strip():
            raise ConfigurationError(
                f"Connection {named!r} has no password. Next: put the webhook's URL there, under "
                "Admin → Connections."
            )
        return {
            "url_or_token": connection.password,
            "secret": extra.get("sign_secret") or None,
            "keyword": self.keywords,
            "base_url": f"{host}:{connection.port}" if host and connection.port else host or None,
            "proxy": extra.get("proxy") or None,
            "verify": verify_setting(extra.get("verify", True)),
            "timeout": self.timeout,
        } | ({} if self.max_retries is None else {"max_retries": self.max_retries})
