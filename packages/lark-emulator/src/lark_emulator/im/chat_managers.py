"""`/im/v1/chats/:chat_id/managers`: who administers a group."""

from __future__ import annotations

from typing import Any

from lark_emulator import codes, codes_im
from lark_emulator.codes import RefusedError
from lark_emulator.im.chat_changes import require_own_chat
from lark_emulator.im.roles import is_owner
from lark_emulator.routing import Call, Route
from lark_emulator.validation import read_choice, read_json_object, read_text_list
from lark_emulator.world.users import USER_ID_TYPES

MAX_USERS = 50
MAX_BOTS = 5


def add(call: Call) -> dict[str, Any]:
    """Answer `POST …/managers/add_managers`."""
    return _change(call, adds=True)


def delete(call: Call) -> dict[str, Any]:
    """Answer `POST …/managers/delete_managers`."""
    return _change(call, adds=False)


def _change(call: Call, *, adds: bool) -> dict[str, Any]:
    id_type = read_choice(call.query, "member_id_type", (*USER_ID_TYPES, "app_id"), default="open_id")
    chat = require_own_chat(call)
    if not is_owner(call, chat):
        raise RefusedError(codes_im.NOT_OWNER)
    body = read_json_object(call, codes.CHAT_PARAM)
    ids = read_text_list(body, "manager_ids", limit=MAX_BOTS if id_type == "app_id" else MAX_USERS)
    names = []
    for value in ids:
        if id_type == "app_id":
            names.append(value if value in chat.bots else "")
        else:
            user = call.world.find_user(call.app, id_type, value)
            names.append(user.user_id if user is not None and user.user_id in chat.users else "")
    if not names or not all(names):
        raise RefusedError(codes.UNAVAILABLE_IDS)
    chat.managers = chat.managers | set(names) if adds else chat.managers - set(names)
    shown_as = "open_id" if id_type == "app_id" else id_type
    return {
        "chat_managers": [
            chat.users[name].get_id(call.app, shown_as) for name in chat.users if name in chat.managers
        ],
        "chat_bot_managers": [name for name in chat.bots if name in chat.managers],
    }


_PATH = "/open-apis/im/v1/chats/:chat_id/managers"
_NOTES = (
    "by the owner alone, and by the app that made the group with `im:chat:operate_as_owner`",
    "an id that is not in the group refuses all of them with 232043",
)

ROUTES = (
    Route("POST", f"{_PATH}/add_managers", add, unconfirmed=_NOTES),
    Route("POST", f"{_PATH}/delete_managers", delete, unconfirmed=_NOTES),
)
