"""`/approval/v4/tasks`: decide in a person's name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.approval import flow
from lark_emulator.approval.forms import fill
from lark_emulator.approval.parameters import (
    body_of,
    form_text,
    instance_of,
    optional,
    person_of,
    refusal,
    require,
)
from lark_emulator.codes import RefusedError
from lark_emulator.routing import Call, Route
from lark_emulator.validation import text_list

if TYPE_CHECKING:
    from lark_emulator.world.approvals import ApprovalTask, Instance


def _task(call: Call, body: dict[str, Any]) -> tuple[Instance, ApprovalTask]:
    instance = instance_of(call, require(body, "instance_code"), require(body, "approval_code"))
    person = person_of(call, require(body, "user_id"))
    return instance, flow.pending(instance, require(body, "task_id"), person)


def _refill(body: dict[str, Any], instance: Instance) -> None:
    """Overwrite the widgets that a decision brings."""
    if body.get("form") is None:
        return
    changed = {widget["id"]: widget for widget in fill(instance.definition.form, form_text(body["form"]))}
    kept = [changed.pop(widget["id"], widget) for widget in instance.form]
    instance.form = kept + list(changed.values())


def approve(call: Call) -> dict[str, Any]:
    """Answer `POST …/approve`."""
    body = body_of(call)
    instance, task = _task(call, body)
    _refill(body, instance)
    flow.approve(call.world, instance, task, optional(body, "comment"))
    return {}


def reject(call: Call) -> dict[str, Any]:
    """Answer `POST …/reject`."""
    body = body_of(call)
    instance, task = _task(call, body)
    _refill(body, instance)
    flow.reject(call.world, instance, task, optional(body, "comment"))
    return {}


def transfer(call: Call) -> dict[str, Any]:
    """Answer `POST …/transfer`."""
    body = body_of(call)
    instance, task = _task(call, body)
    to = person_of(call, require(body, "transfer_user_id"))
    if to is task.person:
        raise RefusedError(codes.APPROVAL_DENIED)
    flow.transfer(call.world, instance, task, to, optional(body, "comment"))
    return {}


def resubmit(call: Call) -> dict[str, Any]:
    """Answer `POST …/resubmit`, after a rejection that sent the instance back."""
    body = body_of(call)
    instance, task = _task(call, body)
    form = fill(instance.definition.form, form_text(body.get("form")))
    flow.resubmit(call.world, instance, task, form, optional(body, "comment"))
    return {}


def roll_back(call: Call) -> dict[str, Any]:
    """Answer `POST /approval/v4/instances/specified_rollback`, which names no instance."""
    body = body_of(call)
    person, raw_id = person_of(call, require(body, "user_id")), body.get("task_id")
    task_id = (
        str(raw_id) if isinstance(raw_id, int) and not isinstance(raw_id, bool) else require(body, "task_id")
    )
    keys = text_list(body, "task_def_key_list", limit=MAX_STEPS)
    if not keys:
        raise refusal("task_def_key_list is required")
    for instance in call.world.approvals.instances.values():
        if any(candidate.task_id == task_id for candidate in instance.tasks):
            instance = instance_of(call, instance.code)  # noqa: PLW2901 - if its data is open to the app
            task = flow.pending(instance, task_id, person)
            flow.roll_back(call.world, instance, task, keys, optional(body, "reason"))
            return {}
    raise RefusedError(codes.APPROVAL_TASK_NOT_FOUND)


MAX_STEPS = 100
_PATH = "/open-apis/approval/v4/tasks"
_FORM = "condition branches are not emulated"
ROUTES = (
    Route("POST", f"{_PATH}/approve", approve, unconfirmed=(_FORM,)),
    Route("POST", f"{_PATH}/reject", reject, unconfirmed=(_FORM,)),
    Route(
        "POST",
        f"{_PATH}/transfer",
        transfer,
        unconfirmed=("a transfer to the same person gets 1390009",),
    ),
    Route(
        "POST",
        f"{_PATH}/resubmit",
        resubmit,
        unconfirmed=("a returned instance has a pending task of its submitter in a step START",),
    ),
    Route(
        "POST",
        "/open-apis/approval/v4/instances/specified_rollback",
        roll_back,
        unconfirmed=(
            "the task ends as DONE with an event ROLLBACK, and the earliest step named is decided again",
            "a step that was not passed gets 1390001",
        ),
    ),
)
