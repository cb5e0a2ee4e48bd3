"""Send one notification to the group of a custom bot, which updates nothing and has no idempotency keys."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lark_provider.api.cards.airflow import failure as cards
from lark_provider.api.cards.airflow.mentions import Mentions
from lark_provider.api.messaging.additions import with_element
from lark_provider.errors import InvalidRequestError
from lark_provider.notifications.delivery import NotificationMessage
from lark_provider.protocol.incidents.event import RunEvent

if TYPE_CHECKING:
    from lark_provider.client import AsyncLarkWebhookClient

_MAX_BYTES = 18 * 1024  # of the 20 KB that a custom bot takes; signature and mentions are added to it


async def deliver(
    client: AsyncLarkWebhookClient, message: NotificationMessage, event: RunEvent, keywords: Sequence[str]
) -> tuple[str, ...]:
    """Send a message.

    Args:
        client: The custom bot's client.
        message: The message.
        event: The event that a default message shows.
        keywords: One of them must be in a default message; empty if the bot has none.

    Returns:
        A text for the log, since a custom bot gets no message id.

    Raises:
        LarkError: Lark refused the message or was unreachable.
    """
    mentions, kind = message.mentions, message.msg_type
    content = _make_default(message, event, keywords) if message.content is None else message.content
    options: dict[str, Any] = {"msg_type": kind}
    try:
        answer = await client.send(_with_names(content, kind, mentions), mentions=mentions.ids, **options)
    except InvalidRequestError as error:
        if error.http_status is None or not mentions.ids:
            raise
        # One mention of a person who has left must not prevent the message.
        answer = await client.send(_with_names(content, kind, mentions.by_name()), **options)
    return (f"{kind} accepted (log_id {answer.log_id})",)


def _with_names(content: Any, msg_type: str, mentions: Mentions) -> Any:
    """Return the content with the names of those whom a custom bot cannot mention, as by e-mail address."""
    others = Mentions(names=(*mentions.emails, *mentions.names))
    if msg_type == "interactive" and others.names:
        return with_element(content, others.render_markdown())
    if isinstance(content, str) and others.names:
        return f"{content} {others.format_names()}"
    return content


def _make_default(message: NotificationMessage, event: RunEvent, keywords: Sequence[str]) -> Any:
    language = message.language
    if message.msg_type != "interactive":
        text = cards.format_lines(event, language)
        return text if _holds(text, keywords) else f"{text}\n{keywords[0]}"
    card = cards.make_card(event, language, max_bytes=_MAX_BYTES)
    # The bot would refuse a default card without its keyword.
    return card if _holds(json.dumps(card, ensure_ascii=False), keywords) else with_element(card, keywords[0])


def _holds(text: str, keywords: Sequence[str]) -> bool:
    return not keywords or any(word in text for word in keywords)
