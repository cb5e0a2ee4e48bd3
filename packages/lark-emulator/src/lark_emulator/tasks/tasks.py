"""`/task/v2/tasks`: make, read, change, delete, list."""

from __future__ import annotations

from typing import Any

from lark_emulator import codes_office
from lark_emulator.routing import Call, Route
from lark_emulator.tasks import access
from lark_emulator.tasks.access import make_bot_member, read_members, refuse, require_task, require_tasklist
from lark_emulator.validation import (
    cut_page,
    parse_whole_number,
    read_bounded_page_size,
    read_flag,
    read_json_object,
    read_user_id_type,
)
from lark_emulator.world.tasks import Member, Task

MAX_MEMBERS = 50
MAX_TEXT_LENGTH = 3000
MAX_EXTRA_LENGTH = 65_536
SHORTEST_TOKEN, MAX_TOKEN_LENGTH = 10, 100
MODES = (1, 2)
#: Members that are kept and shown as they came.
_KEPT = ("origin", "custom_complete", "docx_source")
UPDATE_FIELDS = (
    "summary", "description", "start", "due", "completed_at", "extra", "custom_complete", "repeat_rule",
    "mode", "is_milestone", "custom_fields",
)  # fmt: skip


def render(task: Task, call: Call, id_type: str) -> dict[str, Any]:
    """Return a task as Lark shows it: times are milliseconds in strings, `0` = not completed."""
    return {
        "guid": task.guid,
        "task_id": task.task_id,
        "summary": task.summary,
        "description": task.description,
        **({"due": task.due} if task.due else {}),
        **({"start": task.start} if task.start else {}),
        "reminders": task.reminders,
        "creator": access.render(call, task.creator, id_type),
        "members": [access.render(call, member, id_type) for member in task.members],
        "completed_at": str(task.completed_at),
        "status": "done" if task.completed_at else "todo",
        "attachments": [],
        "extra": task.extra,
        "tasklists": [{"tasklist_guid": guid, "section_guid": ""} for guid in task.tasklists],
        "repeat_rule": task.repeat_rule,
        "parent_task_guid": "",
        "mode": task.mode,
        "source": 6,
        "created_at": str(task.created_at),
        "updated_at": str(task.updated_at),
        "url": f"https://applink.feishu.cn/client/todo/detail?guid={task.guid}",
        "subtask_count": 0,
        "is_milestone": task.is_milestone,
        "custom_fields": [],
        "dependencies": [],
        **task.more,
    }


def create(call: Call) -> dict[str, Any]:
    """Answer `POST /task/v2/tasks`; a repeated `client_token` answers with the first task."""
    id_type = read_user_id_type(call)
    body = read_json_object(call, codes_office.TASK_PARAM)
    token = body.get("client_token") or ""
    if token and not (isinstance(token, str) and SHORTEST_TOKEN <= len(token) <= MAX_TOKEN_LENGTH):
        refuse(f"client_token must have {SHORTEST_TOKEN} to {MAX_TOKEN_LENGTH} characters")
    known = call.world.repeats.find("task", call.app.app_id, token, call.world.tasks.tasks)
    if known is not None:
        return {"task": render(known, call, id_type)}
    now = call.world.clock.get_time_ms()
    number = len(call.world.repeats) + len(call.world.tasks.tasks)
    task = Task(
        access.make_guid(call.world), f"t{100_000 + number}", "", make_bot_member(call, "creator"), now, now
    )
    fields = {name: body[name] for name in UPDATE_FIELDS if body.get(name) is not None}
    _change(task, {"summary": "", **fields})
    task.members = read_members(call, body.get("members"), id_type, access.TASK_ROLES, limit=MAX_MEMBERS)
    task.reminders = _read_reminders(body.get("reminders"), call, task)
    for entry in body.get("tasklists") or ():
        guid = entry.get("tasklist_guid") if isinstance(entry, dict) else None
        require_tasklist(call, str(guid), roles=(access.OWNER, access.EDITOR))
        task.tasklists.append(str(guid))
    task.more = {name: body[name] for name in _KEPT if body.get(name) is not None}
    call.world.tasks.tasks[task.guid] = task
    call.world.repeats.note("task", call.app.app_id, token, task.guid)
    return {"task": render(task, call, id_type)}


def get(call: Call) -> dict[str, Any]:
    """Answer `GET /task/v2/tasks/:task_guid`."""
    id_type = read_user_id_type(call)
    return {"task": render(require_task(call), call, id_type)}


def patch(call: Call) -> dict[str, Any]:
    """Answer `PATCH /task/v2/tasks/:task_guid`: the fields in `update_fields`, cleared if without a value."""
    id_type = read_user_id_type(call)
    task = require_task(call, writes=True)
    body = read_json_object(call, codes_office.TASK_PARAM)
    names = body.get("update_fields")
    if not isinstance(names, list) or not names:
        refuse("update_fields is required")
    unknown = [name for name in names if name not in UPDATE_FIELDS]
    if unknown:
        refuse(f"invalid update_fields: {unknown[0]}")
    values = body.get("task") if isinstance(body.get("task"), dict) else {}
    _change(task, {name: (values or {}).get(name) for name in names})
    task.updated_at = call.world.clock.get_time_ms()
    return {"task": render(task, call, id_type)}


