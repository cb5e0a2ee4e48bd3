"""`/cardkit/v1/cards`: create, replace, configure, change in one go, and the entity of a message."""

from __future__ import annotations

from typing import Any

import orjson

from lark_emulator import codes_im
from lark_emulator.cardkit import elements
from lark_emulator.cardkit.checks import Change, check_entity_card, parse_member, streams
from lark_emulator.codes import RefusedError
from lark_emulator.routing import Call, Route
from lark_emulator.validation import read_choice, read_json_object, refuse_parameter, require_text
from lark_emulator.world.card_entities import CardEntity


def create(call: Call) -> dict[str, Any]:
    """Answer `POST /cardkit/v1/cards`."""
    body = read_json_object(call, codes_im.ENTITY_PARAM)
    kind = read_choice(body, "type", ("card_json", "template"))
    data = parse_member(body, "data")
    if kind == "template":
        # What a template holds is not known here, so that nothing in it can be changed piece by piece.
        template = data.get("template_id") if isinstance(data, dict) else None
        if template not in call.settings.card_templates:
            raise RefusedError(codes_im.ENTITY_FAILED, f"templateID: {template}")
        data = {"schema": "2.0", "body": {"elements": []}}
    return {"card_id": _make(call, check_entity_card(call, data)).card_id}


def _make(call: Call, card: dict[str, Any]) -> CardEntity:
    now = call.world.clock.get_time()
    number = int(call.world.make_id("", 15), 16)
    entity = CardEntity(f"7{number % 10**18:018d}", call.app.app_id, now, card)
    entity.opened = now if streams(card) else None
    call.world.card_entities[entity.card_id] = entity
    return entity


def update(call: Call) -> dict[str, Any]:
    """Answer `PUT /cardkit/v1/cards/:card_id`: another card in its place."""
    change = Change(call)
    card = change.body.get("card")
    if not isinstance(card, dict):
        refuse_parameter("card", card, "card is required")
    read_choice(card, "type", ("card_json",))
    return change.finish(parse_member(card, "data"))


def configure(call: Call) -> dict[str, Any]:
    """Answer `PATCH /cardkit/v1/cards/:card_id/settings`."""
    change = Change(call)
    settings = parse_member(change.body, "settings")
    card = change.entity.card
    elements.configure(card, settings)
    return change.finish(card, codes_im.CONFIG_FAILED)


def batch_update(call: Call) -> dict[str, Any]:
    """Answer `POST /cardkit/v1/cards/:card_id/batch_update`: several changes, all or none."""
    change = Change(call)
    actions = parse_member(change.body, "actions")
    if not isinstance(actions, list) or not actions:
        raise RefusedError(codes_im.ENTITY_PARAM, "actions must be a list")
    card = change.entity.card
    for action in actions:
        params = action.get("params") if isinstance(action, dict) else None
        if not isinstance(params, dict):
            raise RefusedError(codes_im.ENTITY_PARAM, "each action needs params")
        _perform(card, str(action.get("action")), params)
    return change.finish(card)


def _perform(card: dict[str, Any], action: str, params: dict[str, Any]) -> None:
    element_id = str(params.get("element_id", ""))
    match action:
        case "partial_update_setting":
            elements.configure(card, params.get("settings"))
        case "add_elements":
            target = str(params.get("target_element_id") or "")
            elements.add(card, str(params.get("type")), target, params.get("elements"))
        case "delete_elements":
            ids = params.get("element_ids")
            if not isinstance(ids, list) or not ids:
                raise RefusedError(codes_im.DELETE_FAILED, "element_ids must be a list")
            for component_id in ids:
                elements.delete(card, str(component_id))
        case "partial_update_element":
            elements.patch(card, element_id, params.get("partial_element"))
        case "update_element":
            elements.replace(card, element_id, params.get("element"))
        case _:
            raise RefusedError(codes_im.ENTITY_PARAM, f"unknown action {action}")


def convert_id(call: Call) -> dict[str, Any]:
    """Answer `POST /cardkit/v1/cards/id_convert`: a card that was sent as it is becomes an entity."""
    body = read_json_object(call, codes_im.ENTITY_PARAM)
    message = call.world.messages.get(require_text(body, "message_id"))
    if message is None or message.msg_type != "interactive" or message.deleted:
        raise RefusedError(codes_im.ENTITY_PARAM, "message_id is not that of a card")
    if message.app_id != call.app.app_id:
        raise RefusedError(codes_im.ENTITY_DENIED)
    for entity in call.world.card_entities.values():
        if entity.message is message:
            return {"card_id": entity.card_id}
    card = orjson.loads(message.sent)
    if card.get("schema") != "2.0":
        raise RefusedError(codes_im.ENTITY_SCHEMA)
    entity = _make(call, card)
    entity.message = message
    return {"card_id": entity.card_id}


_PATH = "/open-apis/cardkit/v1/cards"
CHANGES = (
    "a `sequence` is used up by a change that succeeds only",
    "a `uuid` counts per card, and for good",
    "ten changes a second of one card, streamed text apart, then 99991400 (settable, `card_entity_qps`)",
    "200810 while the callback of any click on the card is unanswered (settable, `card_rules`: `lock`)",
)

ROUTES = (
    Route(
        "POST",
        _PATH,
        create,
        unconfirmed=("of a template only the id is known (settable, `card_templates`): an empty card here",),
    ),
    Route("PUT", f"{_PATH}/:card_id", update, unconfirmed=CHANGES),
    Route("PATCH", f"{_PATH}/:card_id/settings", configure, unconfirmed=CHANGES),
    Route(
        "POST",
        f"{_PATH}/:card_id/batch_update",
        batch_update,
        unconfirmed=(*CHANGES, "all actions or none"),
    ),
    Route(
        "POST",
        f"{_PATH}/id_convert",
        convert_id,
        unconfirmed=("a message of another app gets 300311, what is not a card 10002, a card 1.0 300303",),
    ),
)
