"""`/contact/v3`: the people of a department, names of people, what an app may see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes, codes_office
from lark_emulator.codes import RefusedError
from lark_emulator.contact.departments import find_department, read_contact_page_size
from lark_emulator.contact.users import FIELDS, RANGE, read_id_types, render, within_range
from lark_emulator.routing import Call, Route
from lark_emulator.validation import (
    cut_page,
    read_bounded_page_size,
    read_json_object,
    read_text_list,
    read_user_id_type,
    require_text,
)
from lark_emulator.world.departments import ROOT

if TYPE_CHECKING:
    from lark_emulator.world.users import User

GONE = ("resigned", "exited")
MAX_NAMES = 10


def find_by_department(call: Call) -> dict[str, Any]:
    """Answer `GET /contact/v3/users/find_by_department`: those in it, not those in departments below."""
    return _list_members(call, require_text(dict(call.query), "department_id"))


def list_users(call: Call) -> dict[str, Any]:
    """Answer `GET /contact/v3/users`, the older way to list."""
    return _list_members(call, call.query.get("department_id") or ROOT)


def _list_members(call: Call, value: str) -> dict[str, Any]:
    id_type, department_type = read_id_types(call)
    size = read_contact_page_size(call, 10)
    department = find_department(call, value, department_type)
    people = [
        user
        for user in call.world.departments.list_members(department)
        if within_range(call.app, user) and user.status not in GONE
    ]
    items, more = cut_page(people, call, size, codes_office.CONTACT_PAGE_TOKEN)
    return {"items": [render(call, user, id_type, department_type) for user in items], **more}


def list_basics(call: Call) -> dict[str, Any]:
    """Answer `POST /contact/v3/users/basic_batch`: names by ids; unknown ones are left out."""
    id_type = read_user_id_type(call)
    body = read_json_object(call, codes.CONTACT_PARAM)
    ids = read_text_list(body, "user_ids", limit=MAX_NAMES)
    if not ids:
        raise RefusedError(codes.CONTACT_PARAM)
    users: dict[str, User | None] = {value: call.world.find_user(call.app, id_type, value) for value in ids}
    return {
        "users": [
            {
                "user_id": value,
                "name": user.name,
                "i18n_name": {"zh_cn": user.name, "en_us": user.en_name, "ja_jp": ""},
            }
            for value, user in users.items()
            if user is not None and within_range(call.app, user)
        ]
    }


def get_scopes(call: Call) -> dict[str, Any]:
    """Answer `GET /contact/v3/scopes`: whom the app may see; `0` means everybody."""
    id_type, _ = read_id_types(call)
    size = read_bounded_page_size(call, limit=100, default=50)
    if call.app.available_to is None:
        return {"department_ids": [ROOT], "user_ids": [], "group_ids": [], "has_more": False}
    people = [user for user in call.world.users.values() if within_range(call.app, user)]
    items, more = cut_page(people, call, size, codes.CONTACT_PARAM)
    return {
        "department_ids": [],
        "user_ids": [user.get_id(call.app, id_type) for user in items],
        "group_ids": [],
        **more,
    }


_PATH = "/open-apis/contact/v3/users"

ROUTES = (
    Route(
        "GET",
        f"{_PATH}/find_by_department",
        find_by_department,
        unconfirmed=(FIELDS, RANGE, "who has resigned or left is not listed"),
    ),
    Route("GET", _PATH, list_users, unconfirmed=(FIELDS, RANGE, "the root if no department is named")),
    Route("POST", f"{_PATH}/basic_batch", list_basics, unconfirmed=("unknown ids are left out",)),
    Route(
        "GET",
        "/open-apis/contact/v3/scopes",
        get_scopes,
        unconfirmed=("a limited range is a list of people here, without departments and groups",),
    ),
)
