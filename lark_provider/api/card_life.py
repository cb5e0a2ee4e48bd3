"""The life of the card of a question: it is sent once, updated while it is open, and ended. Pure.

One definition for tasks, which block, and for bridges and triggers, which must not: `client.perform` takes
these procedures in both. What is recorded of a card, and where, is up to who asks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from lark_provider.api.cards import Card, card_content
from lark_provider.api.messaging.change import update_card
from lark_provider.api.messaging.send import send_card
from lark_provider.protocol.calls import Call
from lark_provider.protocol.errors import LarkError
from lark_provider.protocol.operations import Procedure, perform, run_local

_RECORD_SECONDS = 60.0
"""No less than the deadline of a client, which comes first and says more."""


@dataclass(frozen=True, slots=True)
class LiveCard:
    """A card, as far as it is known.

    Attributes:
        receiver: The chat or person.
        record: The function that records the card's message once it was sent; it may block.
        options: Further arguments of `send_card`, among them the key under which it is sent.
        message_id: The id of its message; None until that is recorded, although it may have been sent.
        chat_id: The chat that it was sent to, once it was.
        shown: The digest of what it shows; None if that is not known.
    """

    receiver: str
    record: Callable[[LiveCard], object]
    options: dict[str, Any] = field(default_factory=dict)
    message_id: str | None = None
    chat_id: str = ""
    shown: str | None = None


def show(card: LiveCard, content: Card) -> Procedure[LiveCard]:
    """Send a card, or update it unless it shows the same already.

    Within an hour a repeat sends nothing more, and returns the message of the first time.

    Args:
        card: The card.
        content: The card that is to be shown.

    Raises:
        LarkError: Lark refused it or was unreachable, or the message could not be recorded.
    """
    shown = hashlib.sha256(card_content(content).encode()).hexdigest()
    if card.message_id is None:
        sending = send_card(card.receiver, content, **card.options)
        data = (yield from (perform(sending) if isinstance(sending, Call) else sending)).data
        sent = replace(card, message_id=data["message_id"], chat_id=data.get("chat_id", ""), shown=shown)
        yield from run_local(lambda: card.record(sent), _RECORD_SECONDS)
        return sent
    if shown != card.shown:
        yield from perform(update_card(card.message_id, content))
    return replace(card, shown=shown)


def end(card: LiveCard, content: Card) -> Procedure[LiveCard]:
    """Let a card show how its question ended, although it may not be known whether it was sent.

    Args:
        card: The card of the question; its message may not be known yet.
        content: The card that shows how the question ended.

    Raises:
        LarkError: As for `show`.
    """
    ended = yield from show(card, content)
    if card.message_id is None:
        # A process that was killed may have sent it: its key returns that message, which shows the question.
        return (yield from show(replace(ended, shown=None), content))
    return ended


def end_all(message_ids: Iterable[str], content: Card) -> Procedure[dict[str, LarkError]]:
    """Let the cards of a question show how it ended: its own, and copies that were forwarded.

    Args:
        message_ids: The ids of the messages that carry the cards, `om_…`.
        content: The card that shows how the question ended.

    Returns:
        By message, why Lark did not take its end.
    """
    refused = {}
    for message_id in sorted(message_ids):
        try:
            yield from perform(update_card(message_id, content))
        except LarkError as error:
            refused[message_id] = error
    return refused
