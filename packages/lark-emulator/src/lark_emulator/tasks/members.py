"""Who belongs to a task, and which lists it is in."""

from __future__ import annotations

from typing import Any

from lark_emulator import codes_office
from lark_emulator.routing import Call, Route
from lark_emulator.tasks import access
from lark_emulator.tasks.access import read_members, refuse, require_task, require_tasklist
from lark_emulator.tasks.tasks import MAX_MEMBERS, render
from lark_emulator.validation import read_json_object, read_user_id_type, require_text


def add_members(call: Call) -> dict[str, Any]:
    """Answer `POST …/add_members`; those who already have the role are skipped."""
    return _change_members(call, add=True)


def remove_members(call: Call) -> dict[str, Any]:
    """Answer `POST …/remove_members`; those without the role are skipped."""
    return _change_members(call, add=False)


def _change_members(call: Call, *, add: bool) -> dict[str, Any]:
    id_type = read_user_id_type(call)
    task = require_task(call, writes=True)
    body = read_json_object(call, codes_office.TASK_PARAM)
    named = read_members(call, body.get("members"), id_type, access.TASK_ROLES, limit=MAX_MEMBERS)
    if not named:
        refuse("members is required")
    if add:
        task.members = list(dict.fromkeys((*task.members, *named)))
    else:
        task.members = [member for member in task.members if member not in named]
    task.updated_at = call.world.clock.get_time_ms()
    return {"task": render(task, call, id_type)}


def add_tasklist(call: Call) -> dict[str, Any]:
    """Answer `POST …/add_tasklist`."""
    return _change_tasklists(call, add=True)


def remove_tasklist(call: Call) -> dict[str, Any]:
    """Answer `POST …/remove_tasklist`."""
    return _change_tasklists(call, add=False)


def _change_tasklists(call: Call, *, add: bool) -> dict[str, Any]:
    id_type = read_user_id_type(call)
    task = require_task(call, writes=True)
    body = read_json_object(call, codes_office.TASK_PARAM)
    guid = require_tasklist(
        call, require_text(body, "tasklist_guid"), roles=(access.OWNER, access.EDITOR)
    ).guid
    others = [tasklist_guid for tasklist_guid in task.tasklists if tasklist_guid != guid]
    task.tasklists = [*others, guid] if add else others
    task.updated_at = call.world.clock.get_time_ms()
    return {"task": render(task, call, id_type)}


def list_tasklists(call: Call) -> dict[str, Any]:
    """Answer `GET …/tasklists`: the lists in which a task stands, of those that the bot may read."""
    task = require_task(call)
    readable = [
        guid for guid in task.tasklists if access.get_list_role(call, call.world.tasks.tasklists[guid])
    ]
    return {"tasklists": [{"tasklist_guid": guid, "section_guid": ""} for guid in readable]}


_PATH = "/open-apis/task/v2/tasks/:task_guid"
_SECTIONS = (
    access.BOT_ACTS,
    "sections are not emulated: `section_guid` is empty",
)

ROUTES = (
    Route("POST", f"{_PATH}/add_members", add_members, unconfirmed=(access.BOT_ACTS,)),
    Route("POST", f"{_PATH}/remove_members", remove_members, unconfirmed=(access.BOT_ACTS,)),
    Route("POST", f"{_PATH}/add_tasklist", add_tasklist, unconfirmed=_SECTIONS),
    Route("POST", f"{_PATH}/remove_tasklist", remove_tasklist, unconfirmed=_SECTIONS),
    Route("GET", f"{_PATH}/tasklists", list_tasklists, unconfirmed=_SECTIONS),
)
