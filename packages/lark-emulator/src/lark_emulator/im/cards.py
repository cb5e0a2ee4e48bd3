"""Cards: what Lark refuses to build (230099), and what a card reads as."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.im.card_documented import check_documented
from lark_emulator.im.card_reader import LIMIT_OR_DUPLICATE, CardReader, make_card_error, refuse_unparsable
from lark_emulator.im.card_references import check_entity
from lark_emulator.im.card_rules import Sent, check_rules
from lark_emulator.validation import parse

if TYPE_CHECKING:
    from lark_emulator.routing import Actor
    from lark_emulator.settings import Settings
    from lark_emulator.world.apps import App
    from lark_emulator.world.chats import Message
    from lark_emulator.world.world import World

# Sub-codes, inside the text of 230099.
TEMPLATE_MISSING = 200380
TEMPLATE_HIDDEN = 200381
ENTITY_BOUND = 200780
BODY_MISSING = 200610
SCHEMA_LOWERED = 200830


def check_card(actor: Actor, raw: str) -> dict[str, Any]:
    """Check a card that an app sends.

    Args:
        actor: The app, or the user by means of it, that sends the card.
        raw: The card, or the reference to a template or a card entity, as JSON.

    Returns:
        The card; `{}` for a reference.

    Raises:
        RefusedError: 230099 with the sub-code in its text.
    """
    try:
        card = parse(raw)
    except orjson.JSONDecodeError as error:
        refuse_unparsable(str(error))
    return check_object(card, actor.world, actor.settings, actor.app)


def check_object(card: Any, world: World, settings: Settings, app: App | None) -> dict[str, Any]:
    """Check a card that was JSON; `app` is None for a custom bot. Else like `check_card`."""
    if not isinstance(card, dict):
        refuse_unparsable("the card is not an object")
    if _is_reference(card):
        _check_reference(card, world, settings, app)
        return {}
    if "msg_type" in card:
        refuse_unparsable("unknown property, property: msg_type", "ROOT")
    version = "1.0" if card.get("schema") is None else card["schema"]
    if version not in ("1.0", "2.0") and "schema" in settings.card_rules:
        refuse_unparsable(f"unsupported schema: {version}", "ROOT")
    v2 = version == "2.0"
    if v2 and card.get("body") is None and "body" in settings.card_rules:
        raise make_card_error(BODY_MISSING, "body is nil")
    nodes = CardReader(settings.card_rules, v2=v2).read(card)
    check_documented(nodes, settings.card_rules, v2=v2)
    check_rules(Sent(nodes, v2, settings.card_rules, settings.max_card_tables, world, app))
    return card


def check_update(actor: Actor, before: str, after: str) -> None:
    """Check that one card may take the place of another; both were checked alone.

    Args:
        actor: The app, or the user by means of it, that updates the card.
        before: The card as it was sent, as JSON.
        after: The card that replaces it, as JSON.

    Raises:
        RefusedError: 230001 (not shared by all its readers), 230099 with 200830 (from 2.0 back to 1.0).
    """
    check_schema(before, after)
    old, new = orjson.loads(before), orjson.loads(after)
    if actor.settings.update_multi and not (is_shared(old) and is_shared(new)):
        raise RefusedError(codes.IM_PARAM, "This message is NOT a card")


def is_locked(actor: Actor, message: Message) -> bool:
    """Return whether a card cannot be updated because a click on it waits for its answer."""
    return message.clicks_waiting > 0 and "lock" in actor.settings.card_rules


def check_lock(actor: Actor, message: Message) -> None:
    """Check that no click on a card waits for its answer.

    Raises:
        RefusedError: 230099 with 11310.
    """
    if is_locked(actor, message):
        raise make_card_error(LIMIT_OR_DUPLICATE, "card action is lock")


def check_schema(before: str, after: str) -> None:
    """Check that a card 2.0 stays one.

    Raises:
        RefusedError: 230099 with 200830.
    """
    old, new = orjson.loads(before), orjson.loads(after)
    if old.get("schema") == "2.0" and new.get("schema") != "2.0" and not _is_reference(new):
        raise make_card_error(SCHEMA_LOWERED, "schemaV2 card can not change schemaV1")


def _is_reference(card: dict[str, Any]) -> bool:
    return card.get("type") in ("template", "card")


def is_shared(card: dict[str, Any]) -> bool:
    """Return whether all readers see one card: always with 2.0; assumed for a reference."""
    config = card.get("config")
    declared = isinstance(config, dict) and config.get("update_multi") is True
    return declared or card.get("schema") == "2.0" or _is_reference(card)


def _check_reference(card: dict[str, Any], world: World, settings: Settings, app: App | None) -> None:
    data = card.get("data")
    data = data if isinstance(data, dict) else {}
    if card["type"] == "card":
        check_entity(world, app, data.get("card_id"), settings.card_entities)
    template_id = data.get("template_id")
    if card["type"] == "template" and template_id not in settings.card_templates:
        raise make_card_error(
            TEMPLATE_MISSING,
            "template does not exist, please confirm whether this template has been released",
            f"templateID: {template_id}",
        )
    if card["type"] == "template" and template_id in settings.hidden_card_templates:
        raise make_card_error(TEMPLATE_HIDDEN, "template is not visible to app", f"templateID: {template_id}")


def bind_entity(actor: Actor, sent: str) -> None:
    """Note that a card entity is sent, which works once; anything else is left alone.

    Raises:
        RefusedError: 230099 with 200780, it was sent before.
    """
    card = orjson.loads(sent)
    if not isinstance(card, dict) or card.get("type") != "card":
        return
    card_id = card["data"]["card_id"]
    if card_id in actor.world.bound_entities:
        raise make_card_error(ENTITY_BOUND, "card binding biz count over limit")
    actor.world.bound_entities.add(card_id)
