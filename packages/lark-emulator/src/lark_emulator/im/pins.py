"""`/im/v1/pins`: the messages that are pinned in a chat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes, codes_im
from lark_emulator.codes import RefusedError
from lark_emulator.im.messages import require_member, require_visible_message
from lark_emulator.im.roles import is_allowed
from lark_emulator.routing import Call, Route
from lark_emulator.validation import (
    cut_page,
    read_bounded_page_size,
    read_json_object,
    read_timestamp,
    require_text,
)
from lark_emulator.world.message_marks import Pin

if TYPE_CHECKING:
    from lark_emulator.world.chats import Chat, Message

MAX_PER_PAGE = 50
PER_SECOND = 5


def render(message: Message, pin: Pin, call: Call) -> dict[str, Any]:
    """Return a pin as Lark shows it: its time is milliseconds in a string."""
    user = call.world.users.get(pin.user_id)
    return {
        "message_id": message.message_id,
        "chat_id": message.chat_id,
        "operator_id": pin.app_id if user is None else user.get_id(call.app, "open_id"),
        "operator_id_type": "app_id" if user is None else "open_id",
        "create_time": str(pin.create_time),
    }


def create(call: Call) -> dict[str, Any]:
    """Answer `POST /im/v1/pins`; a message that is pinned already answers with the pin it has."""
    body = read_json_object(call, codes.IM_PARAM)
    message, chat = require_visible_message(call, require_text(body, "message_id"))
    _check(call, message, chat)
    if message.pin is None:
        now, user = call.world.clock.get_time_ms(), call.user
        message.pin = Pin(now, app_id=call.app.app_id) if user is None else Pin(now, user_id=user.user_id)
    return {"pin": render(message, message.pin, call)}


def delete(call: Call) -> dict[str, Any]:
    """Answer `DELETE /im/v1/pins/:message_id`; a message that is not pinned is a success as well."""
    message, chat = require_visible_message(call, recalled_too=True)
    if chat.dissolved:
        raise RefusedError(codes.CHAT_DISSOLVED)
    _check(call, message, chat)
    message.pin = None
    return {}


def list_pins(call: Call) -> dict[str, Any]:
    """Answer `GET /im/v1/pins`, newest first."""
    chat_id = require_text(dict(call.query), "chat_id")
    size = read_bounded_page_size(call, limit=MAX_PER_PAGE)
    start, end = (
        read_timestamp(call, name, "milliseconds", codes.IM_PARAM) for name in ("start_time", "end_time")
    )
    if start is not None and end is not None and start >= end:
        raise RefusedError(codes.IM_PARAM, "start_time must be less than end_time")
    chat = call.world.chats.get(chat_id)
    if chat is None:
        raise RefusedError(codes.IM_PARAM, "invalid chat_id")
    require_member(call, chat)
    pinned = [
        (message.pin.create_time, message, message.pin)
        for message in chat.messages
        if message.pin and not message.deleted
    ]
    pinned.sort(key=lambda entry: entry[0], reverse=True)
    within = [
        (message, pin)
        for time, message, pin in pinned
        if (start is None or time >= start) and (end is None or time <= end)
    ]
    items, more = cut_page(within, call, size, codes.IM_PARAM)
    return {"items": [render(message, pin, call) for message, pin in items], **more}


def _check(call: Call, message: Message, chat: Chat) -> None:
    if not is_allowed(call, chat, "pin_manage_setting"):
        raise RefusedError(codes_im.PIN_REFUSED)
    if not call.settings.rate_limits:
        return
    if call.world.receiver_windows.take(("pin", message.message_id), [(PER_SECOND, 1.0)]):
        raise RefusedError(codes_im.PIN_FREQUENCY)


ROUTES = (
    Route("POST", "/open-apis/im/v1/pins", create, unconfirmed=("messages of p2p chats are pinned, too",)),
    Route("GET", "/open-apis/im/v1/pins", list_pins, unconfirmed=("recalled messages are not listed",)),
    Route("DELETE", "/open-apis/im/v1/pins/:message_id", delete),
)
