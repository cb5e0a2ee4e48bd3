"""`/im/v1/chats`: change, dissolve, search, share by a link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes, codes_im
from lark_emulator.codes import RefusedError
from lark_emulator.im.announcing import announce_chat
from lark_emulator.im.chat_settings import SETTINGS, read_settings
from lark_emulator.im.chats import (
    NO_SUBJECT,
    SHORTEST_PUBLIC_NAME,
    read_i18n_names,
    render_listed,
    require_chat,
    require_user,
)
from lark_emulator.im.roles import is_allowed, is_manager, is_owner
from lark_emulator.routing import Call, Route
from lark_emulator.validation import (
    cut_page,
    read_bounded_page_size,
    read_choice,
    read_json_object,
    read_optional_text,
    read_user_id_type,
)

if TYPE_CHECKING:
    from lark_emulator.world.chats import Chat

MAX_QUERY_LENGTH = 64
_DAY = 24 * 3600
#: Seconds that a link is good for.
_PERIODS = {"week": 7 * _DAY, "year": 365 * _DAY, "permanently": 0}


def require_own_chat(call: Call) -> Chat:
    """Return the chat of the path, in which the caller is.

    Raises:
        RefusedError: 232006 (no such chat), 232009 (dissolved), 232011 (the caller is not in it).
    """
    chat = require_chat(call)
    if chat.dissolved:
        raise RefusedError(codes.CHAT_DISSOLVED)
    if not chat.has(call.who):
        raise RefusedError(codes.OPERATOR_NOT_IN_CHAT)
    return chat


def update(call: Call) -> dict[str, Any]:
    """Answer `PUT /im/v1/chats/:chat_id`: what is named is changed, all or nothing."""
    id_type = read_user_id_type(call)
    chat = require_own_chat(call)
    if chat.mode == "p2p":
        raise RefusedError(codes_im.CHAT_TYPE)
    body = read_json_object(call, codes.CHAT_PARAM)
    settings = read_settings(body)
    plain = {
        name: read_optional_text(body, name) for name in ("name", "description", "avatar") if name in body
    }
    chat_type = read_choice(body, "chat_type", ("private", "public"), default=chat.chat_type)
    message_type = read_choice(body, "group_message_type", ("chat", "thread"), default=chat.message_type)
    owner_id = read_optional_text(body, "owner_id")
    names = read_i18n_names(body)
    if not is_allowed(call, chat, "edit_permission"):
        raise RefusedError(codes_im.CHAT_EDIT_REFUSED)
    restricted = settings or owner_id or chat_type != chat.chat_type or message_type != chat.message_type
    if restricted and not is_manager(call, chat):
        raise RefusedError(codes_im.CHAT_EDIT_PARTS)
    if owner_id:
        owner = require_user(call, id_type, owner_id)
        if owner.user_id not in chat.users:
            raise RefusedError(codes_im.OWNER_OUTSIDE)
        if not is_owner(call, chat):
            raise RefusedError(codes_im.CHAT_EDIT_PARTS)
        owner_id = owner.user_id
    name = plain.get("name", chat.name)
    if chat_type == "public" and not name:
        raise RefusedError(codes.PUBLIC_NAME_EMPTY)
    if chat_type == "public" and len(name) < SHORTEST_PUBLIC_NAME:
        raise RefusedError(codes.PUBLIC_NAME_SHORT)
    before = _describe(chat)
    chat.name = name or NO_SUBJECT
    chat.description = plain.get("description", chat.description)
    chat.avatar = plain.get("avatar", chat.avatar)
    chat.chat_type, chat.message_type = chat_type, message_type
    chat.owner = owner_id or chat.owner
    chat.settings |= settings
    chat.i18n_names |= names
    after = _describe(chat)
    changed = [member for member in after if before[member] != after[member]]
    if changed:
        announce_chat(
            call.world,
            chat,
            "im.chat.updated_v1",
            call.author,
            before_change={member: before[member] for member in changed},
            after_change={member: after[member] for member in changed},
        )
    return {}


def _describe(chat: Chat) -> dict[str, Any]:
    plain = {"name": chat.name, "description": chat.description, "avatar": chat.avatar}
    return plain | {name: chat.settings.get(name, words[0]) for name, words in SETTINGS.items()}


def dissolve(call: Call) -> dict[str, Any]:
    """Answer `DELETE /im/v1/chats/:chat_id`: by its owner, or by the app that made it."""
    chat = require_own_chat(call)
    if chat.mode == "p2p":
        raise RefusedError(codes_im.CHAT_TYPE)
    if not is_owner(call, chat):
        raise RefusedError(codes_im.NOT_OWNER)
    chat.dissolved = True
    announce_chat(call.world, chat, "im.chat.disbanded_v1", call.author, name=chat.name)
    return {}


def search(call: Call) -> dict[str, Any]:
    """Answer `GET /im/v1/chats/search`: the caller's groups, and public ones, by a part of their name."""
    id_type = read_user_id_type(call)
    size = read_bounded_page_size(call, limit=100)
    query = call.query.get("query", "").casefold()
    chats = [
        chat
        for chat in call.world.chats.values()
        if chat.mode != "p2p"
        and not chat.dissolved
        and (chat.has(call.who) or chat.chat_type == "public")
        and any(query in name.casefold() for name in (chat.name, *chat.i18n_names.values()))
    ]
    if not query or len(query) > MAX_QUERY_LENGTH:
        chats = []
    items, more = cut_page(chats, call, size, codes.CHAT_PARAM)
    return {"items": [render_listed(chat, call, id_type) for chat in items], **more}


def make_link(call: Call) -> dict[str, Any]:
    """Answer `POST /im/v1/chats/:chat_id/link`: an address at which nothing is served."""
    chat = require_own_chat(call)
    if chat.mode == "p2p":
        raise RefusedError(codes_im.P2P_LINK)
    period = read_choice(
        read_json_object(call, codes.CHAT_PARAM), "validity_period", tuple(_PERIODS), default="week"
    )
    ends = "" if period == "permanently" else str(int(call.world.clock.get_time()) + _PERIODS[period])
    return {
        "share_link": f"https://emulator.invalid/chat/{chat.chat_id}?token={call.world.make_id('', 16)}",
        "expire_time": ends,
        "is_permanent": period == "permanently",
    }


_PATH = "/open-apis/im/v1/chats"
_CREATOR = "the app that made a group acts as its owner with the scope `im:chat:operate_as_owner`"

ROUTES = (
    Route(
        "PUT",
        f"{_PATH}/:chat_id",
        update,
        unconfirmed=(
            _CREATOR,
            "what a member that is no administrator may change: name, description and avatar",
            "the restricted mode is not emulated; `avatar` keeps the key",
        ),
    ),
    Route("DELETE", f"{_PATH}/:chat_id", dissolve, unconfirmed=(_CREATOR,)),
    Route(
        "GET",
        f"{_PATH}/search",
        search,
        unconfirmed=("a group is found by a part of its name, in the order in which groups were made",),
    ),
    Route(
        "POST",
        f"{_PATH}/:chat_id/link",
        make_link,
        unconfirmed=("`expire_time` is seconds, empty for a permanent link",),
    ),
)
