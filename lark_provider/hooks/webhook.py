"""`LarkWebhookHook`: a client of a custom bot, with the webhook of an Airflow connection."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from lark_provider.errors import ConfigurationError
from lark_provider.hooks.base import LarkBaseHook, make_base_url
from lark_provider.support.secret import Secret

if TYPE_CHECKING:
    from lark_provider.client import AsyncLarkWebhookClient, LarkWebhookClient


class LarkWebhookHook(LarkBaseHook):
    """Write into one group with an Airflow connection of type `lark_webhook`; no app is needed.

    The connection: password is the webhook's URL or only its last part; for the latter, host is `feishu`
    (default), `lark` or the URL of a private deployment. Extras: `sign_secret`, `keyword` (a text, or a list
    of texts of which a message needs one), `owners` (a JSON object of owners of DAGs and tasks and their
    open_ids or user_ids, for mentions), `proxy` and `verify`.

    Args:
        lark_webhook_conn_id: The connection.
        timeout: Seconds for connecting, writing and reading, each.
        deadline: Seconds for one call in all: token, waits, retries and the answer.
        max_retries: The most retries of one message; None for the client's own default.
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
        deadline: float = 120.0,
        max_retries: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(timeout=timeout, deadline=deadline, max_retries=max_retries, **kwargs)
        self.lark_webhook_conn_id = lark_webhook_conn_id

    @property
    def keywords(self) -> tuple[str, ...]:
        """Return the bot's keywords that the connection has.

        Raises:
            ConfigurationError: They are neither a text nor a list of texts.
        """
        configured = self._extras.get("keyword") or ()
        words = (configured,) if isinstance(configured, str) else configured
        if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
            raise ConfigurationError(
                f"Extra 'keyword' of connection {self.lark_webhook_conn_id!r} must be a str or a list of "
                f"str, got {configured!r}. Next: write the bot's keyword, or a JSON list of keywords of "
                "which one is enough."
            )
        return tuple(words)

    @cached_property
    def client(self) -> LarkWebhookClient:
        """Make the client, once for each hook.

        Raises:
            ConfigurationError: The connection holds no webhook, or an invalid one.
        """
        from lark_provider.client import LarkWebhookClient

        return LarkWebhookClient(**self._make_settings())

    def get_conn(self) -> LarkWebhookClient:
        """Return the client, under the name that Airflow's hooks share."""
        return self.client

    async def get_async_conn(self) -> AsyncLarkWebhookClient:
        """Make an asynchronous client, with the connection fetched without blocking.

        Raises:
            ConfigurationError: The connection holds no webhook, or an invalid one.
        """
        from lark_provider.client import AsyncLarkWebhookClient

        await self._fetch_connection()
        return AsyncLarkWebhookClient(**self._make_settings())

    def test_connection(self) -> tuple[bool, str]:
        """Check the connection's values without sending anything: only a message could test a custom bot.

        Returns:
            Whether they are valid, and a sentence for the connection's form.
        """
        # DAG files are parsed without it.
        from lark_provider.hooks import extras as unknown_extras

        try:
            where = self.client.base_url
        except ConfigurationError as error:
            return False, str(error)
        formed = f"The webhook is well formed, for {where}. Nothing was sent: a test would be a message."
        return True, formed + unknown_extras.describe_unknown(self.conn_type, self._extras)

    def _make_settings(self) -> dict[str, Any]:
        # No variable holds the connection, since its repr shows the password and error reporters send the
        # values of variables.
        conn_id = self.lark_webhook_conn_id
        host = (self.connection.host or "").strip()
        if self.connection.conn_type == "lark":
            # The password is an app's secret, which must not be sent as a part of a URL.
            raise ConfigurationError(
                f"Connection {conn_id!r} must be of type {self.conn_type!r}, got 'lark', which is an app's. "
                "Next: make one of the former type for the custom bot."
            )
        if "/hook/" in host:
            raise ConfigurationError(
                f"The host of connection {conn_id!r} must not be the webhook's URL, since Airflow shows it "
                "to every user. Next: move it to the password."
            )
        if not (self.connection.password or "").strip():
            raise ConfigurationError(
                f"Connection {conn_id!r} must have a password, got none. Next: put the webhook's URL there, "
                "under Admin → Connections."
            )
        return {
            "url_or_token": Secret.of(self.connection.password),
            "secret": Secret.of(self._extras.get("sign_secret") or None),
            "keyword": self.keywords,
            "base_url": make_base_url(host, self.connection.port),
            **self._make_http_settings(),
        }
