"""`/im/v1/messages/:message_id`: edit a text, update a card, recall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.im.announcing import announce_recall
from lark_emulator.im.cards import check_lock, check_update
from lark_emulator.im.content import check_content
from lark_emulator.im.messages import read_content, require_visible_message
from lark_emulator.im.shown import render
from lark_emulator.routing import Call, Route
from lark_emulator.validation import read_json_object, require_text

if TYPE_CHECKING:
    from lark_emulator.im.content import Content
    from lark_emulator.world.chats import Message
    from lark_emulator.world.world import World

EDITABLE = ("text", "post")
MAX_EDITS = 20
UPDATE_MS = 14 * 24 * 3600 * 1000


def edit(call: Call) -> dict[str, Any]:
    """Answer `PUT /im/v1/messages/:message_id`: text and post, at most 20 times."""
    message, _ = require_visible_message(call)
    if not message.is_from(call.who):
        raise RefusedError(codes.NOT_SENDER)
    if message.msg_type not in EDITABLE:
        raise RefusedError(codes.MESSAGE_TYPE_UNSUPPORTED)
    content = read_content(call, read_json_object(call, codes.IM_PARAM))
    if content.msg_type not in EDITABLE:
        raise RefusedError(codes.IM_PARAM, "invalid msg_type")
    if message.edits >= MAX_EDITS:
        raise RefusedError(codes.EDITED_TOO_OFTEN)
    message.msg_type = content.msg_type
    rewrite(call.world, message, content)
    return render(message, call)


def update_card(call: Call) -> dict[str, Any]:
    """Answer `PATCH /im/v1/messages/:message_id`: a card in the place of a card, for 14 days."""
    message, _ = require_visible_message(call)
    if message.msg_type != "interactive":
        raise RefusedError(codes.IM_PARAM, "This message is NOT a card")
    if not message.is_from(call.who):
        raise RefusedError(codes.NOT_SENDER_OF_CARD)
    if call.world.clock.get_time_ms() - message.create_time > UPDATE_MS:
        raise RefusedError(codes.UPDATE_EXPIRED)
    body = read_json_object(call, codes.IM_PARAM)
    content = check_content(call, "interactive", require_text(body, "content"))
    check_update(call, message.sent, content.sent)
    check_lock(call, message)
    per_second = call.settings.update_qps if call.settings.rate_limits else 0
    updates = ("update", message.message_id)
    if per_second and call.world.receiver_windows.take(updates, [(per_second, 1.0)]):
        raise RefusedError(codes.RECEIVER_FREQUENCY)
    rewrite(call.world, message, content)
    return {}


def recall(call: Call) -> dict[str, Any]:
    """Answer `DELETE /im/v1/messages/:message_id`: the bot's own, within `recall_window`."""
    message, _ = require_visible_message(call)
    if not message.is_from(call.who):
        raise RefusedError(codes.MAY_NOT_RECALL)
    now = call.world.clock.get_time_ms()
    if now - message.create_time > call.settings.recall_window * 1000:
        raise RefusedError(codes.RECALL_EXPIRED)
    message.deleted = True
    message.update_time = now
    announce_recall(call.world, message, "message_owner")
    return {}


def rewrite(world: World, message: Message, content: Content) -> None:
    """Put a content in the place of another."""
    message.content, message.sent, message.mentions = content.shown, content.sent, content.mentions
    message.update_time = world.clock.get_time_ms()
    message.edits += 1


_PATH = "/open-apis/im/v1/messages/:message_id"

ROUTES = (
    Route("PUT", _PATH, edit, unconfirmed=("the time in which a message can be edited has no end here",)),
    Route(
        "PATCH",
        _PATH,
        update_card,
        unconfirmed=(
            "another app's card: 230012 here, the page names no code for it",
            "a bot that was removed from the chat: 230002 here, the page names no code for it",
            "a card 1.0 without `update_multi: true` gets 230001 (settable, `update_multi`: not asked for)",
            "what a template or a card entity says about `update_multi` is not known",
        ),
    ),
    Route(
        "DELETE",
        _PATH,
        recall,
        unconfirmed=(
            "the window (settable, `recall_window`): one day",
            "recalled already: 230011 here, the page names 230110 for deleted messages only",
            "owners and administrators of a group recall only their own messages, too",
            "`im.message.recalled_v1` is sent to each app in the chat, the one that recalls included",
        ),
    ),
)
