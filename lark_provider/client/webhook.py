"""`LarkWebhookClient` and `AsyncLarkWebhookClient`: a custom bot of one group, without an app."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, TypeVar

from lark_provider import config
from lark_provider.api import webhook
from lark_provider.client.base import DEFAULT_RETRIES, make_session
from lark_provider.client.bind import Async, Namespace, ProcedureMethod, Sync
from lark_provider.client.performers import AsyncPerformer, Performer
from lark_provider.engine.pools import Wire
from lark_provider.engine.session import DEFAULT_DEADLINE, DEFAULT_TIMEOUT
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.protocol.webhook import Webhook, locate
from lark_provider.support.secret import Secret

R_co = TypeVar("R_co", bound=Sync | Async, covariant=True)
T = TypeVar("T")


class WebhookMessages(Namespace[R_co]):
    """The operations of a custom bot, bound for both clients, and their common settings."""

    send = ProcedureMethod(webhook.send)
    send_text = ProcedureMethod(webhook.send_text)
    send_post = ProcedureMethod(webhook.send_post)
    send_card = ProcedureMethod(webhook.send_card)
    send_image = ProcedureMethod(webhook.send_image)
    send_share_chat = ProcedureMethod(webhook.send_share_chat)

    def __init__(
        self,
        url_or_token: str,
        *,
        secret: str | None = None,
        keyword: str | Sequence[str] | None = None,
        base_url: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        deadline: float = DEFAULT_DEADLINE,
        proxy: str | None = None,
        verify: bool | str = True,
        max_retries: int = DEFAULT_RETRIES,
    ) -> None:
        # Error reporters show the arguments of a function, so they are masked.
        url_or_token, secret = Secret.of(url_or_token), Secret.of(secret)
        base_url, proxy = config.mask(base_url), config.mask(proxy)
        runner: Any = self  # no operation here is a listing, so `iterate` is not needed
        super().__init__(runner)
        self._session = make_session(
            None,
            Wire(proxy, verify),
            max_retries,
            timeout=timeout,
            deadline=deadline,
            webhook=_make_webhook(url_or_token, secret, keyword, base_url),
        )

    @property
    def base_url(self) -> str:
        """The base URL of Lark that the bot belongs to."""
        return self._session.get_origin()

    def __repr__(self) -> str:
        where = repr(self.base_url) if hasattr(self, "_session") else "…"
        return f"{type(self).__name__}(base_url={where})"


class LarkWebhookClient(WebhookMessages[Sync], Performer):
    """A client for one custom bot.

    Creating a client does no I/O; connections are shared within the process. The URL and the secret are never
    logged or shown. Custom bots have no idempotency key, so a message whose answer is lost is not retried.

    Args:
        url_or_token: The webhook's URL, or only its last part.
        secret: The signing secret, if the bot's security settings show one.
        keyword: A keyword of the bot, or a list of keywords; messages without any of them are refused before
            they are sent.
        base_url: With a bare token: `feishu`, `lark`, or the URL of a private deployment; by default
            `LARK_BASE_URL`, else `feishu`. A whole webhook URL includes it.
        timeout: Seconds for connecting, for writing and for reading, each.
        deadline: Seconds for one message in all, with waits and retries.
        proxy: URL of an HTTP proxy.
        verify: Whether to check certificates; or the path of a private authority's certificate.
        max_retries: The most retries of a message that Lark rejected for a transient reason.

    Raises:
        ConfigurationError: A setting is invalid.
    """


class AsyncLarkWebhookClient(WebhookMessages[Async], AsyncPerformer):
    """The client for asyncio: every operation of `LarkWebhookClient`, awaited.

    Parameters and errors are those of `LarkWebhookClient`.
    """


def _make_webhook(
    url_or_token: str, secret: str | None, keyword: str | Sequence[str] | None, base_url: str | None
) -> Webhook:
    base_url = config.mask(base_url)
    origin, token = locate(url_or_token)
    if base_url and "/hook/" in base_url:
        raise ConfigurationError(
            "base_url must not hold a webhook's URL, which is a secret. Next: pass it as url_or_token, and "
            "leave base_url out."
        )
    where = config.resolve_base_url(origin or base_url or os.environ.get("LARK_BASE_URL"))
    if origin and base_url and config.resolve_base_url(base_url) != where:
        raise ConfigurationError(
            f"base_url must be that of the webhook, {where}, got {config.resolve_base_url(base_url)}. Next: "
            "leave base_url out; the webhook's URL includes it."
        )
    if not isinstance(secret, str | None):
        raise ConfigurationError(
            f"secret must be a string, got {type(secret).__name__}. Next: copy the signing secret from the "
            "bot's settings."
        )
    words = (keyword,) if isinstance(keyword, str) else keyword or ()
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise ConfigurationError(
            f"keyword must be a string or a list of strings, got {keyword!r}. Next: copy it from "
            "the bot's settings."
        )
    return Webhook(where, token, (secret or "").strip() or None, tuple(word for word in words if word))
