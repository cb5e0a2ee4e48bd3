"""How an instance moves from step to step, and which events report it, in Lark's order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator import codes
from lark_emulator.approval.parameters import get_ids, make_refusal
from lark_emulator.codes import RefusedError
from lark_emulator.world.approvals import ApprovalNode, ApprovalTask

if TYPE_CHECKING:
    from lark_emulator.world.approvals import Instance, Person
    from lark_emulator.world.apps import App
    from lark_emulator.world.world import World

_START = ApprovalNode("START", "", "Submit", "AND")


def start(world: World, instance: Instance) -> None:
    """Begin: the instance is pending, and so are the tasks of its first step."""
    now = world.clock.get_time_ms()
    instance.set_status("PENDING", now)
    _note(world, instance, "START", instance.submitter, node_id="START")
    _emit_instance_event(world, instance, "PENDING")
    _go_to_next_step(world, instance)


def _go_to_next_step(world: World, instance: Instance) -> None:
    """Go to the next step that waits for a person, or end."""
    nodes = instance.definition.nodes
    while instance.place + 1 < len(nodes):
        instance.place += 1
        node = nodes[instance.place]
        instance.entered = len(instance.tasks)
        people = _list_approvers(world, instance, node)
        if node.node_type == "CC_NODE":
            _note(world, instance, "CC", None, node_id=node.node_id)
            continue
        if not people:
            task = _add_task(world, instance, node, None, "AUTO_PASS")
            _end_task(world, instance, task, "APPROVED")
            _note(world, instance, "AUTO_PASS", None, node_id=node.node_id, task=task)
            continue
        for person in people[:1] if node.node_type == "SEQUENTIAL" else people:
            _emit_task_event(world, instance, _add_task(world, instance, node, person, node.node_type))
        return
    instance.set_status("APPROVED", world.clock.get_time_ms())
    _emit_instance_event(world, instance, "APPROVED")


def _list_approvers(world: World, instance: Instance, node: ApprovalNode) -> list[Person]:
    named = instance.approvers.get(node.node_id)
    if named is not None:
        return list(named)
    return [world.users[user_id] for user_id in node.approvers]


def _add_task(
    world: World, instance: Instance, node: ApprovalNode, person: Person | None, kind: str
) -> ApprovalTask:
    task = ApprovalTask(world.approvals.make_number(), person, node, kind, world.clock.get_time_ms())
    instance.tasks.append(task)
    return task


def _end_task(
    world: World, instance: Instance, task: ApprovalTask, status: str, event_status: str = "", **more: Any
) -> None:
    task.status, task.end_time = status, world.clock.get_time_ms()
    _emit_task_event(world, instance, task, event_status, **more)


def _list_pending_tasks(instance: Instance) -> list[ApprovalTask]:
    return [task for task in instance.tasks if task.status == "PENDING"]


def _end_other_tasks(world: World, instance: Instance) -> None:
    for task in _list_pending_tasks(instance):
        _end_task(world, instance, task, "DONE")


def find_pending_task(instance: Instance, task_id: str, person: Person | None) -> ApprovalTask:
    """Return a task that waits for a decision.

    Args:
        instance: The instance that the task belongs to.
        task_id: The id of the task.
        person: The person who decides; None = the one to whom the task is assigned.

    Raises:
        RefusedError: 1390010, it is unknown or decided; 1390009, it is another person's.
    """
    task = next(
        (candidate for candidate in _list_pending_tasks(instance) if candidate.task_id == task_id), None
    )
    if task is None:
        raise RefusedError(codes.APPROVAL_TASK_NOT_FOUND)
    if person is not None and task.person is not person:
        raise RefusedError(codes.APPROVAL_DENIED)
    return task


def approve(world: World, instance: Instance, task: ApprovalTask, comment: str = "") -> None:
    """Approve a task: the instance goes on once its step is complete."""
    _end_task(world, instance, task, "APPROVED")
    _note(world, instance, "PASS", task.person, node_id=task.node.node_id, task=task, comment=comment)
    node = task.node
    if node.node_type == "OR":
        _end_other_tasks(world, instance)
    elif node.node_type == "SEQUENTIAL":
        people = _list_approvers(world, instance, node)
        since = instance.tasks[instance.entered :]
        done = sum(step_task.node is node and step_task.status == "APPROVED" for step_task in since)
        if done < len(people):
            _emit_task_event(world, instance, _add_task(world, instance, node, people[done], node.node_type))
            return
    elif _list_pending_tasks(instance):
        return
    _go_to_next_step(world, instance)


def reject(world: World, instance: Instance, task: ApprovalTask, comment: str = "") -> None:
    """Reject a task: the instance ends, unless its definition sends it back to the submitter."""
    returns = instance.definition.reject_to_submitter
    extra = {"extra": orjson.dumps({"rollback_node_ids": ["START"]}).decode()} if returns else {}
    _end_task(world, instance, task, "REJECTED", "ROLLBACK" if returns else "", **extra)
    _note(
        world,
        instance,
        "ROLLBACK" if returns else "REJECT",
        task.person,
        node_id=task.node.node_id,
        task=task,
        comment=comment,
    )
    _end_other_tasks(world, instance)
    if returns:
        instance.place = -1
        _emit_task_event(world, instance, _add_task(world, instance, _START, instance.submitter, "AND"))
        return
    instance.set_status("REJECTED", world.clock.get_time_ms())
    _emit_instance_event(world, instance, "REJECTED")


def roll_back(
    world: World, instance: Instance, task: ApprovalTask, keys: list[str], reason: str = ""
) -> None:
    """Send an instance back to steps that were passed: the earliest of them is decided again.

    Args:
        world: The emulated tenant that holds the instance.
        instance: The instance to send back.
        task: The pending task whose person sends the instance back.
        keys: The node keys, from the timeline, of the steps to return to; `START` for the submitter.
        reason: The comment shown in the timeline.

    Raises:
        RefusedError: 1390001, a step was not passed.
    """
    passed = {entry["node_key"] for entry in instance.timeline if entry["type"] in ("PASS", "START")}
    unknown = [key for key in keys if key not in passed]
    if unknown:
        raise make_refusal(f"task_def_key_list: {unknown[0]} is no step that was passed")
    extra = orjson.dumps({"rollback_node_ids": keys}).decode()
    _end_task(world, instance, task, "DONE", "ROLLBACK", extra=extra)
    node_id = task.node.node_id
    _note(world, instance, "ROLLBACK_SELECTED", task.person, node_id=node_id, task=task, comment=reason)
    _end_other_tasks(world, instance)
    instance.place = -1
    if "START" in keys:
        _emit_task_event(world, instance, _add_task(world, instance, _START, instance.submitter, "AND"))
        return
    places = [place for place, step in enumerate(instance.definition.nodes) if step.node_id in keys]
    instance.place = min(places) - 1
    _go_to_next_step(world, instance)


def resubmit(
    world: World, instance: Instance, task: ApprovalTask, form: list[dict[str, Any]], comment: str = ""
) -> None:
    """Ask again with another form, after the instance was sent back.

    Raises:
        RefusedError: 1390009, it was not.
    """
    if task.node != _START:
        raise RefusedError(codes.APPROVAL_DENIED)
    instance.form = form
    _end_task(world, instance, task, "APPROVED")
    _note(world, instance, "START", task.person, node_id="START", task=task, comment=comment)
    _go_to_next_step(world, instance)


def transfer(world: World, instance: Instance, task: ApprovalTask, to: Person, comment: str = "") -> None:
    """Hand a task over to another person."""
    _end_task(world, instance, task, "TRANSFERRED")
    _note(world, instance, "TRANSFER", task.person, node_id=task.node.node_id, task=task, comment=comment)
    _emit_task_event(world, instance, _add_task(world, instance, task.node, to, task.kind))


def cancel(world: World, instance: Instance) -> None:
    """Withdraw a running instance, or revert an approved one.

    Raises:
        RefusedError: 1390009, the definition does not allow it, or the instance has ended otherwise.
    """
    definition, now = instance.definition, world.clock.get_time_ms()
    if instance.status == "APPROVED":
        if now > instance.end_time + definition.revert_s * 1000:
            raise RefusedError(codes.APPROVAL_DENIED)
        revert(world, instance)
        return
    if instance.status != "PENDING" or not definition.may_withdraw:
        raise RefusedError(codes.APPROVAL_DENIED)
    _close(world, instance, "CANCELED", "CANCEL")


def revert(world: World, instance: Instance) -> None:
    """Revert an approved instance: the API then says `CANCELED`, the event `REVERTED`."""
    instance.reverted = True
    instance.set_status("REVERTED", world.clock.get_time_ms())
    _note(world, instance, "CANCEL", instance.submitter)
    _emit_instance_event(world, instance, "REVERTED")


def delete(world: World, instance: Instance) -> None:
    """Delete an instance, as an administrator does."""
    _close(world, instance, "DELETED", "DELETE")


def _close(world: World, instance: Instance, status: str, kind: str) -> None:
    _end_other_tasks(world, instance)
    instance.set_status(status, world.clock.get_time_ms())
    _note(world, instance, kind, instance.submitter)
    _emit_instance_event(world, instance, status)


def _note(
    world: World,
    instance: Instance,
    kind: str,
    person: Person | None,
    *,
    node_id: str = "",
    task: ApprovalTask | None = None,
    comment: str = "",
) -> None:
    instance.timeline.append(
        {
            "type": kind,
            "create_time": str(world.clock.get_time_ms()),
            "person": person,
            "task_id": "" if task is None else task.task_id,
            "comment": comment,
            "node_key": node_id,
            "ext": "{}",
        }
    )


def _emit_instance_event(world: World, instance: Instance, status: str) -> None:
    now = world.clock.get_time_ms()

    def make_members(_: App) -> dict[str, Any]:
        return {
            "status": status,
            "operate_time": now if status == "REVERTED" else str(now),
            "instance_operate_time": str(now),
            "uuid": instance.uuid,
        }

    world.approvals.tell(instance, "approval_instance", make_members)


def _emit_task_event(
    world: World, instance: Instance, task: ApprovalTask, status: str = "", **more: Any
) -> None:
    now, event_status = str(world.clock.get_time_ms()), status or task.status

    def make_members(app: App) -> dict[str, Any]:
        return {
            "task_id": task.task_id,
            **get_ids(app, task.person),
            "status": event_status,
            "operate_time": now,
            "custom_key": task.node.custom_node_id,
            "def_key": task.node.node_id,
            "extra": "",
            **more,
        }

    world.approvals.tell(instance, "approval_task", make_members)