def delete(call: Call) -> dict[str, Any]:
    """Answer `DELETE /task/v2/tasks/:task_guid`."""
    call.world.tasks.drop(require_task(call, writes=True))
    return {}


def list_tasks(call: Call) -> dict[str, Any]:
    """Answer `GET /task/v2/tasks`: what the bot is responsible for."""
    id_type = read_user_id_type(call)
    size = read_bounded_page_size(call, limit=100, default=50)
    own = [
        task
        for task in call.world.tasks.tasks.values()
        if Member(call.app.app_id, "app", access.ASSIGNEE) in task.members
    ]
    return render_task_page(call, own, size, id_type)


def render_task_page(call: Call, tasks: list[Task], size: int, id_type: str) -> dict[str, Any]:
    """Return one page of those that are completed or not, as the query says."""
    if call.query.get("completed"):
        wanted = read_flag(call.query, "completed")
        tasks = [task for task in tasks if bool(task.completed_at) == wanted]
    items, more = cut_page(tasks, call, size, codes_office.TASK_PARAM)
    return {"items": [render(task, call, id_type) for task in items], **more}


def _change(task: Task, fields: dict[str, Any]) -> None:
    """Change a task, all or nothing."""
    changes: dict[str, Any] = {}
    for name in ("summary", "description", "extra", "repeat_rule"):
        if name in fields:
            changes[name] = _check_text(name, fields[name])
    if changes.get("summary") == "":
        refuse("summary is required")
    for name in ("start", "due"):
        if name in fields:
            changes[name] = _read_day(name, fields[name])
    start, due = changes.get("start", task.start), changes.get("due", task.due)
    if start and due:
        if start["is_all_day"] != due["is_all_day"]:
            refuse("start and due must both be a date, or both be a time")
        if int(start["timestamp"]) > int(due["timestamp"]):
            refuse("start must not be later than due")
    if "completed_at" in fields:
        completed = _parse_milliseconds("completed_at", fields["completed_at"] or "0")
        if completed and task.completed_at:
            refuse("the task is completed already")
        changes["completed_at"] = completed
    if "mode" in fields:
        changes["mode"] = fields["mode"] or MODES[1]
        if changes["mode"] not in MODES:
            refuse("mode must be 1 or 2")
    if "is_milestone" in fields:
        changes["is_milestone"] = fields["is_milestone"] is True
    for name, value in changes.items():
        setattr(task, name, value)
    if "custom_complete" in fields:
        task.more = {**task.more, "custom_complete": fields["custom_complete"]}


def _check_text(name: str, value: object) -> str:
    if value is None:
        return ""
    longest = MAX_EXTRA_LENGTH if name == "extra" else MAX_TEXT_LENGTH
    if not isinstance(value, str):
        refuse(f"{name} must be a string")
    if len(value) > longest:
        refuse(f"{name} is too long, at most {longest} characters")
    return value


def _read_day(name: str, value: object) -> dict[str, Any] | None:
    if not value:
        return None
    spec = value if isinstance(value, dict) else {}
    time = _parse_milliseconds(f"{name}.timestamp", spec.get("timestamp"))
    whole_day = spec.get("is_all_day") is True
    if whole_day:
        time -= time % (24 * 3600 * 1000)
    return {"timestamp": str(time), "is_all_day": whole_day}


def _parse_milliseconds(name: str, value: object) -> int:
    time = parse_whole_number(value) if isinstance(value, str) else None
    if time is None or time < 0:
        refuse(f"{name} must be milliseconds in a string")
    return time


def _read_reminders(reminders: object, call: Call, task: Task) -> list[dict[str, Any]]:
    if not reminders:
        return []
    if task.due is None:
        refuse("a reminder needs a due time")
    if not isinstance(reminders, list) or len(reminders) > 1 or not isinstance(reminders[0], dict):
        refuse("a task has at most one reminder")
    minutes = reminders[0].get("relative_fire_minute")
    if not isinstance(minutes, int) or minutes < 0:
        refuse("relative_fire_minute must be a number of minutes")
    return [{"id": str(int(call.world.make_id("", 12), 16)), "relative_fire_minute": minutes}]


_PATH = "/open-apis/task/v2/tasks"
_NOTES = (
    access.BOT_ACTS,
    "custom fields, attachments, subtasks and dependencies are not emulated",
    "wording of 1470400 and HTTP status as the pages give them; no events, no notices",
)

ROUTES = (
    Route(
        "POST",
        _PATH,
        create,
        unconfirmed=(*_NOTES, "a repeated `client_token` answers with the first task"),
    ),
    Route("GET", f"{_PATH}/:task_guid", get, unconfirmed=_NOTES),
    Route("PATCH", f"{_PATH}/:task_guid", patch, unconfirmed=_NOTES),
    Route("DELETE", f"{_PATH}/:task_guid", delete, unconfirmed=(access.BOT_ACTS,)),
    Route(
        "GET",
        _PATH,
        list_tasks,
        evidence="documentation",
        unconfirmed=("Lark asks for a user's token here; a bot gets what it is responsible for",),
    ),
)
