"""Send one notification to one receiver over a connection of an app, or update its cards."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lark_provider.api.cards.airflow import failure as cards
from lark_provider.api.cards.airflow.mentions import Mentions
from lark_provider.errors import InvalidRequestError, LarkAPIError, LarkError
from lark_provider.hooks.receivers import NamedReceiver
from lark_provider.outbox.mentioning import send_with_mentions
from lark_provider.outbox.outgoing import Outgoing, build_message
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


def make_outgoing(
    message: NotificationMessage, to: NamedReceiver, event: RunEvent, incident: Incident | None = None
) -> Outgoing:
    """Return the message to send, with its mentions.

    Args:
        message: The message.
        to: The receiver; a redirected message is marked, and mentions no user.
        event: The event that a default message shows.
        incident: The incident of the run, if the card shows it.
    """
    content: Any = message.content
    if content is None and message.msg_type == "interactive":
        content = cards.make_card(event, message.language, incident)
    elif content is None:
        content = cards.format_lines(event, message.language)
    return build_message(to.id, to.id_type or "", message.msg_type, content, message.mentions, to.instead_of)


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

    async def update_or_send(content: Any, mentions: tuple[str, ...]) -> tuple[str, ...]:
        return await _update(client, instead, content) or await _send(
            client, to, content, message.msg_type, mentions, key
        )

    outgoing = make_outgoing(message, to, event, incident)
    # Nothing tries it again later, so it is sent whatever prevents the lookup of an address.
    return await send_with_mentions(client, outgoing, update_or_send, ignored=LarkError)


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
            fields = {"message_id": message_id, "error": error.msg}
            _logger.info("Card cannot be updated; sending a new one", extra=fields)
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
