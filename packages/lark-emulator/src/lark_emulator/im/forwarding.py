"""Forwarding: one message, several merged into one, or a thread."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator import codes, codes_im
from lark_emulator.codes import RefusedError
from lark_emulator.im.content import Content
from lark_emulator.im.messages import (
    MAX_UUID_LENGTH,
    RECEIVE_ID_TYPES,
    find_receiver,
    find_replayed_message,
    post,
    require_member,
    require_open,
)
from lark_emulator.im.receiving import announce_message
from lark_emulator.im.shown import render
from lark_emulator.routing import Call, Route
from lark_emulator.validation import (
    read_choice,
    read_json_object,
    read_optional_text,
    read_text_list,
    refuse_parameter,
    require_text,
)
from lark_emulator.world.chats import Chat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lark_emulator.world.chats import Message

MAX_MERGED = 100
#: What readers get for merged messages; the messages themselves follow when it is read.
MERGED = "Merged and Forwarded Message"
_TYPES = (*RECEIVE_ID_TYPES, "thread_id")


def forward(call: Call) -> dict[str, Any]:
    """Answer `POST /im/v1/messages/:message_id/forward`."""
    body, uuid = _read_request(call)
    message = call.world.messages.get(call.params["message_id"])
    if message is None:
        raise RefusedError(codes_im.FORWARD_INVALID)
    require_member(call, call.world.chats[message.chat_id])
    if message.deleted:
        raise RefusedError(codes_im.FORWARD_RECALLED)
    if not _is_forwardable(message):
        raise RefusedError(codes_im.NOT_FORWARDABLE)
    content = Content(message.msg_type, message.sent, message.content, list(message.mentions))
    return render(_send(call, body, content, uuid, message.parts), call)


def merge_forward(call: Call) -> dict[str, Any]:
    """Answer `POST /im/v1/messages/merge_forward`: messages of one chat become one message."""
    body, uuid = _read_request(call)
    ids = read_text_list(body, "message_id_list", limit=MAX_MERGED)
    if not ids:
        refuse_parameter("message_id_list", ids, "message_id_list is required")
    messages = [call.world.messages.get(message_id) for message_id in ids]
    known = [message for message in messages if message is not None and _is_visible(call, message)]
    valid = [message for message in known if not message.deleted and _is_forwardable(message)]
    if not valid:
        recalled = bool(known) and all(message.deleted for message in known) and len(known) == len(ids)
        raise RefusedError(codes_im.FORWARD_ALL_RECALLED if recalled else codes_im.FORWARD_ALL_INVALID)
    if len({message.chat_id for message in valid}) > 1:
        raise RefusedError(codes_im.FORWARD_CHATS)
    if len({message.thread_id if message.in_thread else "" for message in valid}) > 1:
        raise RefusedError(codes_im.FORWARD_MIXED)
    usable = {message.message_id for message in valid}
    return {
        "message": render(_send(call, body, _MERGED_CONTENT, uuid, valid), call),
        "invalid_message_id_list": [message_id for message_id in ids if message_id not in usable],
    }


def forward_thread(call: Call) -> dict[str, Any]:
    """Answer `POST /im/v1/threads/:thread_id/forward`: the thread becomes one message."""
    body, uuid = _read_request(call)
    wanted = call.params["thread_id"]
    messages = [
        message
        for message in call.world.messages.values()
        if message.thread_id == wanted and not message.deleted
    ]
    if not messages:
        raise RefusedError(codes_im.FORWARD_THREAD_INVALID)
    require_member(call, call.world.chats[messages[0].chat_id])
    return render(_send(call, body, _MERGED_CONTENT, uuid, messages), call)


_MERGED_CONTENT = Content("merge_forward", orjson.dumps(MERGED).decode(), MERGED, [])


def _read_request(call: Call) -> tuple[dict[str, Any], str]:
    read_choice(call.query, "receive_id_type", _TYPES)
    uuid = read_optional_text(dict(call.query), "uuid", longest=MAX_UUID_LENGTH)
    return read_json_object(call, codes.IM_PARAM), uuid


def _is_visible(call: Call, message: Message) -> bool:
    return call.app.app_id in call.world.chats[message.chat_id].bots


def _is_forwardable(message: Message) -> bool:
    """Return whether a message can be forwarded: not a card that forbids it, or that streams."""
    if message.msg_type != "interactive":
        return message.msg_type != "system"
    config = orjson.loads(message.sent).get("config")
    config = config if isinstance(config, dict) else {}
    return config.get("enable_forward") is not False and config.get("streaming_mode") is not True


def _send(call: Call, body: dict[str, Any], content: Content, uuid: str, parts: Sequence[Message]) -> Message:
    """Send the new message to whom the request names; a repeated uuid answers with the first one."""
    receive_id = require_text(body, "receive_id")
    opener = None
    if call.query["receive_id_type"] == "thread_id":
        opener = _find_opener(call, receive_id)
        chat = call.world.chats[opener.chat_id]
        require_open(chat)
        require_member(call, chat)
    else:
        receiver = find_receiver(call, call.query["receive_id_type"], receive_id)
        chat = receiver if isinstance(receiver, Chat) else call.world.ensure_p2p_chat(call.app, receiver)
    known = find_replayed_message(call, uuid)
    if known is not None:
        return known
    message = post(call, chat, content, uuid)
    message.parts = [
        replace(
            part,
            message_id=call.world.make_id("om_"),
            upper_message_id=message.message_id,
            reactions=[],
            pin=None,
            readers={},
            parts=[],
        )
        for part in parts
    ]
    if opener is not None:
        message.in_thread = True
        message.thread_id = receive_id
        message.parent_id = message.root_id = opener.message_id
    announce_message(call.world, message)
    return message


def _find_opener(call: Call, thread_id: str) -> Message:
    for message in call.world.messages.values():
        if message.thread_id == thread_id and not message.in_thread:
            return message
    raise RefusedError(codes_im.NO_THREAD)


_PATH = "/open-apis/im/v1"
_UUID = "a repeated `uuid` answers with the first message (settable, `uuid_replay`: else 230001)"
_PARTS = "the messages inside have new ids, which nothing but a read of the whole shows"

ROUTES = (
    Route(
        "POST",
        f"{_PATH}/messages/:message_id/forward",
        forward,
        unconfirmed=(
            _UUID,
            "an unknown message gets 230064, a bot outside of the message's chat 230002",
            "cards with `enable_forward: false`, or that stream, get 230061",
        ),
    ),
    Route("POST", f"{_PATH}/messages/merge_forward", merge_forward, unconfirmed=(_UUID, _PARTS)),
    Route("POST", f"{_PATH}/threads/:thread_id/forward", forward_thread, unconfirmed=(_UUID, _PARTS)),
)
