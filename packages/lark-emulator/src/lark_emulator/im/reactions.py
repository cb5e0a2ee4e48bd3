"""`/im/v1/messages/:message_id/reactions`: add, take away, list, and those of several messages at once."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from lark_emulator import codes, codes_im
from lark_emulator.codes import RefusedError
from lark_emulator.im.announcing import announce_reaction
from lark_emulator.im.emoji import EMOJI_TYPES
from lark_emulator.routing import Call, Route
from lark_emulator.validation import (
    cut_page,
    cut_page_at,
    read_bounded_page_size,
    read_json_object,
    read_user_id_type,
    refuse_parameter,
    require_text,
)
from lark_emulator.world.message_marks import Reaction

if TYPE_CHECKING:
    from lark_emulator.routing import Actor
    from lark_emulator.world.chats import Message
    from lark_emulator.world.drive import Who
    from lark_emulator.world.world import World

MAX_PER_PAGE = 50
MAX_QUERIES = 20
MAX_PER_MESSAGE = 10
CREATED, DELETED = "im.message.reaction.created_v1", "im.message.reaction.deleted_v1"


def render(reaction: Reaction, actor: Actor, id_type: str) -> dict[str, Any]:
    """Return a reaction as Lark shows it: its time is milliseconds in a string."""
    user = actor.world.users.get(reaction.user_id)
    operator = {"operator_id": reaction.app_id, "operator_type": "app"}
    if user is not None:
        operator = {"operator_id": user.get_id(actor.app, id_type), "operator_type": "user"}
    return {
        "reaction_id": reaction.reaction_id,
        "operator": operator,
        "action_time": str(reaction.action_time),
        "reaction_type": {"emoji_type": reaction.emoji_type},
    }


def react(world: World, message: Message, emoji_type: str, who: Who) -> Reaction:
    """Put an emoji on a message, in the name of a bot or of a person; a second time changes nothing."""
    for known in message.reactions:
        if known.emoji_type == emoji_type and known.is_from(who):
            return known
    reaction = Reaction(
        world.make_id(""),
        emoji_type,
        world.clock.get_time_ms(),
        app_id=who[1] if who[0] == "app" else "",
        user_id=who[1] if who[0] == "user" else "",
    )
    message.reactions.append(reaction)
    announce_reaction(world, message, CREATED, reaction)
    return reaction


def take_away(world: World, message: Message, reaction: Reaction) -> None:
    """Take an emoji from a message."""
    message.reactions.remove(reaction)
    announce_reaction(world, message, DELETED, reaction)


def create(call: Call) -> dict[str, Any]:
    """Answer `POST …/reactions`."""
    message = _require_message(call)
    body = read_json_object(call, codes.IM_PARAM)
    kind = body.get("reaction_type")
    if not isinstance(kind, dict):
        refuse_parameter("reaction_type", kind, "reaction_type is required")
    emoji_type = require_text(kind, "emoji_type")
    if emoji_type not in EMOJI_TYPES:
        raise RefusedError(codes_im.REACTION_TYPE)
    return render(react(call.world, message, emoji_type, call.who), call, "open_id")


def delete(call: Call) -> dict[str, Any]:
    """Answer `DELETE …/reactions/:reaction_id`: the caller's own."""
    message = _require_message(call)
    wanted = call.params["reaction_id"]
    reaction = next((candidate for candidate in message.reactions if candidate.reaction_id == wanted), None)
    if reaction is None:
        elsewhere = any(
            candidate.reaction_id == wanted
            for other in call.world.messages.values()
            for candidate in other.reactions
        )
        raise RefusedError(codes_im.REACTION_ELSEWHERE if elsewhere else codes_im.REACTION_ID)
    if not reaction.is_from(call.who):
        raise RefusedError(codes_im.REACTION_NOT_OWN)
    take_away(call.world, message, reaction)
    return render(reaction, call, "open_id")


