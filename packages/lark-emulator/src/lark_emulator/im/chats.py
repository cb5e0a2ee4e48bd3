"""`/im/v1/chats`: create, read, list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.im.chat_settings import SETTINGS, read_settings
from lark_emulator.routing import Call, Route
from lark_emulator.validation import (
    cut_page,
    read_bounded_page_size,
    read_choice,
    read_flag,
    read_json_object,
    read_optional_text,
    read_text_list,
    read_user_id_type,
)
from lark_emulator.world.chats import Chat

if TYPE_CHECKING:
    from lark_emulator.world.apps import App
    from lark_emulator.world.users import User

MAX_USERS = 50
MAX_BOTS = 5
MAX_UUID_LENGTH = 50
UUID_WINDOW = 10 * 3600
NO_SUBJECT = "(no subject)"
SHORTEST_PUBLIC_NAME = 2
#: Of `i18n_names`.
LANGUAGES = ("zh_cn", "en_us", "ja_jp")


def get_avatar_url(chat: Chat) -> str:
    """Return the address of a picture; nothing is served there."""
    return f"https://emulator.invalid/avatar/{chat.avatar or chat.chat_id}.png"


def _render_owner(chat: Chat, app: App, id_type: str) -> dict[str, str]:
    user = chat.users.get(chat.owner)
    if user is None:  # owned by a bot: Lark then leaves both members out
        return {}
    return {"owner_id": user.get_id(app, id_type), "owner_id_type": id_type}


def render_listed(chat: Chat, call: Call, id_type: str) -> dict[str, Any]:
    """Return what lists show of a group."""
    return {
        "chat_id": chat.chat_id,
        "avatar": get_avatar_url(chat),
        "name": chat.name,
        "description": chat.description,
        **_render_owner(chat, call.app, id_type),
        "external": chat.is_external,
        "tenant_key": call.tenant_key,
        "chat_status": "dissolved" if chat.dissolved else "normal",
    }


def _render_details(chat: Chat, call: Call, id_type: str) -> dict[str, Any]:
    return {
        **render_listed(chat, call, id_type),
        "chat_mode": chat.mode,
        "chat_type": chat.chat_type,
        "chat_tag": "inner",
        "group_message_type": chat.message_type,
        **{name: chat.settings.get(name, options[0]) for name, options in SETTINGS.items()},
        **({"i18n_names": chat.i18n_names} if chat.i18n_names else {}),
        "user_manager_id_list": [
            chat.users[name].get_id(call.app, id_type) for name in chat.users if name in chat.managers
        ],
        "bot_manager_id_list": [name for name in chat.bots if name in chat.managers],
    }


def read_i18n_names(body: dict[str, Any]) -> dict[str, str]:
    """Return the names of a group by language, as a body gives them.

    Raises:
        RefusedError: 232001, `i18n_names` is no object; 99992402, a name is not a string.
    """
    names = body.get("i18n_names")
    if names is None:
        return {}
    if not isinstance(names, dict):
        raise RefusedError(codes.CHAT_PARAM, "i18n_names must be an object")
    return {language: read_optional_text(names, language) for language in LANGUAGES if names.get(language)}


def create(call: Call) -> dict[str, Any]:
    """Answer `POST /im/v1/chats`: the bot is a member, and the owner unless another is named."""
    id_type = read_user_id_type(call)
    manages = read_flag(call.query, "set_bot_manager")
    uuid = read_optional_text(dict(call.query), "uuid", longest=MAX_UUID_LENGTH)
    body = read_json_object(call, codes.CHAT_PARAM)
    name = read_optional_text(body, "name")
    chat_type = read_choice(body, "chat_type", ("private", "public"), default="private")
    message_type = read_choice(body, "group_message_type", ("chat", "thread"), default="chat")
    description = read_optional_text(body, "description")
    settings, names = read_settings(body), read_i18n_names(body)
    users = [
        require_user(call, id_type, value) for value in read_text_list(body, "user_id_list", limit=MAX_USERS)
    ]
    bots = [_require_bot(call, value) for value in read_text_list(body, "bot_id_list", limit=MAX_BOTS)]
    owner = call.app.app_id
    owner_id = read_optional_text(body, "owner_id")
    if owner_id:
        owner_user = call.world.find_user(call.app, id_type, owner_id)
        if owner_user is None:
            raise RefusedError(codes.OWNER_ID_INVALID)
        users.insert(0, owner_user)
        owner = owner_user.user_id
    if chat_type == "public" and not name:
        raise RefusedError(codes.PUBLIC_NAME_EMPTY)
    if chat_type == "public" and len(name) < SHORTEST_PUBLIC_NAME:
        raise RefusedError(codes.PUBLIC_NAME_SHORT)
    key = (call.app.app_id, owner, uuid)
    now = call.world.clock.get_time()
    known = call.world.chat_uuids.get(key) if uuid else None
    if known is not None and now - known[1] < UUID_WINDOW:
        return _render_details(call.world.chats[known[0]], call, id_type)
    chat = call.world.add_chat(
        name or NO_SUBJECT,
        users=users,
        bots=[call.app, *bots],
        owner=owner,
        chat_type=chat_type,
        description=description,
        message_type=message_type,
    )
    chat.creator = call.app.app_id
    chat.settings, chat.i18n_names = settings, names
    if manages:
        chat.managers.add(call.app.app_id)
    if uuid:
        call.world.chat_uuids[key] = (chat.chat_id, now)
    return _render_details(chat, call, id_type)


def get(call: Call) -> dict[str, Any]:
    """Answer `GET /im/v1/chats/:chat_id`; counts are strings."""
    id_type = read_user_id_type(call)
    chat = require_chat(call)
    if not chat.has(call.who):
        raise RefusedError(codes.OPERATOR_NOT_IN_CHAT)
    return {
        **_render_details(chat, call, id_type),
        "user_count": str(len(chat.users)),
        "bot_count": str(len(chat.bots)),
    }


def list_chats(call: Call) -> dict[str, Any]:
    """Answer `GET /im/v1/chats`: the groups of this bot or user, no p2p chats."""
    id_type = read_user_id_type(call)
    order = read_choice(
        call.query, "sort_type", ("ByCreateTimeAsc", "ByActiveTimeDesc"), default="ByCreateTimeAsc"
    )
    size = read_bounded_page_size(call, limit=100)
    own = (chat for chat in call.world.chats.values() if chat.has(call.who))
    chats = [chat for chat in own if chat.mode != "p2p" and not chat.dissolved]
    if order == "ByActiveTimeDesc":
        chats.sort(key=lambda chat: chat.active_time, reverse=True)
    items, more = cut_page(chats, call, size, codes.CHAT_PARAM)
    return {"items": [render_listed(chat, call, id_type) for chat in items], **more}


def require_chat(call: Call) -> Chat:
    """Return the chat of the path.

    Raises:
        RefusedError: 232006, there is none.
    """
    chat = call.world.chats.get(call.params["chat_id"])
    if chat is None:
        raise RefusedError(codes.CHAT_ID_INVALID)
    return chat


def require_user(call: Call, id_type: str, value: str) -> User:
    """Return a user, or refuse with 232030."""
    user = call.world.find_user(call.app, id_type, value)
    if user is None:
        raise RefusedError(codes.USER_ID_INVALID)
    return user


def _require_bot(call: Call, app_id: str) -> App:
    app = call.world.apps.get(app_id)
    if app is None:
        raise RefusedError(codes.BOT_NOT_FOUND)
    return app


_PATH = "/open-apis/im/v1/chats"

ROUTES = (
    Route(
        "POST",
        _PATH,
        create,
        unconfirmed=(
            "a repeated `uuid` answers with the first chat",
            "labels, avatars and the restricted mode are not kept",
        ),
    ),
    Route("GET", _PATH, list_chats, unconfirmed=("dissolved chats are not listed",)),
    Route("GET", f"{_PATH}/:chat_id", get, unconfirmed=("a dissolved chat is read, with its `chat_status`",)),
)
