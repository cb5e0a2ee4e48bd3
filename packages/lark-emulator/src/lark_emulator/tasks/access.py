"""Who is meant by a task's members, and what a bot may read and change."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn

from lark_emulator import codes_office
from lark_emulator.codes import RefusedError
from lark_emulator.world.tasks import Member

if TYPE_CHECKING:
    from lark_emulator.routing import Call
    from lark_emulator.world.tasks import Task, Tasklist
    from lark_emulator.world.world import World

ASSIGNEE, FOLLOWER = "assignee", "follower"
EDITOR, VIEWER, OWNER = "editor", "viewer", "owner"
TASK_ROLES = (ASSIGNEE, FOLLOWER)
LIST_ROLES = (EDITOR, VIEWER)
#: For the coverage list.
BOT_ACTS = "with a user's token, too, the bot acts"


def refuse(reason: str) -> NoReturn:
    """Refuse with 1470400, whose wording says why."""
    raise RefusedError(codes_office.TASK_PARAM._replace(msg=reason))


def make_guid(world: World) -> str:
    """Return an id of the shape of a UUID."""
    digits = world.make_id("", 32)
    return re.sub(r"(.{8})(.{4})(.{4})(.{4})(.{12})", r"\1-\2-\3-\4-\5", digits)


def make_bot_member(call: Call, role: str) -> Member:
    """Return the bot as a member."""
    return Member(call.app.app_id, "app", role)


def render(call: Call, member: Member, id_type: str) -> dict[str, Any]:
    """Return a member as Lark shows it."""
    user = call.world.users.get(member.id) if member.type == "user" else None
    value = member.id if user is None else user.get_id(call.app, id_type)
    name = call.world.apps[member.id].name if member.type == "app" and member.id in call.world.apps else ""
    return {
        "id": value,
        "type": member.type,
        "role": member.role,
        "name": name if user is None else user.name,
    }


def read_members(
    call: Call, specs: object, id_type: str, roles: tuple[str, ...], *, limit: int, default: str = ""
) -> list[Member]:
    """Return the members that a request names, each once.

    Raises:
        RefusedError: 1470400, one is malformed or unknown, or there are too many.
    """
    if specs is None:
        return []
    if not isinstance(specs, list):
        refuse("members must be a list")
    members = list(dict.fromkeys(_read_member(call, spec, id_type, roles, default) for spec in specs))
    if len(members) > limit:
        refuse(f"too many members, at most {limit}")
    return members


def _read_member(call: Call, spec: object, id_type: str, roles: tuple[str, ...], default: str) -> Member:
    spec = spec if isinstance(spec, dict) else {}
    value, kind, role = spec.get("id"), spec.get("type") or "user", spec.get("role") or default
    if not isinstance(value, str) or not value:
        refuse("member id is required")
    if role not in roles:
        refuse(f"member role must be one of {', '.join(roles)}")
    if kind == "app" and value in call.world.apps:
        return Member(value, "app", role)
    if kind == "chat" and value in call.world.chats and role in LIST_ROLES:
        return Member(value, "chat", role)
    user = call.world.find_user(call.app, id_type, value) if kind == "user" else None
    if user is None:
        refuse(f"invalid member {value}")
    return Member(user.user_id, "user", role)


def get_list_role(call: Call, tasklist: Tasklist) -> str:
    """Return what the bot may do with a list: owner, editor, viewer or nothing."""
    if (tasklist.owner.type, tasklist.owner.id) == ("app", call.app.app_id):
        return OWNER
    roles = [
        member.role for member in tasklist.members if (member.type, member.id) == ("app", call.app.app_id)
    ]
    in_chats = [
        member.role
        for member in tasklist.members
        if member.type == "chat" and call.app.app_id in call.world.chats[member.id].bots
    ]
    return next((role for role in LIST_ROLES if role in (*roles, *in_chats)), "")


def get_task_role(call: Call, task: Task) -> str:
    """Return what the bot may do with a task: editor, viewer or nothing."""
    own = (task.creator, *(member for member in task.members if member.role == ASSIGNEE))
    if any((member.type, member.id) == ("app", call.app.app_id) for member in own):
        return EDITOR
    lists = [call.world.tasks.tasklists[guid] for guid in task.tasklists]
    roles = {get_list_role(call, tasklist) for tasklist in lists}
    if roles & {OWNER, EDITOR}:
        return EDITOR
    follows = any((member.type, member.id) == ("app", call.app.app_id) for member in task.members)
    return VIEWER if follows or VIEWER in roles else ""


def require_task(call: Call, guid: str | None = None, *, writes: bool = False) -> Task:
    """Return a task, that of the path unless a guid is given.

    Raises:
        RefusedError: 1470404 (unknown), 1470403 (the bot may not).
    """
    task = call.world.tasks.tasks.get(call.params["task_guid"] if guid is None else guid)
    if task is None:
        raise RefusedError(codes_office.TASK_UNKNOWN)
    role = get_task_role(call, task)
    if not role or (writes and role != EDITOR):
        raise RefusedError(codes_office.TASK_DENIED)
    return task


def require_tasklist(call: Call, guid: str | None = None, *, roles: tuple[str, ...] = ()) -> Tasklist:
    """Return a list, that of the path unless a guid is given.

    Args:
        call: The request, whose app must have access to the list.
        guid: The guid of the list; absent = that in the path.
        roles: The roles of which one is needed; empty = any role.

    Raises:
        RefusedError: 1470404 (unknown), 1470403 (the bot may not).
    """
    tasklist = call.world.tasks.tasklists.get(call.params["tasklist_guid"] if guid is None else guid)
    if tasklist is None:
        raise RefusedError(codes_office.TASK_UNKNOWN)
    role = get_list_role(call, tasklist)
    if not role or (roles and role not in roles):
        raise RefusedError(codes_office.TASK_DENIED)
    return tasklist
