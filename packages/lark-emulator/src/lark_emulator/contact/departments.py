"""`/contact/v3/departments`: read, list, walk up and down, search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes, codes_office
from lark_emulator.codes import RefusedError
from lark_emulator.contact.users import read_id_types
from lark_emulator.routing import Call, Route
from lark_emulator.validation import (
    cut_page,
    parse_whole_number,
    read_flag,
    read_json_object,
    refuse_parameter,
    require_text,
)
from lark_emulator.world.departments import ROOT, Department

if TYPE_CHECKING:
    from lark_emulator.routing import Actor

MAX_PER_PAGE = 50
MAX_IDS = 50


def render(
    actor: Actor, department: Department, id_type: str = "open_id", department_type: str = "department_id"
) -> dict[str, Any]:
    """Return a department as Lark shows it."""
    departments = actor.world.departments
    parent = departments.find(department.parent)
    leader = actor.world.users.get(department.leader)
    lead = "" if leader is None else leader.get_id(actor.app, id_type)
    return {
        "name": department.name,
        "i18n_name": {"zh_cn": "", "ja_jp": "", "en_us": ""},
        "parent_department_id": "" if parent is None else parent.get_id(department_type),
        "department_id": department.department_id,
        "open_department_id": department.open_department_id,
        "leader_user_id": lead,
        "chat_id": department.chat_id,
        "order": department.order,
        "unit_ids": [],
        "member_count": len(departments.list_members(department, recursive=True)),
        "primary_member_count": len(departments.list_members(department, recursive=True)),
        "status": {"is_deleted": False},
        "leaders": [{"leaderType": 1, "leaderID": lead}] if lead else [],
    }


def find_department(call: Call, value: str, department_type: str) -> Department:
    """Return a department.

    Raises:
        RefusedError: 40015 (there is none), 40004 (out of the app's range).
    """
    department = call.world.departments.find(value, department_type)
    if department is None:
        raise RefusedError(codes_office.DEPARTMENT_UNKNOWN)
    if not call.world.departments.is_visible_to(call.app, department):
        raise RefusedError(codes_office.NO_DEPARTMENT_AUTHORITY)
    return department


def get(call: Call) -> dict[str, Any]:
    """Answer `GET /contact/v3/departments/:department_id`."""
    id_type, department_type = read_id_types(call)
    department = find_department(call, call.params["department_id"], department_type)
    return {"department": render(call, department, id_type, department_type)}


def get_batch(call: Call) -> dict[str, Any]:
    """Answer `GET /contact/v3/departments/batch`: those out of range are left out."""
    id_type, department_type = read_id_types(call)
    ids = [value for name, value in call.query_pairs if name == "department_ids" and value]
    if not 1 <= len(ids) <= MAX_IDS:
        refuse_parameter("department_ids", len(ids), f"the length must be between 1 and {MAX_IDS}")
    departments = (call.world.departments.find(value, department_type) for value in dict.fromkeys(ids))
    return {
        "items": [
            render(call, department, id_type, department_type)
            for department in departments
            if department is not None and call.world.departments.is_visible_to(call.app, department)
        ]
    }


def list_children(call: Call) -> dict[str, Any]:
    """Answer `GET /contact/v3/departments/:department_id/children`."""
    return _list_descendants(call, call.params["department_id"])


def list_departments(call: Call) -> dict[str, Any]:
    """Answer `GET /contact/v3/departments`, the older way to list."""
    return _list_descendants(call, call.query.get("parent_department_id") or ROOT)


def _list_descendants(call: Call, value: str) -> dict[str, Any]:
    _, department_type = read_id_types(call)
    parent = find_department(call, value, department_type)
    departments = call.world.departments.list_children(parent, recursive=read_flag(call.query, "fetch_child"))
    return _make_page(
        call,
        [
            department
            for department in departments
            if call.world.departments.is_visible_to(call.app, department)
        ],
        10,
    )


def list_parents(call: Call) -> dict[str, Any]:
    """Answer `GET /contact/v3/departments/parent`: those above a department, the nearest first."""
    _, department_type = read_id_types(call)
    department = find_department(call, require_text(dict(call.query), "department_id"), department_type)
    return _make_page(call, call.world.departments.list_parents(department), 20)


def search(call: Call) -> dict[str, Any]:
    """Answer `POST /contact/v3/departments/search`: by a part of the name."""
    query = require_text(read_json_object(call, codes.CONTACT_PARAM), "query").casefold()
    departments = [
        department
        for department in call.world.departments.by_id.values()
        if query in department.name.casefold() and call.world.departments.is_visible_to(call.app, department)
    ]
    return _make_page(call, departments, 20)


def _make_page(call: Call, departments: list[Department], default: int) -> dict[str, Any]:
    id_type, department_type = read_id_types(call)
    items, more = cut_page(
        departments, call, read_contact_page_size(call, default), codes_office.CONTACT_PAGE_TOKEN
    )
    return {"items": [render(call, department, id_type, department_type) for department in items], **more}


def read_contact_page_size(call: Call, default: int) -> int:
    """Return the page size; 40011 if it is out of bounds."""
    raw = call.query.get("page_size")
    size = default if not raw else parse_whole_number(raw)
    if size is None or not 1 <= size <= MAX_PER_PAGE:
        raise RefusedError(codes_office.CONTACT_PAGE_SIZE)
    return size


_PATH = "/open-apis/contact/v3/departments"
_FIELDS = "names in other languages, units and HR partners are not emulated"
_RANGE = (
    "an app with a limited range sees the departments of those whom it sees, and those above (else 40004)"
)
_COUNT = "`member_count` counts the people of departments below, each once"

ROUTES = (
    Route("GET", f"{_PATH}/:department_id", get, unconfirmed=(_FIELDS, _RANGE, _COUNT)),
    Route("GET", f"{_PATH}/batch", get_batch, unconfirmed=(_FIELDS, "unknown ids are left out")),
    Route("GET", f"{_PATH}/:department_id/children", list_children, unconfirmed=(_RANGE,)),
    Route("GET", _PATH, list_departments, unconfirmed=("pages of 10 unless asked for",)),
    Route("GET", f"{_PATH}/parent", list_parents, unconfirmed=("the root is not listed",)),
    Route(
        "POST",
        f"{_PATH}/search",
        search,
        evidence="documentation",
        unconfirmed=("Lark asks for a user's token here; a part of the name is searched for",),
    ),
)
