"""`/contact/v3/departments`: make, change, delete."""

from __future__ import annotations

import re
from typing import Any

from lark_emulator import codes_office
from lark_emulator.codes import RefusedError
from lark_emulator.contact.departments import find_department, render
from lark_emulator.contact.users import read_id_types
from lark_emulator.routing import Call, Route
from lark_emulator.validation import read_json_object, read_optional_text
from lark_emulator.world.departments import ROOT, Department

_OWN_ID = re.compile(r"(?!od-)[A-Za-z0-9_@.-]{1,64}")


def create(call: Call) -> dict[str, Any]:
    """Answer `POST /contact/v3/departments`; a repeated `client_token` answers with the first one."""
    id_type, department_type = read_id_types(call)
    body = read_json_object(call, codes_office.DEPARTMENT_PARAM)
    token = call.query.get("client_token", "")
    known = call.world.repeats.find("department", call.app.app_id, token, call.world.departments.by_id)
    if known is not None:
        return {"department": render(call, known, id_type, department_type)}
    name = _read_name(body)
    parent = _read_parent(call, body, department_type)
    if parent is None:
        raise RefusedError(codes_office.NO_PARENT)
    own_id = read_optional_text(body, "department_id")
    if own_id and not _OWN_ID.fullmatch(own_id):
        raise RefusedError(codes_office.DEPARTMENT_ID)
    if own_id and call.world.departments.find(own_id, "department_id") is not None:
        raise RefusedError(codes_office.DEPARTMENT_ID_TAKEN)
    _check_name(call, name, parent, None)
    department = Department(
        call.world.make_id("od-"),
        own_id or call.world.make_id("", 16),
        name,
        parent.open_department_id,
        _read_leader(call, body, id_type),
        read_optional_text(body, "order"),
    )
    call.world.departments.by_id[department.open_department_id] = department
    call.world.repeats.note("department", call.app.app_id, token, department.open_department_id)
    return {"department": render(call, department, id_type, department_type)}


def patch(call: Call) -> dict[str, Any]:
    """Answer `PATCH /contact/v3/departments/:department_id`: what is named is changed."""
    return _change(call, whole=False)


def update(call: Call) -> dict[str, Any]:
    """Answer `PUT /contact/v3/departments/:department_id`: all of it."""
    return _change(call, whole=True)


def _change(call: Call, *, whole: bool) -> dict[str, Any]:
    id_type, department_type = read_id_types(call)
    department = _not_root(call, department_type)
    body = read_json_object(call, codes_office.DEPARTMENT_PARAM)
    name = _read_name(body) if whole or "name" in body else department.name
    parent = _read_parent(call, body, department_type)
    if parent is None and whole:
        raise RefusedError(codes_office.NO_PARENT)
    parent = parent or call.world.departments.find(department.parent) or call.world.departments.root
    if parent is department or department in call.world.departments.list_parents(parent):
        raise RefusedError(codes_office.DEPARTMENT_PARAM, "a department cannot be below itself")
    _check_name(call, name, parent, department)
    if whole or "leader_user_id" in body:
        department.leader = _read_leader(call, body, id_type)
    if whole or "order" in body:
        department.order = read_optional_text(body, "order")
    department.name, department.parent = name, parent.open_department_id
    return {"department": render(call, department, id_type, department_type)}


def delete(call: Call) -> dict[str, Any]:
    """Answer `DELETE /contact/v3/departments/:department_id`: an empty one."""
    _, department_type = read_id_types(call)
    department = _not_root(call, department_type)
    if call.world.departments.list_children(department):
        raise RefusedError(codes_office.DEPARTMENT_CHILDREN)
    if call.world.departments.list_members(department):
        raise RefusedError(codes_office.DEPARTMENT_MEMBERS)
    del call.world.departments.by_id[department.open_department_id]
    return {}


def _not_root(call: Call, department_type: str) -> Department:
    if call.params["department_id"] == ROOT:
        raise RefusedError(codes_office.ROOT_DEPARTMENT)
    return find_department(call, call.params["department_id"], department_type)


def _read_name(body: dict[str, Any]) -> str:
    name = body.get("name")
    if not isinstance(name, str) or not name.strip():
        raise RefusedError(codes_office.DEPARTMENT_PARAM, "name is required")
    return name


def _check_name(call: Call, name: str, parent: Department, own: Department | None) -> None:
    for sibling in call.world.departments.list_children(parent):
        if sibling is not own and sibling.name == name:
            raise RefusedError(codes_office.DEPARTMENT_NAME_TAKEN)


def _read_parent(call: Call, body: dict[str, Any], department_type: str) -> Department | None:
    value = read_optional_text(body, "parent_department_id")
    return find_department(call, value, department_type) if value else None


def _read_leader(call: Call, body: dict[str, Any], id_type: str) -> str:
    value = read_optional_text(body, "leader_user_id")
    user = call.world.find_user(call.app, id_type, value) if value else None
    if value and user is None:
        raise RefusedError(codes_office.DEPARTMENT_PARAM, "leader_user_id is invalid")
    return "" if user is None else user.user_id


_PATH = "/open-apis/contact/v3/departments"
_NOTES = ("names, leaders, parents and orders only; no group chats, no HR partners",)

ROUTES = (
    Route(
        "POST",
        _PATH,
        create,
        unconfirmed=(*_NOTES, "a repeated `client_token` answers with the first department"),
    ),
    Route("PATCH", f"{_PATH}/:department_id", patch, unconfirmed=_NOTES),
    Route("PUT", f"{_PATH}/:department_id", update, unconfirmed=_NOTES),
    Route("DELETE", f"{_PATH}/:department_id", delete),
)
