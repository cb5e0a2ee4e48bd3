"""The part of the control plane for native approvals: what administrators define, and what people decide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator.approval import definitions, flow
from lark_emulator.approval.forms import fill
from lark_emulator.codes import RefusedError
from lark_emulator.control.specs import (
    read_choice,
    read_flag,
    read_name_set,
    read_text,
    refuse_unknown,
    require_known,
)

if TYPE_CHECKING:
    from lark_emulator.lark import Lark
    from lark_emulator.world.approvals import ApprovalTask, Definition, Instance

DECISIONS = ("approve", "reject", "transfer", "resubmit", "withdraw", "revert", "delete")
STATUSES = ("ACTIVE", "INACTIVE", "DELETED")
_CHANGES = ("status", "may_withdraw", "revert_s", "reject_to_submitter", "visible_to")


def list_all(lark: Lark, _: dict[str, Any]) -> dict[str, Any]:
    """Return all definitions and instances."""
    approvals = lark.world.approvals
    return {
        "definitions": [_render_definition(definition) for definition in approvals.definitions.values()],
        "instances": [render(instance) for instance in approvals.instances.values()],
        "subscriptions": sorted(f"{app} {code}" for app, code in approvals.subscriptions),
    }


def add(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Add a definition, see `approval.definitions.add`, and return it."""
    refuse_unknown(spec, "name", "form", "nodes", "code", *_CHANGES)
    for name in ("form", "nodes"):
        value = spec.get(name)
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            raise ValueError(f"{name!r} must be a list of objects, not {value!r}")
    checked = _check(spec)
    definition = definitions.add(lark.world, {**spec, "name": read_text(spec, "name") or "Approval"})
    for name, value in checked.items():
        setattr(definition, name, value)
    return _render_definition(definition)


def change(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Change a definition (`code`), all or nothing: `status`, `may_withdraw` and the like."""
    refuse_unknown(spec, "code", *_CHANGES)
    definition = require_known(lark.world.approvals.definitions, "approval", read_text(spec, "code").upper())
    for name, value in _check(spec).items():
        setattr(definition, name, value)
    return _render_definition(definition)


def _check(spec: dict[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if spec.get("status") is not None:
        changes["status"] = read_choice(spec, "status", STATUSES)
    for name in ("may_withdraw", "reject_to_submitter"):
        if spec.get(name) is not None:
            changes[name] = read_flag(spec, name, default=False)
    seconds = spec.get("revert_s")
    if seconds is not None:
        if not isinstance(seconds, int | float) or isinstance(seconds, bool) or seconds < 0:
            raise ValueError(f"'revert_s' must be a number of seconds, not {seconds!r}")
        changes["revert_s"] = float(seconds)
    if "visible_to" in spec:
        changes["visible_to"] = read_name_set(spec, "visible_to")
    return changes


def decide(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Let a person decide.

    Args:
        lark: The emulator that holds the instance.
        spec: Arguments by name: `instance` (code or uuid), `decision` (one of `DECISIONS`), `user_id` (the
            person who decides; absent = the one who has the first pending task), `comment`, `to` (user_id,
            for a transfer), `form` (widgets, for a resubmission).

    Returns:
        The instance.
    """
    refuse_unknown(spec, "instance", "decision", "user_id", "comment", "to", "form")
    world = lark.world
    instance = world.approvals.find(read_text(spec, "instance"))
    if instance is None:
        raise ValueError(f"no instance {read_text(spec, 'instance')!r}")
    decision, comment = read_choice(spec, "decision", DECISIONS), read_text(spec, "comment")
    try:
        if decision == "withdraw":
            flow.cancel(world, instance)
        elif decision == "revert":
            if instance.status != "APPROVED":
                raise ValueError(f"instance {instance.code} is {instance.status}, not APPROVED")
            flow.revert(world, instance)
        elif decision == "delete":
            flow.delete(world, instance)
        else:
            _decide_task(lark, instance, decision, comment, spec)
    except RefusedError as error:
        raise ValueError(str(error)) from None
    return render(instance)


def _decide_task(lark: Lark, instance: Instance, decision: str, comment: str, spec: dict[str, Any]) -> None:
    world = lark.world
    task = _find_pending_task(lark, instance, read_text(spec, "user_id"))
    if decision == "approve":
        flow.approve(world, instance, task, comment)
    elif decision == "reject":
        flow.reject(world, instance, task, comment)
    elif decision == "transfer":
        to = require_known(world.users, "user", read_text(spec, "to"))
        flow.transfer(world, instance, task, to, comment)
    else:
        form = fill(instance.definition.form, spec.get("form") or [])
        flow.resubmit(world, instance, task, form, comment)


def _find_pending_task(lark: Lark, instance: Instance, user_id: str) -> ApprovalTask:
    person = require_known(lark.world.users, "user", user_id) if user_id else None
    for task in instance.tasks:
        if task.status == "PENDING" and (person is None or task.person is person):
            return task
    raise ValueError(
        f"instance {instance.code} ({instance.status}) has no pending task of {user_id or 'anyone'}"
    )


def _render_definition(which: Definition) -> dict[str, Any]:
    return {
        "code": which.code,
        "name": which.name,
        "status": which.status,
        "form": which.form,
        "nodes": [
            {
                "node_id": node.node_id,
                "custom_node_id": node.custom_node_id,
                "name": node.name,
                "node_type": node.node_type,
                "approvers": list(node.approvers),
                "need_approver": node.need_approver,
            }
            for node in which.nodes
        ],
        "may_withdraw": which.may_withdraw,
        "revert_s": which.revert_s,
        "reject_to_submitter": which.reject_to_submitter,
        "visible_to": None if which.visible_to is None else sorted(which.visible_to),
    }


def render(instance: Instance) -> dict[str, Any]:
    """Return an instance for the state."""
    return {
        "code": instance.code,
        "approval_code": instance.definition.code,
        "uuid": instance.uuid,
        "serial_number": instance.serial_number,
        "submitter": _get_name(instance.submitter),
        "status": instance.status,
        "reverted": instance.reverted,
        "form": instance.form,
        "tasks": [
            {
                "task_id": task.task_id,
                "person": _get_name(task.person),
                "node": task.node.name,
                "status": task.status,
            }
            for task in instance.tasks
        ],
        "comments": [comment.content for comment in instance.comments if not comment.deleted],
    }


def _get_name(person: Any) -> str:
    if person is None:
        return ""
    return str(getattr(person, "user_id", "") or person.app_id)
