"""`/contact/v3/users`: create, change and delete people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes, codes_office
from lark_emulator.codes import RefusedError
from lark_emulator.contact.departments import find_department
from lark_emulator.contact.users import FIELDS, find_user, read_id_types, render, with_country
from lark_emulator.routing import Call, Route
from lark_emulator.validation import (
    read_json_object,
    read_optional_text,
    read_text_list,
    read_user_id_type,
    refuse_parameter,
)

if TYPE_CHECKING:
    from lark_emulator.world.users import User

MAX_DEPARTMENTS = 50
_TEXTS = ("name", "en_name", "email", "mobile", "enterprise_email", "job_title", "employee_no")
_NUMBERS = {"gender": (0, 1, 2, 3), "employee_type": range(1, 1000)}


def create(call: Call) -> dict[str, Any]:
    """Answer `POST /contact/v3/users`; a repeated `client_token` answers with the first person."""
    id_type, department_type = read_id_types(call)
    body = read_json_object(call, codes.CONTACT_PARAM)
    token = call.query.get("client_token", "")
    known = call.world.repeats.find("user", call.app.app_id, token, call.world.users)
    if known is not None:
        return {"user": render(call, known, id_type, department_type)}
    changes = _read_changes(call, body, id_type, department_type, None)
    _check_whole(changes)
    own_id = read_optional_text(body, "user_id")
    if own_id in call.world.users:
        raise RefusedError(codes_office.USER_ID_TAKEN)
    user = call.world.add_user(own_id or call.world.make_id("", 8), changes["name"])
    user.email = ""
    _apply(user, changes)
    call.world.repeats.note("user", call.app.app_id, token, user.user_id)
    return {"user": render(call, user, id_type, department_type)}


def patch(call: Call) -> dict[str, Any]:
    """Answer `PATCH /contact/v3/users/:user_id`: what is named is changed."""
    return _change(call, whole=False)


def update(call: Call) -> dict[str, Any]:
    """Answer `PUT /contact/v3/users/:user_id`: all of it."""
    return _change(call, whole=True)


def _change(call: Call, *, whole: bool) -> dict[str, Any]:
    id_type, department_type = read_id_types(call)
    user = find_user(call, id_type, codes.USER_CHANGE_DENIED)
    body = read_json_object(call, codes.CONTACT_PARAM)
    changes = _read_changes(call, body, id_type, department_type, user)
    if whole:
        _check_whole(changes)
    _apply(user, changes)
    frozen = body.get("is_frozen")
    if isinstance(frozen, bool) and user.status in ("activated", "frozen"):
        user.status = "frozen" if frozen else "activated"
    return {"user": render(call, user, id_type, department_type)}


def delete(call: Call) -> dict[str, Any]:
    """Answer `DELETE /contact/v3/users/:user_id`: they have resigned, and leave their groups."""
    user = find_user(call, read_user_id_type(call), codes.USER_DELETION_DENIED)
    user.status = "resigned"
    for chat in call.world.chats.values():
        if chat.mode != "p2p" and user.user_id in chat.users:
            del chat.users[user.user_id]
            chat.managers.discard(user.user_id)
    return {}


def _check_whole(changes: dict[str, Any]) -> None:
    for name, code in (
        ("name", codes_office.NO_NAME),
        ("mobile", codes_office.NO_MOBILE),
        ("departments", codes_office.NO_USER_DEPARTMENT),
        ("employee_type", codes.CONTACT_PARAM),
    ):
        if not changes.get(name):
            raise RefusedError(code)


def _read_changes(
    call: Call, body: dict[str, Any], id_type: str, department_type: str, own: User | None
) -> dict[str, Any]:
    """Return what a request changes, checked."""
    changes: dict[str, Any] = {name: read_optional_text(body, name) for name in _TEXTS if name in body}
    for name, known in _NUMBERS.items():
        if body.get(name) is None:
            continue
        if not isinstance(body[name], int) or body[name] not in known:
            refuse_parameter(name, body[name], f"{name} is invalid")
        changes[name] = body[name]
    if "name" in changes and not changes["name"]:
        raise RefusedError(codes_office.NO_NAME)
    for other in call.world.users.values():
        if other is own:
            continue
        if changes.get("email") and other.email == changes["email"]:
            raise RefusedError(codes_office.EMAIL_TAKEN)
        mobile = changes.get("mobile")
        if mobile and other.mobile and with_country(other.mobile) == with_country(mobile):
            raise RefusedError(codes_office.MOBILE_TAKEN)
    if "department_ids" in body:
        ids = read_text_list(body, "department_ids", limit=MAX_DEPARTMENTS)
        if not ids:
            raise RefusedError(codes_office.NO_USER_DEPARTMENT)
        departments = [find_department(call, value, department_type) for value in ids]
        changes["departments"] = [department.open_department_id for department in departments]
    leader = read_optional_text(body, "leader_user_id")
    if leader:
        found_leader = call.world.find_user(call.app, id_type, leader)
        if found_leader is None:
            raise RefusedError(codes.USER_ID_INVALID_ERROR)
        changes["leader"] = found_leader.user_id
    return changes


def _apply(user: User, changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        setattr(user, name, value)


_PATH = "/open-apis/contact/v3/users"

ROUTES = (
    Route(
        "POST",
        _PATH,
        create,
        unconfirmed=(FIELDS, "they are active at once", "a repeated `client_token` answers with the first"),
    ),
    Route("PATCH", f"{_PATH}/:user_id", patch, unconfirmed=(FIELDS,)),
    Route("PUT", f"{_PATH}/:user_id", update, unconfirmed=(FIELDS,)),
    Route(
        "DELETE",
        f"{_PATH}/:user_id",
        delete,
        unconfirmed=("their groups and documents are handed to nobody",),
    ),
)
