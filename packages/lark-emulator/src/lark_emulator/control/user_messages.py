"""The part of the control plane for what people say: bots that hear it are sent `im.message.receive_v1`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator.callbacks import payloads
from lark_emulator.control import snapshot
from lark_emulator.control.specs import (
    MAX_COPIES,
    read_count,
    read_flag,
    read_names,
    read_text,
    refuse_unknown,
    require_known,
)
from lark_emulator.im.receiving import RECEIVED, list_listeners, make_content
from lark_emulator.world.apps import TENANT_KEY
from lark_emulator.world.chats import Mention, Message

if TYPE_CHECKING:
    from lark_emulator.callbacks.events import Delivery
    from lark_emulator.lark import Lark
    from lark_emulator.world.apps import App
    from lark_emulator.world.chats import Chat
    from lark_emulator.world.users import User


async def say(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Write a message as a person, and wait until each bot that hears it was sent the event once.

    Args:
        lark: The emulator that holds the chat.
        spec: Arguments by name: `user` (user_id); `chat_id` (a chat that the user is in) or `app_id` (to its
            bot alone); `text`; `mentions` (app ids, user ids or `all`, whose names precede the text);
            `reply_to` (a message_id) and `in_thread`; `msg_type` and `content` (an object) instead of `text`;
            `copies` (how many times each event arrives).

    Returns:
        The message as the state shows it, and `events` as in the state, one for each bot that hears it.

    Raises:
        ValueError: no such user, chat, app or message, or the user is not in the chat.
    """
    refuse_unknown(
        spec, "user", "chat_id", "app_id", "text", "mentions", "reply_to", "in_thread", "msg_type", "content",
        "copies",
    )  # fmt: skip
    user = require_known(lark.world.users, "user", read_text(spec, "user"))
    chat = _ensure_chat(lark, spec, user)
    mentioned, copies = read_names(spec, "mentions") or [], read_count(spec, "copies", limit=MAX_COPIES)
    message = _make_message(lark, spec, user, chat, mentioned)
    chat.messages.append(message)
    chat.active_time = message.create_time
    lark.world.messages[message.message_id] = message
    sent = [
        delivery
        for app in list_listeners(chat, message)
        if (delivery := _push(lark, app, chat, message, copies))
    ]
    for delivery in sent:
        await lark.events.settle(delivery)
    return {
        **snapshot.render_message(lark.world, message),
        "events": [delivery.to_dict() for delivery in sent],
    }


def _ensure_chat(lark: Lark, spec: dict[str, Any], user: User) -> Chat:
    chat_id = read_text(spec, "chat_id")
    if not chat_id:
        return lark.world.ensure_p2p_chat(
            require_known(lark.world.apps, "app", read_text(spec, "app_id")), user
        )
    chat = require_known(lark.world.chats, "chat", chat_id)
    require_known(chat.users, f"member of chat {chat_id!r}", user.user_id)
    return chat


def _make_message(lark: Lark, spec: dict[str, Any], user: User, chat: Chat, mentioned: list[str]) -> Message:
    for mention_id in mentioned:
        if mention_id != "all" and mention_id not in lark.world.apps:
            require_known(lark.world.users, "app or user", mention_id)
    keys = [_format_key(place, mention) for place, mention in enumerate(mentioned, start=1)]
    content = spec.get("content")
    if content is None:
        content = {"text": " ".join([*keys, read_text(spec, "text")])}
    if not isinstance(content, dict):
        raise ValueError(f"'content' must be an object, not {content!r}")  # noqa: TRY004 - one kind for bad input
    raw, now = orjson.dumps(content).decode(), lark.clock.get_time_ms()
    message = Message(
        message_id=lark.world.make_id("om_"),
        chat_id=chat.chat_id,
        msg_type=read_text(spec, "msg_type") or "text",
        content=raw,
        sent=raw,
        app_id="",
        create_time=now,
        update_time=now,
        mentions=[
            Mention(key, ("app" if name in lark.world.apps else "user", name))
            for key, name in zip(keys, mentioned, strict=True)
            if name != "all"
        ],
        tenant_key=user.tenant_key if user.is_external else TENANT_KEY,
        user_id=user.user_id,
    )
    parent_id = read_text(spec, "reply_to")
    if parent_id:
        parent = require_known(lark.world.messages, "message", parent_id)
        message.parent_id, message.root_id = parent_id, parent.root_id or parent_id
        if parent.thread_id or read_flag(spec, "in_thread", default=False):
            message.in_thread = True
            message.thread_id = parent.thread_id = parent.thread_id or lark.world.make_id("omt_", 16)
    return message


def _format_key(place: int, mention: str) -> str:
    return "@_all" if mention == "all" else f"@_user_{place}"


def _push(lark: Lark, app: App, chat: Chat, message: Message, copies: int) -> Delivery | None:
    if app.event_types is not None and RECEIVED not in app.event_types:
        return None
    content = make_content(lark.world, app, chat, message)
    payload = payloads.make_event(app, lark.clock.get_time(), RECEIVED, content, TENANT_KEY)
    return lark.events.push(app, payload, copies=copies)
