"""The part of the control plane for departments and calendars."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from lark_emulator.control.specs import (
    read_names,
    read_text,
    read_whole_number,
    refuse_unknown,
    require_known,
)
from lark_emulator.world.calendars import Event
from lark_emulator.world.departments import ROOT, Department
from lark_emulator.world.documents import Minute

if TYPE_CHECKING:
    from lark_emulator.lark import Lark
    from lark_emulator.world.calendars import Calendar
    from lark_emulator.world.card_entities import CardEntity
    from lark_emulator.world.tasks import Task
    from lark_emulator.world.world import World


def add_department(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Add a department.

    Args:
        lark: The emulator to add the department to.
        spec: Arguments by name: `name`, and, if wanted, `department_id` (its own, generated if absent),
            `parent` (an id of either type, the root if absent), `leader` and `users` (user ids of those who
            belong to it).

    Returns:
        The department as the state shows it.
    """
    refuse_unknown(spec, "name", "department_id", "parent", "leader", "users")
    world = lark.world
    name = read_text(spec, "name")
    if not name:
        raise ValueError("'name' is required")
    parent = world.departments.find(read_text(spec, "parent") or ROOT)
    if parent is None:
        raise ValueError(f"no department {read_text(spec, 'parent')!r}")
    own_id = read_text(spec, "department_id") or world.make_id("", 16)
    if world.departments.find(own_id) is not None:
        raise ValueError(f"department {own_id!r} exists already")
    leader = read_text(spec, "leader")
    if leader:
        require_known(world.users, "user", leader)
    people = [require_known(world.users, "user", user) for user in read_names(spec, "users") or []]
    department = Department(world.make_id("od-"), own_id, name, parent.open_department_id, leader)
    world.departments.by_id[department.open_department_id] = department
    for user in people:
        user.departments.append(department.open_department_id)
    return render_department(world, department)


def render_department(world: World, department: Department) -> dict[str, Any]:
    """Return a department with the people who belong to it."""
    return {
        "open_department_id": department.open_department_id,
        "department_id": department.department_id,
        "name": department.name,
        "parent": department.parent,
        "leader": department.leader,
        "users": [user.user_id for user in world.departments.list_members(department)],
    }


def add_event(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Add an event to a person's main calendar, so that the person is busy.

    Args:
        lark: The emulator to add the event to.
        spec: Arguments by name: `user` (user_id), `start` and `end` (such as `2026-11-26T09:00:00+08:00`),
            and, if wanted, `summary` and `free_busy_status` (`busy` or `free`).

    Returns:
        `calendar_id` and `event_id`.
    """
    refuse_unknown(spec, "user", "start", "end", "summary", "free_busy_status")
    user = require_known(lark.world.users, "user", read_text(spec, "user"))
    start, end = _read_seconds(spec, "start"), _read_seconds(spec, "end")
    if end <= start:
        raise ValueError("'end' must be later than 'start'")
    status = read_text(spec, "free_busy_status") or "busy"
    if status not in ("busy", "free"):
        raise ValueError(f"'free_busy_status' must be busy or free, not {status!r}")
    calendar = lark.world.calendars.ensure_primary(user_id=user.user_id, name=user.name)
    event = Event(
        f"{lark.world.make_id('', 32)}_0",
        calendar.calendar_id,
        "",
        lark.clock.get_time_ms(),
        {"timestamp": str(start), "timezone": "Asia/Shanghai"},
        {"timestamp": str(end), "timezone": "Asia/Shanghai"},
        summary=read_text(spec, "summary"),
        free_busy_status=status,
    )
    calendar.events[event.event_id] = event
    return {"calendar_id": calendar.calendar_id, "event_id": event.event_id}


def add_minute(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Add a recording: `title` and `user` (its owner's user_id), and `duration_ms` if wanted.

    Returns:
        Its `token`.
    """
    refuse_unknown(spec, "title", "user", "duration_ms")
    owner = require_known(lark.world.users, "user", read_text(spec, "user"))
    duration = read_whole_number(spec, "duration_ms") if spec.get("duration_ms") is not None else 0
    minute = Minute(
        f"obcn{lark.world.make_id('', 20)}",
        read_text(spec, "title"),
        owner.user_id,
        lark.clock.get_time_ms(),
        duration,
    )
    lark.world.minutes[minute.token] = minute
    return {"token": minute.token}


def _read_seconds(spec: dict[str, Any], name: str) -> int:
    try:
        time = datetime.fromisoformat(read_text(spec, name))
    except ValueError:
        raise ValueError(f"{name!r} must be a time such as 2026-11-26T09:00:00+08:00") from None
    if time.tzinfo is None:
        raise ValueError(f"{name!r} must have an offset from UTC, such as +08:00")
    return int(time.timestamp())


def render(world: World) -> dict[str, Any]:
    """Return departments, calendars with their events, tasks, card entities and urgent messages."""
    return {
        "departments": [
            render_department(world, department) for department in world.departments.by_id.values()
        ],
        "calendars": [_render_calendar(calendar) for calendar in world.calendars.by_id.values()],
        "tasks": [_render_task(world, task) for task in world.tasks.tasks.values()],
        "tasklists": [
            {
                "guid": tasklist.guid,
                "name": tasklist.name,
                "owner": f"{tasklist.owner.type}:{tasklist.owner.id}",
            }
            for tasklist in world.tasks.tasklists.values()
        ],
        "card_entities": [_render_card_entity(entity) for entity in world.card_entities.values()],
        "urgents": [
            {
                "kind": urgent.kind,
                "message_id": urgent.message_id,
                "app_id": urgent.app_id,
                "users": urgent.users,
                "cost": urgent.cost,
                "time": urgent.time,
            }
            for urgent in world.urgents
        ],
    }


def _render_calendar(calendar: Calendar) -> dict[str, Any]:
    return {
        "calendar_id": calendar.calendar_id,
        "type": calendar.type,
        "summary": calendar.summary,
        "owner": calendar.app_id or calendar.user_id,
        "deleted": calendar.deleted,
        "events": [
            {
                "event_id": event.event_id,
                "summary": event.summary,
                "start": event.start,
                "end": event.end,
                "free_busy_status": event.free_busy_status,
                "deleted": event.deleted,
                "attendees": [f"{attendee.type}:{attendee.target}" for attendee in event.attendees],
            }
            for event in calendar.events.values()
        ],
    }


def _render_task(world: World, task: Task) -> dict[str, Any]:
    comments = world.tasks.comments.values()
    return {
        "guid": task.guid,
        "summary": task.summary,
        "completed_at": task.completed_at,
        "members": [f"{member.role}:{member.type}:{member.id}" for member in task.members],
        "tasklists": task.tasklists,
        "comments": [comment.content for comment in comments if comment.task_guid == task.guid],
    }


def _render_card_entity(entity: CardEntity) -> dict[str, Any]:
    return {
        "card_id": entity.card_id,
        "app_id": entity.app_id,
        "sequence": entity.sequence,
        "message_id": None if entity.message is None else entity.message.message_id,
        "card": entity.card,
    }
