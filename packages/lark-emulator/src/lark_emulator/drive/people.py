"""Collaborators as requests name them, and as answers show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.world.drive import FOLDER

if TYPE_CHECKING:
    from lark_emulator.routing import Call
    from lark_emulator.world.drive import Document, Who

MEMBER_TYPES = (
    *("email", "openid", "unionid", "userid", "openchat"),
    *("opendepartmentid", "groupid", "wikispaceid"),
)
_USER_IDS = {"email": "email", "openid": "open_id", "unionid": "union_id", "userid": "user_id"}
_KINDS = {"user": ("user", "openid"), "app": ("user", "openid"), "chat": ("chat", "openchat")}


def require_who(call: Call, member_type: Any, member_id: Any) -> Who:
    """Return the collaborator that a request names.

    Raises:
        RefusedError: 1063001: unknown, or a department, which an app cannot name.
    """
    if member_type not in MEMBER_TYPES or not isinstance(member_id, str) or not member_id:
        raise RefusedError(codes.MEMBER_PARAM)
    if member_type == "openchat":
        if member_id not in call.world.chats:
            raise RefusedError(codes.MEMBER_PARAM)
        return "chat", member_id
    if member_type == "openid":
        for app in call.world.apps.values():
            if app.bot_open_id == member_id:
                return "app", app.app_id
    id_type = _USER_IDS.get(member_type)
    try:
        user = None if id_type is None else call.world.find_user(call.app, id_type, member_id)
    except RefusedError:  # an open_id of another app
        user = None
    if user is None:
        raise RefusedError(codes.MEMBER_PARAM)
    return "user", user.user_id


def check_seen(call: Call, who: Who) -> None:
    """Check that the calling app and a collaborator see each other.

    Raises:
        RefusedError: 1063003: outside the app's range, of another tenant, or a chat without the app's bot.
    """
    kind, name = who
    if kind == "chat":
        chat = call.world.chats[name]
        seen = call.app.app_id in chat.bots and not chat.dissolved
    elif kind == "user":
        user = call.world.users[name]
        seen = call.app.sees(name) and not user.is_external and user.status not in ("resigned", "exited")
    else:
        seen = True
    if not seen:
        raise RefusedError(codes.MEMBER_NOT_ALLOWED)


def without_effect(document: Document, who: Who) -> bool:
    """Return whether Lark accepts a grant without effect: that of a folder to an app."""
    return document.type == FOLDER and who[0] == "app"


def get_member_kind(who: Who) -> str:
    """Return what Lark calls the kind of a collaborator: `user`, for an app, too, or `chat`."""
    return _KINDS[who[0]][0]


def render(call: Call, who: Who, perm: str, fields: frozenset[str]) -> dict[str, Any]:
    """Return a collaborator for a list; `fields` (`*` = all) asks for more than ids and permission."""
    kind, name = who
    if kind == "user":
        user = call.world.users[name]
        member_id, title, external = user.get_id(call.app, "open_id"), user.name, user.is_external
    elif kind == "app":
        app = call.world.apps[name]
        member_id, title, external = app.bot_open_id, app.name, False
    else:
        member_id, title, external = name, call.world.chats[name].name, False
    type_, member_type = _KINDS[kind]
    item = {"member_type": member_type, "member_id": member_id, "perm": perm, "perm_type": "container"}
    more = {"name": title, "type": type_, "avatar": "", "external_label": external}
    return item | {key: value for key, value in more.items() if "*" in fields or key in fields}
