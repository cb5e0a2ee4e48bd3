"""`/im/v1/chats/:chat_id/members`: add, list, is_in_chat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes, codes_im
from lark_emulator.codes import RefusedError
from lark_emulator.im.announcing import announce_bot, announce_members
from lark_emulator.im.chat_changes import require_own_chat
from lark_emulator.im.chats import MAX_BOTS, MAX_USERS, require_chat
from lark_emulator.im.roles import is_allowed, is_manager
from lark_emulator.routing import Call, Route
from lark_emulator.validation import (
    cut_page,
    read_bounded_page_size,
    read_choice,
    read_json_object,
    read_text_list,
    read_user_id_type,
)
from lark_emulator.world.users import USER_ID_TYPES, User

if TYPE_CHECKING:
    from lark_emulator.world.apps import App

# succeed_type: what happens to the rest if some ids cannot be added.
ALL_OR_ERROR_IF_ABSENT, AS_MANY_AS_POSSIBLE, ALL_OR_NONE = "0", "1", "2"


def add(call: Call) -> dict[str, Any]:
    """Answer `POST …/members`: users, or bots with `member_id_type=app_id`."""
    id_type = read_choice(call.query, "member_id_type", (*USER_ID_TYPES, "app_id"), default="open_id")
    succeed = read_choice(
        call.query,
        "succeed_type",
        (ALL_OR_ERROR_IF_ABSENT, AS_MANY_AS_POSSIBLE, ALL_OR_NONE),
        default=ALL_OR_ERROR_IF_ABSENT,
    )
    chat = require_own_chat(call)
    if not is_allowed(call, chat, "add_member_permission"):
        raise RefusedError(codes_im.NOT_OWNER)
    body = read_json_object(call, codes.CHAT_PARAM)
    ids = read_text_list(body, "id_list", limit=MAX_BOTS if id_type == "app_id" else MAX_USERS)
    if not ids:
        raise RefusedError(codes.NO_VALID_MEMBERS)
    members: list[App | User] = []
    absent: list[str] = []
    invisible: list[str] = []
    for value in ids:
        member = call.world.apps.get(value) if id_type == "app_id" else _find_user(call, id_type, value)
        if member is None:
            absent.append(value)
        elif isinstance(member, User) and (member.is_external or not call.app.sees(member.user_id)):
            invisible.append(value)
        else:
            members.append(member)
    if (absent and succeed == ALL_OR_ERROR_IF_ABSENT) or ((absent or invisible) and succeed == ALL_OR_NONE):
        raise RefusedError(codes.UNAVAILABLE_IDS)
    new = [user for user in members if isinstance(user, User) and user.user_id not in chat.users]
    for member in members:
        if isinstance(member, User):
            chat.users[member.user_id] = member
        elif member.app_id not in chat.bots:
            chat.bots[member.app_id] = member
            announce_bot(call.world, chat, "im.chat.member.bot.added_v1", call.author, member)
    announce_members(call.world, chat, "im.chat.member.user.added_v1", call.author, new)
    return {"invalid_id_list": invisible, "not_existed_id_list": absent, "pending_approval_id_list": []}


def remove(call: Call) -> dict[str, Any]:
    """Answer `DELETE …/members`: by owner and administrators; anyone can leave by themselves."""
    id_type = read_choice(call.query, "member_id_type", (*USER_ID_TYPES, "app_id"), default="open_id")
    chat = require_own_chat(call)
    body = read_json_object(call, codes.CHAT_PARAM)
    ids = read_text_list(body, "id_list", limit=MAX_BOTS if id_type == "app_id" else MAX_USERS)
    members: list[App | User] = []
    invalid: list[str] = []
    for value in ids:
        member = call.world.apps.get(value) if id_type == "app_id" else _find_user(call, id_type, value)
        name = getattr(member, "user_id", getattr(member, "app_id", ""))
        if member is None or name not in (chat.bots if id_type == "app_id" else chat.users):
            invalid.append(value)
        else:
            members.append(member)
    if not members:
        raise RefusedError(codes.NO_VALID_MEMBERS)
    if members != [call.author] and not is_manager(call, chat):
        raise RefusedError(codes_im.MEMBERS_REFUSED)
    if any(isinstance(member, User) and member.user_id == chat.owner for member in members):
        raise RefusedError(codes_im.OWNER_KICKED)
    gone = [member for member in members if isinstance(member, User)]
    announce_members(call.world, chat, "im.chat.member.user.deleted_v1", call.author, gone)
    for member in members:
        if isinstance(member, User):
            del chat.users[member.user_id]
            chat.managers.discard(member.user_id)
        else:
            del chat.bots[member.app_id]
            chat.managers.discard(member.app_id)
            announce_bot(call.world, chat, "im.chat.member.bot.deleted_v1", call.author, member)
    return {"invalid_id_list": invalid}


def join_chat(call: Call) -> dict[str, Any]:
    """Answer `PATCH …/members/me_join`: the bot or user joins a public group."""
    chat = require_chat(call)
    if chat.dissolved:
        raise RefusedError(codes.CHAT_DISSOLVED)
    if chat.mode == "p2p" or chat.chat_type != "public":
        raise RefusedError(codes_im.CHAT_TYPE)
    if chat.settings.get("membership_approval") == "approval_required":
        raise RefusedError(codes_im.JOIN_APPROVAL)
    if chat.has(call.who):
        return {}
    if call.user is None:
        chat.bots[call.app.app_id] = call.app
        announce_bot(call.world, chat, "im.chat.member.bot.added_v1", call.app, call.app)
    else:
        chat.users[call.user.user_id] = call.user
        announce_members(call.world, chat, "im.chat.member.user.added_v1", call.user, [call.user])
    return {}


def _find_user(call: Call, id_type: str, value: str) -> User | None:
    try:
        return call.world.find_user(call.app, id_type, value)
    except RefusedError:  # an open_id of another app names no user to this app
        return None


def list_members(call: Call) -> dict[str, Any]:
    """Answer `GET …/members`: bots are never listed."""
    id_type = read_user_id_type(call, "member_id_type")
    size = read_bounded_page_size(call, limit=100)
    chat = require_own_chat(call)
    items, more = cut_page(list(chat.users.values()), call, size, codes.CHAT_PARAM)
    return {
        "items": [
            {
                "member_id_type": id_type,
                "member_id": user.get_id(call.app, id_type),
                "name": user.name,
                "tenant_key": user.tenant_key,
            }
            for user in items
        ],
        **more,
        "member_total": len(chat.users),
    }


def is_in_chat(call: Call) -> dict[str, Any]:
    """Answer `GET …/members/is_in_chat`: whether the bot or user is in the chat."""
    chat = require_chat(call)
    return {"is_in_chat": chat.has(call.who) and not chat.dissolved}


_PATH = "/open-apis/im/v1/chats/:chat_id/members"

ROUTES = (
    Route(
        "POST",
        _PATH,
        add,
        unconfirmed=(
            "an open_id of another app is reported as not existing; the bound of 15 bots is not applied",
            "people of other tenants are reported as invalid: the control plane adds them (`chats/change`)",
        ),
    ),
    Route(
        "DELETE",
        _PATH,
        remove,
        unconfirmed=(
            "the owner is never removed (232076); who is not in the group is reported as invalid",
            "the app that made a group removes others with the scope `im:chat:operate_as_owner`",
        ),
    ),
    Route("PATCH", f"{_PATH}/me_join", join_chat, unconfirmed=("a private group gets 232008",)),
    Route("GET", _PATH, list_members, unconfirmed=("pages here are always full",)),
    Route("GET", f"{_PATH}/is_in_chat", is_in_chat, unconfirmed=("in a dissolved chat: false",)),
)