def list_reactions(call: Call) -> dict[str, Any]:
    """Answer `GET …/reactions`, oldest first."""
    id_type = read_user_id_type(call)
    size = read_bounded_page_size(call, limit=MAX_PER_PAGE)
    message = _require_message(call, read=True)
    items, more = cut_page(
        _of_type(message, call.query.get("reaction_type", "")), call, size, codes_im.REACTION_PAGE
    )
    return {"items": [render(reaction, call, id_type) for reaction in items], **more}


def batch_query(call: Call) -> dict[str, Any]:
    """Answer `POST /im/v1/messages/reactions/batch_query`; messages that cannot be read are listed apart."""
    id_type = read_user_id_type(call)
    body = read_json_object(call, codes.IM_PARAM)
    queries = body.get("queries")
    if not isinstance(queries, list) or not 1 <= len(queries) <= MAX_QUERIES:
        refuse_parameter("queries", queries, f"the length must be between 1 and {MAX_QUERIES}")
    size = body.get("page_size_per_message", MAX_PER_MESSAGE)
    if not isinstance(size, int) or not 1 <= size <= MAX_PER_MESSAGE:
        refuse_parameter("page_size_per_message", size, f"it must be between 1 and {MAX_PER_MESSAGE}")
    kind = body.get("reaction_type") or ""
    details: list[dict[str, Any]] = []
    counts: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for query in queries:
        if not isinstance(query, dict):
            refuse_parameter("queries", query, "each must be an object")
        message_id = require_text(query, "message_id")
        try:
            message = _require_message(call, message_id, read=True)
            reactions, more = cut_page_at(
                _of_type(message, kind), str(query.get("page_token") or ""), size, codes_im.REACTION_PAGE
            )
        except RefusedError as refusal:
            failed.append({"message_id": message_id, "fail_reason": _REASONS[refusal.code.number]})
            continue
        items = []
        for reaction in reactions:
            item = render(reaction, call, id_type)
            item["emoji_type"] = item.pop("reaction_type")["emoji_type"]
            items.append(item)
        details.append({"message_id": message_id, "message_reaction_items": items, **more})
        total = Counter(counted.emoji_type for counted in _of_type(message, kind))
        counts.append(
            {
                "message_id": message_id,
                "reaction_count": [
                    {"reaction_type": name, "count": str(number)} for name, number in total.items()
                ],
            }
        )
    return {
        "success_msg_reaction_details": details,
        "success_msg_reaction_counts": counts,
        "fail_msg_reaction_details": failed,
    }


_REASONS = {
    codes_im.REACTION_MESSAGE.number: "invalid",
    codes_im.REACTION_TYPE.number: "invalid",
    codes_im.REACTION_NO_ACCESS.number: "no_permission",
    codes_im.REACTION_PAGE.number: "invalid_page_token",
}


def _of_type(message: Message, kind: str) -> list[Reaction]:
    if kind and kind not in EMOJI_TYPES:
        raise RefusedError(codes_im.REACTION_TYPE)
    return [reaction for reaction in message.reactions if kind in ("", reaction.emoji_type)]


def _require_message(call: Call, message_id: str = "", *, read: bool = False) -> Message:
    message = call.world.messages.get(message_id or call.params["message_id"])
    if message is None or message.deleted:
        raise RefusedError(codes_im.REACTION_MESSAGE)
    chat = call.world.chats[message.chat_id]
    if not chat.has(call.who):
        raise RefusedError(codes_im.REACTION_NO_ACCESS)
    if chat.dissolved and not read:
        raise RefusedError(codes.CHAT_DISSOLVED)
    return message


_PATH = "/open-apis/im/v1/messages/:message_id/reactions"
_GONE = "a recalled message gets 231003, a bot or user outside of the chat 231008"

ROUTES = (
    Route(
        "POST",
        _PATH,
        create,
        unconfirmed=("the same emoji again answers with the first reaction", _GONE),
    ),
    Route("GET", _PATH, list_reactions, unconfirmed=("in the order in which they came", _GONE)),
    Route("DELETE", f"{_PATH}/:reaction_id", delete, unconfirmed=(_GONE,)),
    Route(
        "POST",
        "/open-apis/im/v1/messages/reactions/batch_query",
        batch_query,
        unconfirmed=("`page_size_per_message` is 10 if absent",),
    ),
)
