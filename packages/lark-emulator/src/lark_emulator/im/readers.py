"""Who has read a message, and the bubbles below the newest one of a p2p chat."""

from __future__ import annotations

from typing import Any

from lark_emulator import codes, codes_im
from lark_emulator.codes import RefusedError
from lark_emulator.im.messages import require_member
from lark_emulator.routing import Call, Route
from lark_emulator.validation import cut_page, read_bounded_page_size, read_json_object, read_user_id_type

DAY_MS = 24 * 3600 * 1000
READABLE_MS = 7 * DAY_MS
FOLLOW_UP_MS = 600 * 1000
MAX_BUBBLES = 3
MAX_BUBBLE_LENGTH = 200


def read_users(call: Call) -> dict[str, Any]:
    """Answer `GET /im/v1/messages/:message_id/read_users`: of the bot's own messages, for 7 days."""
    id_type = read_user_id_type(call)
    size = read_bounded_page_size(call, limit=100)
    message = call.world.messages.get(call.params["message_id"])
    if message is None:
        raise RefusedError(codes.IM_PARAM, "invalid message_id")
    require_member(call, call.world.chats[message.chat_id])
    if message.app_id != call.app.app_id:
        raise RefusedError(codes.NOT_SENDER_OF_CARD)
    if message.deleted:
        raise RefusedError(codes.MESSAGE_DELETED)
    if call.world.clock.get_time_ms() - message.create_time > READABLE_MS:
        raise RefusedError(codes_im.READERS_EXPIRED)
    items, more = cut_page(list(message.readers.items()), call, size, codes.IM_PARAM)
    readers = [(call.world.users[name], time) for name, time in items if name in call.world.users]
    return {
        "items": [
            {
                "user_id_type": id_type,
                "user_id": user.get_id(call.app, id_type),
                "timestamp": str(time),
                "tenant_key": user.tenant_key,
            }
            for user, time in readers
        ],
        **more,
    }


def push_follow_up(call: Call) -> dict[str, Any]:
    """Answer `POST /im/v1/messages/:message_id/push_follow_up`: up to three bubbles below a message."""
    body = read_json_object(call, codes.IM_PARAM)
    message = call.world.messages.get(call.params["message_id"])
    if message is None or message.app_id != call.app.app_id:
        raise RefusedError(codes.IM_PARAM, "invalid message_id")
    chat = call.world.chats[message.chat_id]
    if chat.mode != "p2p":
        raise RefusedError(codes_im.FOLLOW_UP_P2P)
    if chat.messages[-1] is not message or message.deleted:
        raise RefusedError(codes_im.FOLLOW_UP_LATEST)
    if call.world.clock.get_time_ms() - message.create_time > FOLLOW_UP_MS:
        raise RefusedError(codes_im.FOLLOW_UP_EXPIRED)
    if message.follow_ups:
        raise RefusedError(codes_im.FOLLOW_UP_EXISTS)
    message.follow_ups = _read_bubbles(body.get("follow_ups"))
    return {}


def _read_bubbles(bubbles: object) -> list[str]:
    if not isinstance(bubbles, list) or not 1 <= len(bubbles) <= MAX_BUBBLES:
        raise RefusedError(codes_im.FOLLOW_UP_INVALID)
    texts = [bubble.get("content") if isinstance(bubble, dict) else None for bubble in bubbles]
    if not all(isinstance(text, str) and 1 <= len(text) <= MAX_BUBBLE_LENGTH for text in texts):
        raise RefusedError(codes_im.FOLLOW_UP_INVALID)
    return [str(text) for text in texts]


_PATH = "/open-apis/im/v1/messages/:message_id"

ROUTES = (
    Route(
        "GET",
        f"{_PATH}/read_users",
        read_users,
        unconfirmed=("`user_id_type` may be absent", "in the order in which they have read it"),
    ),
    Route(
        "POST",
        f"{_PATH}/push_follow_up",
        push_follow_up,
        unconfirmed=("`i18n_contents` are not kept; another app's message gets 230001",),
    ),
)
