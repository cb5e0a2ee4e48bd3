"""`/im/v2/chats/search`: groups by their name, and by the people in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.im.chats import render_listed
from lark_emulator.routing import Call, Route
from lark_emulator.validation import (
    cut_page,
    read_bounded_page_size,
    read_json_object,
    read_optional_text,
    read_text_list,
    read_user_id_type,
)

if TYPE_CHECKING:
    from lark_emulator.world.chats import Chat

MAX_QUERY_LENGTH = 64
MAX_MEMBERS = 50
SEARCH_TYPES = ("private", "external", "public_joined", "public_not_joined")


def search(call: Call) -> dict[str, Any]:
    """Answer `POST /im/v2/chats/search`: the caller's groups, and public ones."""
    id_type = read_user_id_type(call)
    size = read_bounded_page_size(call, limit=100)
    body = read_json_object(call, codes.CHAT_PARAM)
    # A query in quotes is looked for literally.
    query = read_optional_text(body, "query", longest=MAX_QUERY_LENGTH).strip('"').casefold()
    filters = body.get("filter") or {}
    if not isinstance(filters, dict):
        raise RefusedError(codes.CHAT_PARAM, "filter must be an object")
    members = [
        call.world.find_user(call.app, id_type, value)
        for value in read_text_list(filters, "member_ids", limit=MAX_MEMBERS)
    ]
    if not query and not members:
        raise RefusedError(codes.CHAT_PARAM, "query or member_ids is required")
    types = read_text_list(filters, "search_types", limit=len(SEARCH_TYPES))
    if set(types) - set(SEARCH_TYPES):
        raise RefusedError(codes.CHAT_PARAM, f"search_types may hold {', '.join(SEARCH_TYPES)}")
    modes = read_text_list(filters, "chat_modes", limit=2)
    by_people = filters.get("disable_search_by_user") is not True
    chats = [
        chat
        for chat in call.world.chats.values()
        if (kind := _get_group_type(call, chat)) is not None
        and (not types or kind in types)
        and (not modes or chat.mode in modes)
        and _matches(chat, query, by_people=by_people)
        and all(user is not None and user.user_id in chat.users for user in members)
        and (filters.get("is_manager") is not True or _manages(call, chat))
    ]
    items, more = cut_page(chats, call, size, codes.CHAT_PARAM)
    return {"items": [_render(chat, call, id_type) for chat in items], **more, "total": len(chats)}


def _get_group_type(call: Call, chat: Chat) -> str | None:
    """Return what kind of group it is to the caller; None if it is not visible."""
    joined = chat.has(call.who)
    if chat.mode == "p2p" or chat.dissolved or not (joined or chat.chat_type == "public"):
        return None
    if chat.is_external:
        return "external"
    if chat.chat_type == "public":
        return "public_joined" if joined else "public_not_joined"
    return "private"


def _manages(call: Call, chat: Chat) -> bool:
    own = {chat.owner, *chat.managers}
    return call.who[1] in (own if call.user is not None else {*own, chat.creator})


def _matches(chat: Chat, query: str, *, by_people: bool) -> bool:
    names = [chat.name, *chat.i18n_names.values()]
    if by_people:
        names += [name for user in chat.users.values() for name in (user.name, user.en_name)]
    return any(query in name.casefold() for name in names)


def _render(chat: Chat, call: Call, id_type: str) -> dict[str, Any]:
    meta = {
        **render_listed(chat, call, id_type),
        "chat_mode": chat.mode,
        "create_time": str(chat.create_time),
        "update_time": str(max(chat.create_time, chat.active_time)),
    }
    return {"id": chat.chat_id, "display_info": chat.name, "meta_data": meta}


ROUTES = (
    Route(
        "POST",
        "/open-apis/im/v2/chats/search",
        search,
        unconfirmed=(
            "no page: request and answer follow the SDK's model and the official command line",
            "by a part of a name; no pinyin; `sorter` is not looked at; without a query and members 232001",
        ),
    ),
)
