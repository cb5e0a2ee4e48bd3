"""The part of the control plane for what people do in chats: they react, read, and pin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator.control import snapshot
from lark_emulator.control.specs import read_flag, read_text, refuse_unknown, require_known
from lark_emulator.im.announcing import get_ids
from lark_emulator.im.emoji import EMOJI_TYPES
from lark_emulator.im.reactions import react, take_away
from lark_emulator.world.apps import TENANT_KEY
from lark_emulator.world.message_marks import Pin

if TYPE_CHECKING:
    from lark_emulator.lark import Lark
    from lark_emulator.world.chats import Message
    from lark_emulator.world.users import User


def react_as_user(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Put an emoji on a message, or remove it; apps in the chat are sent the event.

    Args:
        lark: The emulator that holds the message.
        spec: Arguments by name: `message_id`, `user` (user_id of a member of its chat), `emoji_type` (such as
            `THUMBSUP`), and `remove` (true: remove it).

    Returns:
        The message as the state shows it.
    """
    refuse_unknown(spec, "message_id", "user", "emoji_type", "remove")
    message, user = _find_message_and_member(lark, spec)
    emoji_type = read_text(spec, "emoji_type")
    if emoji_type not in EMOJI_TYPES:
        raise ValueError(f"'emoji_type' must be one of Lark's, such as THUMBSUP, not {emoji_type!r}")
    if not read_flag(spec, "remove", default=False):
        react(lark.world, message, emoji_type, ("user", user.user_id))
        return snapshot.render_message(lark.world, message)
    for reaction in message.reactions:
        if (reaction.emoji_type, reaction.user_id) == (emoji_type, user.user_id):
            take_away(lark.world, message, reaction)
            return snapshot.render_message(lark.world, message)
    raise ValueError(f"{user.user_id!r} has not put {emoji_type} on this message")


def read_as_user(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Read a message; the app that sent it to this person alone is sent the event.

    Args:
        lark: The emulator that holds the message.
        spec: Arguments by name: `message_id` and `user` (user_id of a member of its chat).

    Returns:
        The message as the state shows it.
    """
    refuse_unknown(spec, "message_id", "user")
    message, user = _find_message_and_member(lark, spec)
    if user.user_id not in message.readers:
        now = lark.clock.get_time_ms()
        message.readers[user.user_id] = now
        app = lark.world.apps.get(message.app_id)  # a person's own message has none
        if app is not None and lark.world.chats[message.chat_id].mode == "p2p":
            reader = {"reader_id": get_ids(user, app), "read_time": str(now), "tenant_key": TENANT_KEY}
            content = {"reader": reader, "message_id_list": [message.message_id]}
            lark.world.announce(app, "im.message.message_read_v1", content)
    return snapshot.render_message(lark.world, message)


def pin_as_user(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Pin a message (`message_id`) as a member of its chat (`user`), or remove the pin (`remove`)."""
    refuse_unknown(spec, "message_id", "user", "remove")
    message, user = _find_message_and_member(lark, spec)
    removed = read_flag(spec, "remove", default=False)
    message.pin = None if removed else message.pin or Pin(lark.clock.get_time_ms(), user_id=user.user_id)
    return snapshot.render_message(lark.world, message)


def _find_message_and_member(lark: Lark, spec: dict[str, Any]) -> tuple[Message, User]:
    message = require_known(lark.world.messages, "message", read_text(spec, "message_id"))
    chat = lark.world.chats[message.chat_id]
    return message, require_known(chat.users, f"member of chat {chat.chat_id!r}", read_text(spec, "user"))
