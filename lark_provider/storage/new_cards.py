"""Cards of Airflow's questions that are due: recorded before they are sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lark_provider.protocol.hitl.keys import make_card_key
from lark_provider.protocol.language import Language
from lark_provider.storage.bridge_tables import hitl_cards
from lark_provider.storage.statements import insert

QUIET = "quiet hours"
"""The reason of a card that waits for their end, and that nobody has tried to send."""

ASKED_AGAIN = "asked again"
"""The reason of a card whose question was over before, and whose task asks it again."""


@dataclass(frozen=True, slots=True)
class NewCard:
    """A card that is due.

    Attributes:
        ti_id: The question's task-instance id.
        app_id: The id of the app that sends the card.
        receiver: The id of the chat or person.
        receiver_type: The kind of `receiver`, as Lark's `receive_id_type`.
        language: `zh` or `en`.
        mentions: Open_ids of the people whom the card mentions.
        round: The number of the card among those for the same question and receiver, from 0.
        not_before: When it may be sent, with its time zone; None for at once.
    """

    ti_id: str
    app_id: str
    receiver: str
    receiver_type: str
    language: Language
    mentions: tuple[str, ...] = ()
    round: int = 0
    not_before: datetime | None = None

    @property
    def key(self) -> str:
        """What identifies it."""
        return make_card_key(self.ti_id, self.app_id, self.receiver, self.round)


def insert_cards(
    connection: Connection, cards: Sequence[NewCard], now: datetime, reason: str | None = None
) -> int:
    """Record cards as due; one that is recorded already stays as it is.

    Args:
        connection: An open connection to the database, in a transaction.
        cards: The cards, any number of them.
        now: The current time by the database's clock.
        reason: Why the cards are sent, if not because the question is new.

    Returns:
        How many are new.
    """
    if not cards:
        return 0
    rows = [
        {
            "key": card.key, "ti_id": card.ti_id, "app_id": card.app_id, "receiver": card.receiver,
            "receiver_type": card.receiver_type, "language": card.language, "round": card.round,
            "mentions": orjson.dumps(card.mentions).decode(), "state": "due", "created_at": now,
            "updated_at": now, "next_at": card.not_before,
            "reason": reason if card.not_before is None else QUIET,
        }
        for card in sorted(cards, key=lambda card: card.key)
    ]  # fmt: skip
    added = insert(connection, hitl_cards).on_conflict_do_nothing().returning(hitl_cards.c.key)
    return len(connection.execute(added, rows).scalars().all())


def read_card(row: sa.Row[Any], rounds_later: int = 0) -> NewCard:
    """Return where the card of a row goes.

    Args:
        row: A row of `hitl_cards`.
        rounds_later: How many rounds after the row's own: 1 for the card that takes its place.
    """
    return NewCard(
        row.ti_id,
        row.app_id,
        row.receiver,
        row.receiver_type,
        row.language,
        tuple(orjson.loads(row.mentions)),
        row.round + rounds_later,
    )
