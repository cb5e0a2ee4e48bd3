"""`/approval/v4/tasks`: decide in a person's name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.approval import flow
from lark_emulator.approval.forms import fill
from lark_emulator.approval.parameters import (
    find_instance,
    find_person,
    make_refusal,
    parse_form,
    read_body,
    read_optional,
    require,
)
from lark_emulator.codes import RefusedError
from lark_emulator.routing import Call, Route
from lark_emulator.validation import read_text_list

if TYPE_CHECKING:
    from lark_emulator.world.approvals import ApprovalTask, Instance


def _find_task(call: Call, body: dict[str, Any]) -> tuple[Instance, ApprovalTask]:
    instance = find_instance(call, require(body, "instance_code"), require(body, "approval_code"))
    person = find_person(call, require(body, "user_id"))
    return instance, flow.find_pending_task(instance, require(body, "task_id"), person)


def _refill(body: dict[str, Any], instance: Instance) -> None:
    """Overwrite the widgets that a decision brings."""
    if body.get("form") is None:
        return
    changed = {widget["id"]: widget for widget in fill(instance.definition.form, parse_form(body["form"]))}
    kept = [changed.pop(widget["id"], widget) for widget in instance.form]
    instance.form = kept + list(changed.values())


def approve(call: Call) -> dict[str, Any]:
    """Answer `POST …/approve`."""
    body = read_body(call)
    instance, task = _find_task(call, body)
    _refill(body, instance)
    flow.approve(call.world, instance, task, read_optional(body, "comment"))
    return {}


def reject(call: Call) -> dict[str, Any]:
    """Answer `POST …/reject`."""
    body = read_body(call)
    instance, task = _find_task(call, body)
    _refill(body, instance)
    flow.reject(call.world, instance, task, read_optional(body, "comment"))
    return {}


def transfer(call: Call) -> dict[str, Any]:
    """Answer `POST …/transfer`."""
    body = read_body(call)
    instance, task = _find_task(call, body)
    to = find_person(call, require(body, "transfer_user_id"))
    if to is task.person:
        raise RefusedError(codes.APPROVAL_DENIED)
    flow.transfer(call.world, instance, task, to, read_optional(body, "comment"))
    return {}


def resubmit(call: Call) -> dict[str, Any]:
    """Answer `POST …/resubmit`, after a rejection that sent the instance back."""
    body = read_body(call)
    instance, task = _find_task(call, body)
    form = fill(instance.definition.form, parse_form(body.get("form")))
    flow.resubmit(call.world, instance, task, form, read_optional(body, "comment"))
    return {}


def roll_back(call: Call) -> dict[str, Any]:
    """Answer `POST /approval/v4/instances/specified_rollback`, which names no instance."""
    body = read_body(call)
    person, raw_id = find_person(call, require(body, "user_id")), body.get("task_id")
    task_id = (
        str(raw_id) if isinstance(raw_id, int) and not isinstance(raw_id, bool) else require(body, "task_id")
    )
    keys = read_text_list(body, "task_def_key_list", limit=MAX_STEPS)
    if not keys:
        raise make_refusal("task_def_key_list is required")
    for instance in call.world.approvals.instances.values():
        if any(candidate.task_id == task_id for candidate in instance.tasks):
            instance = find_instance(call, instance.code)  # noqa: PLW2901 - if its data is open to the app
            task = flow.find_pending_task(instance, task_id, person)
            flow.roll_back(call.world, instance, task, keys, read_optional(body, "reason"))
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
