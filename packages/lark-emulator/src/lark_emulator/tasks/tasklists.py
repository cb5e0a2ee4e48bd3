"""`/task/v2/tasklists`: lists of tasks, their members, their tasks."""

from __future__ import annotations

from typing import Any

from lark_emulator import codes_office
from lark_emulator.codes import RefusedError
from lark_emulator.routing import Call, Route
from lark_emulator.tasks import access
from lark_emulator.tasks.access import make_bot_member, read_members, refuse, require_tasklist
from lark_emulator.tasks.tasks import render_task_page
from lark_emulator.validation import cut_page, read_bounded_page_size, read_json_object, read_user_id_type
from lark_emulator.world.tasks import Member, Tasklist

MAX_NAME_LENGTH = 100
MAX_MEMBERS = 500
UPDATE_FIELDS = ("name", "owner")


def render(tasklist: Tasklist, call: Call, id_type: str) -> dict[str, Any]:
    """Return a list as Lark shows it."""
    return {
        "guid": tasklist.guid,
        "name": tasklist.name,
        "creator": access.render(call, tasklist.creator, id_type),
        "owner": access.render(call, tasklist.owner, id_type),
        "members": [access.render(call, member, id_type) for member in tasklist.members],
        "url": f"https://applink.feishu.cn/client/todo/task_list?guid={tasklist.guid}",
        "created_at": str(tasklist.created_at),
        "updated_at": str(tasklist.updated_at),
    }


def create(call: Call) -> dict[str, Any]:
    """Answer `POST /task/v2/tasklists`: the bot owns the list."""
    id_type = read_user_id_type(call)
    body = read_json_object(call, codes_office.TASK_PARAM)
    name = _check_name(body.get("name"))
    members = _read_members(call, body, id_type)
    now = call.world.clock.get_time_ms()
    own = make_bot_member(call, access.OWNER)
    tasklist = Tasklist(access.make_guid(call.world), name, make_bot_member(call, "creator"), own, now, now)
    tasklist.members = _without_owner(tasklist, members)
    call.world.tasks.tasklists[tasklist.guid] = tasklist
    return {"tasklist": render(tasklist, call, id_type)}


def get(call: Call) -> dict[str, Any]:
    """Answer `GET /task/v2/tasklists/:tasklist_guid`."""
    id_type = read_user_id_type(call)
    return {"tasklist": render(require_tasklist(call), call, id_type)}


def patch(call: Call) -> dict[str, Any]:
    """Answer `PATCH /task/v2/tasklists/:tasklist_guid`: name, and owner by the owner."""
    id_type = read_user_id_type(call)
    tasklist = require_tasklist(call, roles=(access.OWNER, access.EDITOR))
    body = read_json_object(call, codes_office.TASK_PARAM)
    names = body.get("update_fields")
    if not isinstance(names, list) or not names or any(name not in UPDATE_FIELDS for name in names):
        refuse(f"update_fields may hold {', '.join(UPDATE_FIELDS)}")
    raw = body.get("tasklist")
    spec: dict[str, Any] = raw if isinstance(raw, dict) else {}
    name = _check_name(spec.get("name")) if "name" in names else tasklist.name
    if "owner" in names:
        if access.get_list_role(call, tasklist) != access.OWNER:
            raise RefusedError(codes_office.TASK_DENIED)
        owner = {**(spec.get("owner") or {}), "role": access.EDITOR}
        (new_owner,) = read_members(call, [owner], id_type, access.LIST_ROLES, limit=1)
        kept = Member(tasklist.owner.id, tasklist.owner.type, str(body.get("origin_owner_to_role") or ""))
        if kept.role in access.LIST_ROLES:
            tasklist.members.append(kept)
        tasklist.owner = Member(new_owner.id, new_owner.type, access.OWNER)
        tasklist.members = _without_owner(tasklist, tasklist.members)
    tasklist.name = name
    tasklist.updated_at = call.world.clock.get_time_ms()
    return {"tasklist": render(tasklist, call, id_type)}


def delete(call: Call) -> dict[str, Any]:
    """Answer `DELETE /task/v2/tasklists/:tasklist_guid`: by its owner; the tasks stay."""
    call.world.tasks.drop_list(require_tasklist(call, roles=(access.OWNER,)))
    return {}


