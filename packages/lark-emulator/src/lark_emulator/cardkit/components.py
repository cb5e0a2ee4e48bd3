"""`/cardkit/v1/cards/:card_id/elements`: one component at a time, and text that streams into it."""

from __future__ import annotations

from typing import Any

from lark_emulator import codes_im
from lark_emulator.cardkit import elements
from lark_emulator.cardkit.cards import CHANGES
from lark_emulator.cardkit.checks import Change, parse_member, streams
from lark_emulator.codes import RefusedError
from lark_emulator.im.card_entities import keep
from lark_emulator.routing import Call, Route
from lark_emulator.validation import read_choice, read_optional_text, require_text
from lark_emulator.world.card_entities import STREAMING

MAX_TEXT_LENGTH = 100_000


def create(call: Call) -> dict[str, Any]:
    """Answer `POST …/elements`."""
    change = Change(call)
    place = read_choice(change.body, "type", elements.PLACES)
    target = read_optional_text(change.body, "target_element_id", longest=20)
    added = parse_member(change.body, "elements")
    card = change.entity.card
    elements.add(card, place, target, added)
    return change.finish(card, codes_im.ADD_FAILED)


def update(call: Call) -> dict[str, Any]:
    """Answer `PUT …/elements/:element_id`: another component in its place."""
    change = Change(call)
    element = parse_member(change.body, "element")
    card = change.entity.card
    elements.replace(card, call.params["element_id"], element)
    return change.finish(card, codes_im.REPLACE_FAILED)


def patch(call: Call) -> dict[str, Any]:
    """Answer `PATCH …/elements/:element_id`: some of its properties."""
    change = Change(call)
    changes = parse_member(change.body, "partial_element")
    card = change.entity.card
    elements.patch(card, call.params["element_id"], changes)
    return change.finish(card, codes_im.ELEMENT_FAILED)


def delete(call: Call) -> dict[str, Any]:
    """Answer `DELETE …/elements/:element_id`."""
    change = Change(call)
    card = change.entity.card
    elements.delete(card, call.params["element_id"])
    return change.finish(card, codes_im.DELETE_FAILED)


def stream_content(call: Call) -> dict[str, Any]:
    """Answer `PUT …/elements/:element_id/content`: the whole text so far, while the card streams.

    Raises:
        RefusedError: 200850 for the first text after ten minutes, which ends the streaming, then 300309.
    """
    change = Change(call, is_stream=True)
    text = require_text(change.body, "content", longest=MAX_TEXT_LENGTH)
    entity, now = change.entity, call.world.clock.get_time()
    card = entity.card
    if not streams(card) or entity.opened is None:
        raise RefusedError(codes_im.STREAMING_CLOSED)
    if now - entity.opened > STREAMING:
        card["config"]["streaming_mode"] = False
        entity.opened = None
        keep(entity, card, call.world.clock.get_time_ms())
        raise RefusedError(codes_im.STREAMING_TIMEOUT)
    elements.write(card, call.params["element_id"], text)
    return change.finish(card, codes_im.ELEMENT_FAILED)


_PATH = "/open-apis/cardkit/v1/cards/:card_id/elements"

ROUTES = (
    Route("POST", _PATH, create, unconfirmed=CHANGES),
    Route("PUT", f"{_PATH}/:element_id", update, unconfirmed=CHANGES),
    Route("PATCH", f"{_PATH}/:element_id", patch, unconfirmed=CHANGES),
    Route("DELETE", f"{_PATH}/:element_id", delete, unconfirmed=CHANGES),
    Route(
        "PUT",
        f"{_PATH}/:element_id/content",
        stream_content,
        unconfirmed=(*CHANGES, "text goes into `markdown` and `plain_text` only (300310)"),
    ),
)
