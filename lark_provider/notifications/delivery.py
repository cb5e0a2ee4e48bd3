"""Bring one notification to one receiver over one connection."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lark_provider.errors import InvalidRequestError, LarkAPIError
from lark_provider.hooks.receivers import Receiver, marked, with_element
from lark_provider.notifications import cards
from lark_provider.notifications.facts import Facts
from lark_provider.notifications.incident import Incident
from lark_provider.notifications.people import People
from lark_provider.notifications.texts import Language

if TYPE_CHECKING:
    from lark_provider.client import AsyncLarkServiceClient

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent.

    Attributes:
        content: Text, post or card of the author's; None for the default.
        msg_type: Lark's name for the type.
        language: Of the default.
        people: Whom it mentions.
    """

    content: Mapping[str, Any] | str | None
    msg_type: str
    language: Language
    people: People


def compose(
    message: Message, to: Receiver, facts: Facts, incident: Incident | None
) -> tuple[Any, Sequence[str]]:
    """The content to send, and whom the client is to add mentions of.

    Args:
        message: What is sent.
        to: Where; a redirected message is marked, and mentions nobody.
        facts: What happened.
        incident: What went wrong in this run so far, if the card is to show it.
    """
    people, content = message.people, message.content
    if content is None:
        default = cards.card(facts, message.language, incident)
        content = default if message.msg_type == "interactive" else cards.lines(facts, message.language)
    if to.instead_of is not None:
        return marked(content, message.msg_type, to.instead_of, people.by_name().names), ()
    if message.msg_type == "interactive":
        line = people.markdown()
        return (with_element(content, line) if line else content), ()
    if (words := people.words()) and isinstance(content, str):
        content = f"{content} {words}"
    return content, people.ids


async def deliver(
    client: AsyncLarkServiceClient,
    to: Receiver,
    message: Message,
    facts: Facts,
    incident: Incident | None,
    *,
    key: str,
    instead: Sequence[str] = (),
) -> tuple[str, ...]:
    """Update the cards that are there, or send a message.

    Args:
        client: Over which connection.
        to: To whom.
        message: What.
        facts: What happened.
        incident: What went wrong in this run so far, if the card is to show it.
        key: Names the message.
        instead: Ids of cards to update instead of sending.

    Returns:
        The ids of the messages that show it now.

    Raises:
        LarkError: It could not be brought.
    """
    content, mentions = compose(message, to, facts, incident)
    try:
        return await _update(client, instead, content) or await _send(
            client, to, content, message.msg_type, mentions, key
        )
    except InvalidRequestError as error:
        if error.http_status is None or message.people == message.people.by_name():
            raise
        # Lark refuses a whole card for one mention of somebody who has left.
        _logger.warning("Lark refused it, so people are named without a mention: %s", error.msg)
        content, _ = compose(replace(message, people=message.people.by_name()), to, facts, incident)
        return await _update(client, instead, content) or await _send(
            client, to, content, message.msg_type, (), key
        )


async def _update(client: AsyncLarkServiceClient, cards: Sequence[str], content: Any) -> tuple[str, ...]:
    updated = []
    for message_id in cards:
        try:
            await client.messaging.update_card(message_id, content)
        except InvalidRequestError:
            raise
        except LarkAPIError as error:
            # Recalled, too old, or another app's: what cannot be updated is replaced.
            _logger.info("Card %s cannot be updated: %s", message_id, error.msg)
        else:
            updated.append(message_id)
    return tuple(updated)


async def _send(
    client: AsyncLarkServiceClient,
    to: Receiver,
    content: Any,
    msg_type: str,
    mentions: Sequence[str],
    key: str,
) -> tuple[str, ...]:
    messaging = client.messaging
    options: dict[str, Any] = {"receiver_id_type": to.id_type, "idempotency_key": to.key(key)}
    senders: dict[str, Any] = {"text": messaging.send_text, "post": messaging.send_post}
    if send := senders.get(msg_type):
        answer = await send(to.id, content, mentions=mentions, **options)
    else:
        sender: Any = messaging.send_card if msg_type == "interactive" else messaging.send
        kind = {} if msg_type == "interactive" else {"msg_type": msg_type}
        answer = await sender(to.id, content, **kind, **options)
    return (answer.data["message_id"],)
