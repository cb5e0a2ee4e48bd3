"""Native approvals as the page shows them: definitions, and windows of instances, the newest first."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from lark_emulator.control.specs import read_choice, read_text, refuse_unknown, require_known
from lark_emulator.control.views.windows import parse_limit, parse_number
from lark_emulator.world.apps import App

if TYPE_CHECKING:
    from lark_emulator.lark import Lark
    from lark_emulator.world.approvals import ApprovalTask, Definition, Instance, Person

#: The most definitions of an answer; how many there are is said beside them.
MAX_SHOWN = 500
STATUSES = ("PENDING", "APPROVED", "REJECTED", "CANCELED", "DELETED")
#: Tasks, notes and comments of an instance that are shown, the newest ones.
_MAX_PARTS = 200


def list_approvals(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Return the definitions of approvals, and a window of the instances, newest first.

    Args:
        lark: The emulator whose approvals are returned.
        spec: Arguments by name: `approval_code` (absent = of all definitions), `status` (absent = all);
            `start` (absent = 0) and `limit` (absent = 20, at most 200).

    Returns:
        `definitions`, each with `total` and `pending` instances, and `definition_count`; `total`, `start`,
        and `items`: instances with their form, `tasks`, `timeline` (what people decided and said) and
        `comments`, people by name.
    """
    refuse_unknown(spec, "approval_code", "status", "start", "limit")
    held = lark.world.approvals
    start, wanted = parse_number(spec, "start", 0), parse_limit(spec, 20)
    code = read_text(spec, "approval_code").upper()
    status = read_choice(spec, "status", STATUSES) if read_text(spec, "status") else ""
    of = require_known(held.definitions, "approval", code) if code else None
    counts = {approval_code: [0, 0] for approval_code in held.definitions}
    listed: list[Instance] = []
    for instance in reversed(held.instances.values()):
        definition = instance.definition
        count = counts.setdefault(definition.code, [0, 0])
        count[0] += 1
        count[1] += instance.status == "PENDING"
        if (of is None or definition is of) and status in ("", instance.status):
            listed.append(instance)
    return {
        "definitions": [
            _render_definition(lark, approval, *counts[approval.code])
            for approval in islice(held.definitions.values(), MAX_SHOWN)
        ],
        "definition_count": len(held.definitions),
        "total": len(listed),
        "start": start,
        "items": [_render_instance(entry) for entry in listed[start : start + wanted]],
    }


def _render_definition(lark: Lark, which: Definition, total: int, pending: int) -> dict[str, Any]:
    users = lark.world.users
    return {
        "code": which.code,
        "name": which.name,
        "status": which.status,
        "widgets": [str(widget.get("name") or widget.get("id") or "") for widget in which.form],
        "nodes": [
            {
                "node_id": node.node_id,
                "name": node.name,
                "node_type": node.node_type,
                "approvers": [
                    _render_person(users[user_id]) for user_id in node.approvers if user_id in users
                ],
                "need_approver": node.need_approver,
            }
            for node in which.nodes
        ],
        "may_withdraw": which.may_withdraw,
        "total": total,
        "pending": pending,
    }


def _render_instance(which: Instance) -> dict[str, Any]:
    return {
        "code": which.code,
        "approval_code": which.definition.code,
        "name": which.definition.name,
        "serial_number": which.serial_number,
        "submitter": _render_person(which.submitter),
        "status": which.status,
        "reverted": which.reverted,
        "start_time": which.start_time,
        "end_time": which.end_time,
        "may_withdraw": which.status == "PENDING" and which.definition.may_withdraw,
        "form": which.form,
        "tasks": [_render_task(which, task) for task in which.tasks[-_MAX_PARTS:]],
        "timeline": [
            {
                "type": note["type"],
                "time": int(note["create_time"]),
                "person": _render_person(note["person"]),
                "comment": note["comment"],
            }
            for note in which.timeline[-_MAX_PARTS:]
        ],
        "comments": [
            {
                "author": _render_person(comment.author),
                "content": comment.content,
                "time": comment.create_time,
            }
            for comment in which.comments[-_MAX_PARTS:]
            if not comment.deleted
        ],
    }


def _render_task(instance: Instance, task: ApprovalTask) -> dict[str, Any]:
    is_of_a_step = task.node in instance.definition.nodes  # else it was sent back to the submitter
    return {
        "task_id": task.task_id,
        "person": _render_person(task.person),
        "node": task.node.name,
        "node_type": task.node.node_type,
        "status": task.status,
        "is_sent_back": not is_of_a_step,
        "start_time": task.start_time,
        "end_time": task.end_time,
    }


def _render_person(person: Person | None) -> dict[str, Any] | None:
    """Return who it is; None where nobody was needed."""
    if person is None:
        return None
    if isinstance(person, App):
        return {"id": person.app_id, "name": person.name, "is_app": True}
    return {"id": person.user_id, "name": person.name, "is_app": False}