def list_tasklists(call: Call) -> dict[str, Any]:
    """Answer `GET /task/v2/tasklists`: those that the bot may read."""
    id_type = read_user_id_type(call)
    size = read_bounded_page_size(call, limit=100, default=50)
    own = [
        tasklist for tasklist in call.world.tasks.tasklists.values() if access.get_list_role(call, tasklist)
    ]
    items, more = cut_page(own, call, size, codes_office.TASK_PARAM)
    return {"items": [render(tasklist, call, id_type) for tasklist in items], **more}


def list_tasks(call: Call) -> dict[str, Any]:
    """Answer `GET /task/v2/tasklists/:tasklist_guid/tasks`."""
    id_type = read_user_id_type(call)
    size = read_bounded_page_size(call, limit=100, default=50)
    guid = require_tasklist(call).guid
    tasks = [task for task in call.world.tasks.tasks.values() if guid in task.tasklists]
    return render_task_page(call, tasks, size, id_type)


def add_members(call: Call) -> dict[str, Any]:
    """Answer `POST …/add_members`; who is in it already gets the new role."""
    id_type = read_user_id_type(call)
    tasklist = require_tasklist(call, roles=(access.OWNER, access.EDITOR))
    named = _read_members(call, read_json_object(call, codes_office.TASK_PARAM), id_type, needed=True)
    others = [
        member
        for member in tasklist.members
        if (member.type, member.id) not in {(m.type, m.id) for m in named}
    ]
    tasklist.members = _without_owner(tasklist, [*others, *named])
    return {"tasklist": render(tasklist, call, id_type)}


def remove_members(call: Call) -> dict[str, Any]:
    """Answer `POST …/remove_members`; who is not in it is passed over."""
    id_type = read_user_id_type(call)
    tasklist = require_tasklist(call, roles=(access.OWNER, access.EDITOR))
    named = _read_members(call, read_json_object(call, codes_office.TASK_PARAM), id_type, needed=True)
    gone = {(member.type, member.id) for member in named}
    tasklist.members = [member for member in tasklist.members if (member.type, member.id) not in gone]
    return {"tasklist": render(tasklist, call, id_type)}


def _read_members(call: Call, body: dict[str, Any], id_type: str, *, needed: bool = False) -> list[Member]:
    named = read_members(
        call, body.get("members"), id_type, access.LIST_ROLES, limit=MAX_MEMBERS, default=access.VIEWER
    )
    if needed and not named:
        refuse("members is required")
    return named


def _without_owner(tasklist: Tasklist, members: list[Member]) -> list[Member]:
    """Return the members but for the owner: no member has two roles."""
    own = (tasklist.owner.type, tasklist.owner.id)
    return [member for member in members if (member.type, member.id) != own]


def _check_name(value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_NAME_LENGTH:
        refuse(f"name must have 1 to {MAX_NAME_LENGTH} characters")
    return value


_PATH = "/open-apis/task/v2/tasklists"

ROUTES = (
    Route("POST", _PATH, create, unconfirmed=(access.BOT_ACTS,)),
    Route("GET", f"{_PATH}/:tasklist_guid", get, unconfirmed=(access.BOT_ACTS,)),
    Route(
        "PATCH", f"{_PATH}/:tasklist_guid", patch, unconfirmed=(access.BOT_ACTS, "sections are not emulated")
    ),
    Route("DELETE", f"{_PATH}/:tasklist_guid", delete, unconfirmed=(access.BOT_ACTS,)),
    Route(
        "GET", _PATH, list_tasklists, unconfirmed=(access.BOT_ACTS, "in the order in which they were made")
    ),
    Route(
        "GET",
        f"{_PATH}/:tasklist_guid/tasks",
        list_tasks,
        unconfirmed=(
            access.BOT_ACTS,
            "whole tasks, in the order in which they were made; no filter by time of creation",
        ),
    ),
    Route("POST", f"{_PATH}/:tasklist_guid/add_members", add_members, unconfirmed=(access.BOT_ACTS,)),
    Route("POST", f"{_PATH}/:tasklist_guid/remove_members", remove_members, unconfirmed=(access.BOT_ACTS,)),
)
