"""`/im/v1/messages/:message_id/urgent_*`: a message that rings, in the app, by SMS or by phone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from lark_emulator import codes, codes_im
from lark_emulator.codes import RefusedError
from lark_emulator.im.messages import require_member, require_open
from lark_emulator.im.roles import is_allowed
from lark_emulator.routing import Call, Route
from lark_emulator.validation import read_json_object, read_text_list, read_user_id_type, refuse_parameter
from lark_emulator.world.message_marks import Urgent

if TYPE_CHECKING:
    from lark_emulator.world.chats import Chat, Message
    from lark_emulator.world.users import User
    from lark_emulator.world.world import World

MAX_USERS = 200
#: Those that cost the tenant's paid quota.
PAID = ("sms", "phone")
UNREACHABLE = ("resigned", "exited")


def count_unread_urgent(world: World, user_id: str) -> int:
    """Return how many urgent messages a person has not read."""
    urged = {urgent.message_id for urgent in world.urgents if user_id in urgent.users}
    return sum(user_id not in world.messages[message_id].readers for message_id in urged)


def compute_quota_left(world: World, kind: str, quota: int) -> int:
    """Return how many people can still be called or texted."""
    return quota - sum(urgent.cost for urgent in world.urgents if urgent.kind == kind)


def urge(call: Call, kind: str) -> dict[str, Any]:
    """Answer `PATCH …/urgent_app`, `…/urgent_sms` and `…/urgent_phone`: the bot's own message."""
    id_type = read_user_id_type(call)
    body = read_json_object(call, codes.IM_PARAM)
    ids = read_text_list(body, "user_id_list", limit=MAX_USERS)
    if not ids:
        refuse_parameter("user_id_list", ids, "user_id_list is required")
    message, chat = _require_own_message(call)
    if chat.is_external:
        raise RefusedError(codes_im.IM_NO_PERMISSION)
    if not is_allowed(call, chat, "urgent_setting"):
        raise RefusedError(codes_im.URGENT_REFUSED)
    users = {value: _find_member(call, chat, id_type, value) for value in ids}
    people = list({user.user_id: user for user in users.values() if user is not None}.values())
    if not people:
        raise RefusedError(codes.IM_PARAM, "invalid user_id_list")
    if any(user.status in UNREACHABLE or not call.app.sees(user.user_id) for user in people):
        raise RefusedError(codes.NO_AVAILABILITY)
    limit = call.settings.urgent_unread_limit
    if any(count_unread_urgent(call.world, user.user_id) >= limit for user in people):
        raise RefusedError(codes_im.URGENT_UNREAD)
    cost = len(people) if kind in PAID else 0
    quota = getattr(call.settings, f"urgent_{kind}_quota", 0)
    if cost and cost > compute_quota_left(call.world, kind, quota):
        raise RefusedError(codes_im.URGENT_QUOTA)
    names = [user.user_id for user in people]
    call.world.urgents.append(
        Urgent(kind, message.message_id, call.app.app_id, names, cost, call.world.clock.get_time_ms())
    )
    for name in names:  # an urgent message is unread until it is read again
        message.readers.pop(name, None)
    return {"invalid_user_id_list": [value for value in ids if users[value] is None]}


def _require_own_message(call: Call) -> tuple[Message, Chat]:
    message = call.world.messages.get(call.params["message_id"])
    if message is None:
        raise RefusedError(codes.IM_PARAM, "invalid message_id")
    chat = call.world.chats[message.chat_id]
    require_open(chat)
    require_member(call, chat)
    if message.deleted:
        raise RefusedError(codes.MESSAGE_DELETED)
    batched = any(sent is message for batch in call.world.batches.values() for sent in batch.messages)
    if message.app_id != call.app.app_id or batched:
        raise RefusedError(codes.NOT_SENDER_OF_CARD)
    return message, chat


def _find_member(call: Call, chat: Chat, id_type: str, value: str) -> User | None:
    try:
        user = call.world.find_user(call.app, id_type, value)
    except RefusedError:  # an open_id of another app names no user to this app
        return None
    return chat.users.get(user.user_id) if user is not None else None


_PATH = "/open-apis/im/v1/messages/:message_id"
_NOTES = (
    "one person with too many unread urgent messages refuses the whole request",
    "a request again makes urgent again, and costs again",
    "`user_id_type` may be absent",
)
_QUOTA = (
    "the quota is counted per person, all or nothing (settable, `urgent_sms_quota`, `urgent_phone_quota`)"
)

ROUTES = (
    Route("PATCH", f"{_PATH}/urgent_app", partial(urge, kind="app"), unconfirmed=_NOTES),
    Route("PATCH", f"{_PATH}/urgent_sms", partial(urge, kind="sms"), unconfirmed=(*_NOTES, _QUOTA)),
    Route("PATCH", f"{_PATH}/urgent_phone", partial(urge, kind="phone"), unconfirmed=(*_NOTES, _QUOTA)),
)
