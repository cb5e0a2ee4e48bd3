"""References to card entities in messages: each entity can be sent once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lark_emulator.im.card_reader import LIMIT_OR_DUPLICATE, make_card_error
from lark_emulator.world.card_entities import LIFE

if TYPE_CHECKING:
    from lark_emulator.world.apps import App
    from lark_emulator.world.world import World

# Sub-codes, inside the text of 230099.
SENT_TWICE = 200780
EXPIRED = 200750


def check_entity(world: World, app: App | None, card_id: object, known: list[str]) -> None:
    """Check that a message may show an entity.

    Args:
        world: The emulated tenant that holds the card entities.
        app: The app that sends the message; None for a custom bot.
        card_id: The id of the card entity that the reference contains.
        known: Ids that exist although the emulator does not know their cards.

    Raises:
        RefusedError: 230099 with 11310 (no such entity, or another app's), 200750 (older than 14 days) or
            200780 (a message shows it already).
    """
    if card_id in known:
        return
    entity = world.card_entities.get(card_id) if isinstance(card_id, str) else None
    if entity is None or app is None or entity.app_id != app.app_id:
        raise make_card_error(LIMIT_OR_DUPLICATE, "cardid is invalid")
    if world.clock.get_time() - entity.created > LIFE:
        raise make_card_error(EXPIRED, "The card entity has expired")
    if entity.message is not None:
        raise make_card_error(SENT_TWICE, "card binding biz count over limit")
