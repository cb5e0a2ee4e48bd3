"""How a message shows a card entity, and goes on showing it when the entity changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator.im.card_reading import degrade

if TYPE_CHECKING:
    from lark_emulator.world.card_entities import CardEntity
    from lark_emulator.world.chats import Message
    from lark_emulator.world.world import World


def show_entity(world: World, message: Message) -> None:
    """Let a message that was sent with a `card_id` show the card."""
    if message.msg_type != "interactive":
        return
    sent = orjson.loads(message.sent)
    if sent.get("type") != "card" or not isinstance(sent.get("data"), dict):
        return
    entity = world.card_entities.get(sent["data"].get("card_id"))
    if entity is not None and entity.message is None:
        card = entity.card
        entity.message = message
        show_card(message, card)


def show_card(message: Message, card: dict[str, Any]) -> None:
    """Put a card in the place of what a message shows."""
    message.sent = orjson.dumps(card).decode()
    message.content = degrade(card)


def keep(entity: CardEntity, card: dict[str, Any], now_ms: int) -> None:
    """Keep a changed card: in its message, once there is one."""
    if entity.message is None:
        entity.unsent = card
        return
    show_card(entity.message, card)
    entity.message.update_time = now_ms
    entity.message.edits += 1
