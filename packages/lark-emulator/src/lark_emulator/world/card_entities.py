"""Cards that are kept apart from messages (CardKit), until one message shows each of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from lark_emulator.world.chats import Message

#: Seconds in which an entity can be changed, and in which a card that streams takes text.
LIFE = 14 * 24 * 3600.0
STREAMING = 600.0


@dataclass(slots=True)
class CardEntity:
    """One card entity. Once a message shows it, the message holds the card.

    `created` and `opened` (when it was last set to stream; None = it does not) are seconds since the epoch.
    """

    card_id: str
    app_id: str
    created: float
    unsent: dict[str, Any]
    sequence: int = 0
    uuids: set[str] = field(default_factory=set)
    message: Message | None = None
    opened: float | None = None

    @property
    def card(self) -> dict[str, Any]:
        """The card as it is now, a copy."""
        return self.load() if self.message is not None else orjson.loads(orjson.dumps(self.unsent))

    def load(self) -> dict[str, Any]:
        """Return the card of the message that shows it."""
        assert self.message is not None  # noqa: S101 - the caller looked
        card: dict[str, Any] = orjson.loads(self.message.sent)
        return card
