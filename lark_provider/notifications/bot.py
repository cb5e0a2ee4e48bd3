"""Bring one notification to the group of a custom bot, which can change nothing and knows no keys."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lark_provider.errors import InvalidRequestError
from lark_provider.hooks.receivers import with_element
from lark_provider.notifications import cards
from lark_provider.notifications.delivery import Message
from lark_provider.notifications.excerpt import shorten
from lark_provider.notifications.facts import Facts
from lark_provider.notifications.people import People
from lark_provider.notifications.texts import say

if TYPE_CHECKING:
    from lark_provider.client import AsyncLarkWebhookClient

_MAX_BYTES = 18 * 1024  # of the 20 that a custom bot takes; signature and mentions come on top


async def deliver(
    client: AsyncLarkWebhookClient, message: Message, facts: Facts, keywords: Sequence[str]
) -> tuple[str, ...]:
    """Send a message.

    Args:
        client: Of which bot.
        message: What.
        facts: What happened.
        keywords: One of which a default has to hold; any message may pass if there are none.

    Returns:
        What the log says of it; a custom bot learns no message id.

    Raises:
        LarkError: It could not be brought.
    """
    people, kind = message.people, message.msg_type
    content = _default(message, facts, keywords) if message.content is None else message.content
    options: dict[str, Any] = {"msg_type": kind}
    try:
        answer = await client.send(_naming(content, kind, people), mentions=people.ids, **options)
    except InvalidRequestError as error:
        if error.http_status is None or not people.ids:
            raise
        # As for an app: one mention of somebody who has left must not cost the message.
        answer = await client.send(_naming(content, kind, people.by_name()), **options)
    return (f"{kind} accepted (log_id {answer.log_id})",)


def _naming(content: Any, msg_type: str, people: People) -> Any:
    """The content with the names of those whom a custom bot cannot mention: it knows no e-mail addresses."""
    others = People(names=(*people.emails, *people.names))
    if msg_type == "interactive" and others.names:
        return with_element(content, others.markdown())
    if isinstance(content, str) and others.names:
        return f"{content} {others.words()}"
    return content


def _default(message: Message, facts: Facts, keywords: Sequence[str]) -> Any:
    language = message.language
    if message.msg_type != "interactive":
        text = cards.lines(facts, language)
        return text if _holds(text, keywords) else f"{text}\n{keywords[0]}"
    for characters in (4_000, 1_000, 0):
        trace = shorten(facts.traceback, characters, say(language, "left_out")) if characters else ""
        card = cards.card(replace(facts, traceback=trace), language)
        shown = json.dumps(card, ensure_ascii=False)
        if len(shown.encode()) <= _MAX_BYTES:
            break
    # Without its keyword the bot would refuse every default card.
    return card if _holds(shown, keywords) else with_element(card, keywords[0])


def _holds(text: str, keywords: Sequence[str]) -> bool:
    return not keywords or any(word in text for word in keywords)
