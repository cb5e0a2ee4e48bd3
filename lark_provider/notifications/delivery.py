"""Send one notification to one receiver over a connection of an app, or update its cards.

If Lark rejects the mentions on a card, it is sent with names in their place.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lark_provider.api.cards.airflow import failure as cards
from lark_provider.api.cards.airflow.mentions import Mentions
from lark_provider.api.messaging.additions import mark_redirected, with_element
from lark_provider.errors import InvalidRequestError, LarkAPIError, LarkError
from lark_provider.hooks.receivers import NamedReceiver
from lark_provider.protocol.incidents.event import RunEvent
from lark_provider.protocol.incidents.model import Incident
from lark_provider.protocol.language import Language

if TYPE_CHECKING:
    from lark_provider.client import AsyncLarkServiceClient

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NotificationMessage:
    """A message to send.

    Attributes:
        content: Text, post or card of the DAG's author; None for the default.
        msg_type: Lark's name for the type of message, such as `interactive`.
        language: The language of the default message: `zh` or `en`.
        mentions: The people to mention.
    """

    content: Mapping[str, Any] | str | None
    msg_type: str
    language: Language
    mentions: Mentions


def compose(
    message: NotificationMessage, to: NamedReceiver, event: RunEvent, incident: Incident | None
) -> tuple[Any, Sequence[str]]:
    """Return the content to send, and the ids of whom the client mentions at its end.

    Args:
        message: The message.
        to: The receiver; a redirected message is marked, and mentions no user.
        event: The event that a default message shows.
        incident: The incident of the run, if the card shows it.
    """
    mentions, content = message.mentions, message.content
    if content is None:
        default = cards.make_card(event, message.language, incident)
        content = (
            default if message.msg_type == "interactive" else cards.format_lines(event, message.language)
        )
    if to.instead_of is not None:
        return mark_redirected(content, message.msg_type, to.instead_of, mentions.by_name().names), ()
    if message.msg_type == "interactive":
        line = mentions.render_markdown()
        return (with_element(content, line) if line else content), ()
    if (words := mentions.format_names()) and isinstance(content, str):
        content = f"{content} {words}"
    return content, mentions.ids


async def deliver(
    client: AsyncLarkServiceClient,
    to: NamedReceiver,
    message: NotificationMessage,
    event: RunEvent,
    incident: Incident | None,
    *,
    key: str,
    instead: Sequence[str] = (),
) -> tuple[str, ...]:
    """Update the given cards, or send a message.

    Args:
        client: The client of the connection's app.
        to: The receiver.
        message: The message.
        event: The event that a default message shows.
        incident: The incident of the run, if the card shows it.
        key: The idempotency key.
        instead: Ids of cards to update instead of sending.

    Returns:
        The ids of the messages that show the event now.

    Raises:
        LarkError: Lark refused the message or was unreachable.
    """
    if message.msg_type in {"text", "post"} and message.mentions.emails and to.instead_of is None:
        message = replace(message, mentions=await _with_ids(client, message.mentions))
    content, mentions = compose(message, to, event, incident)
    try:
        return await _update(client, instead, content) or await _send(
            client, to, content, message.msg_type, mentions, key
        )
    except InvalidRequestError as error:
        if error.http_status is None or message.mentions == message.mentions.by_name():
            raise
        # Lark refuses a whole card for one mention of a person who has left the tenant.
        _logger.warning("Lark rejected the mentions; naming people without a mention: %s", error.msg)
        content, _ = compose(replace(message, mentions=message.mentions.by_name()), to, event, incident)
        return await _update(client, instead, content) or await _send(
            client, to, content, message.msg_type, (), key
        )


async def _with_ids(client: AsyncLarkServiceClient, mentions: Mentions) -> Mentions:
    """Return the mentions with e-mail addresses resolved to ids; unresolved ones are named."""
    try:
        by_email = await client.contact.find_by_email(mentions.emails)
    except LarkError as error:
        # In the message, since Airflow's task logs show no `extra`.
        _logger.warning("User lookup failed; naming people without a mention: %s", error)
        return mentions
    ids = dict.fromkeys((*mentions.ids, *filter(None, by_email.values())))
    return replace(
        mentions, ids=tuple(ids), emails=tuple(email for email in mentions.emails if not by_email[email])
    )


async def _update(
    client: AsyncLarkServiceClient, message_ids: Sequence[str], content: Any
) -> tuple[str, ...]:
    updated = []
    for message_id in message_ids:
        try:
            await client.messaging.update_card(message_id, content)
        except InvalidRequestError:
            raise
        except LarkAPIError as error:
            # Recalled, too old, or another app's: a new card is sent instead.
            _logger.info("Card %s cannot be updated; replacing it: %s", message_id, error.msg)
        else:
            updated.append(message_id)
    return tuple(updated)


async def _send(
    client: AsyncLarkServiceClient,
    to: NamedReceiver,
    content: Any,
    msg_type: str,
    mentions: Sequence[str],
    key: str,
) -> tuple[str, ...]:
    messaging = client.messaging
    options: dict[str, Any] = {"receiver_id_type": to.id_type, "idempotency_key": to.make_key(key)}
    senders: dict[str, Any] = {"text": messaging.send_text, "post": messaging.send_post}
    if send := senders.get(msg_type):
        answer = await send(to.id, content, mentions=mentions, **options)
    else:
        sender: Any = messaging.send_card if msg_type == "interactive" else messaging.send
        kind = {} if msg_type == "interactive" else {"msg_type": msg_type}
        answer = await sender(to.id, content, **kind, **options)
    return (answer.data["message_id"],)
