"""`/approval/v4/instances`: ask for an approval, read it, list, copy, preview, withdraw."""

from __future__ import annotations

from typing import Any

from lark_emulator import codes
from lark_emulator.approval import flow
from lark_emulator.approval.forms import as_text, fill
from lark_emulator.approval.parameters import (
    find_definition,
    find_instance,
    find_person,
    get_ids,
    make_refusal,
    parse_form,
    read_body,
    read_milliseconds,
    read_optional,
    read_page_size,
    read_people,
    require,
)
from lark_emulator.codes import RefusedError
from lark_emulator.routing import Call, Route
from lark_emulator.validation import cut_page
from lark_emulator.world.approvals import ApprovalTask, Definition, Instance, Person, get_id

_MAX_UUID = 64
_MAX_COPIED = 20
_SPAN_MS = 10 * 3600 * 1000


def create(call: Call) -> dict[str, Any]:
    """Answer `POST /approval/v4/instances`; a used `uuid` gets 60012, and creates nothing."""
    body = read_body(call)
    approvals = call.world.approvals
    definition = find_definition(call, require(body, "approval_code"))
    if definition.status != "ACTIVE":
        raise RefusedError(
            codes.APPROVAL_DELETED if definition.status == "DELETED" else codes.APPROVAL_DISABLED
        )
    submitter = _read_submitter(call, body)
    uuid = read_optional(body, "uuid")
    if len(uuid) > _MAX_UUID:
        raise make_refusal(f"uuid must not be longer than {_MAX_UUID}")
    form = fill(definition.form, parse_form(body.get("form")))
    approvers = _read_people_by_node(call, definition, body, "node_approver")
    _read_people_by_node(call, definition, body, "node_cc", limit=_MAX_COPIED)
    for node in definition.nodes:
        if node.need_approver and not approvers.get(node.node_id):
            raise make_refusal(f"node {node.node_id} needs approvers")
    if uuid and uuid.lower() in approvals.by_uuid:
        used = codes.APPROVAL_UUID_USED
        raise RefusedError(used._replace(status=int(call.settings.approval_uuid_status)))
    instance = Instance(
        code=approvals.make_code(),
        definition=definition,
        serial_number=f"{call.world.clock.get_time_ms() // 86_400_000}{len(approvals.instances) + 1:06d}",
        uuid=uuid,
        submitter=submitter,
        department_id=read_optional(body, "department_id"),
        form=form,
        approvers=approvers,
        start_time=call.world.clock.get_time_ms(),
    )
    approvals.instances[instance.code] = instance
    if uuid:
        approvals.by_uuid[uuid.lower()] = instance
    flow.start(call.world, instance)
    return {"instance_code": instance.code}


def _read_submitter(call: Call, body: dict[str, Any]) -> Person:
    for kind in ("user_id", "open_id"):
        value = read_optional(body, kind)
        if value:
            return find_person(call, value, kind)
    raise make_refusal("user_id or open_id is required")


def _read_people_by_node(
    call: Call, definition: Definition, body: dict[str, Any], prefix: str, *, limit: int | None = None
) -> dict[str, list[Person]]:
    """Return node_id → people that a request names, by both kinds of ids together."""
    by_node: dict[str, list[Person]] = {}
    for kind in ("user_id", "open_id"):
        entries = body.get(f"{prefix}_{kind}_list") or []
        if not isinstance(entries, list) or not all(isinstance(item, dict) for item in entries):
            raise make_refusal(f"{prefix}_{kind}_list must be a list of objects")
        for entry in entries:
            key = require(entry, "key")
            node = next(
                (
                    candidate
                    for candidate in definition.nodes
                    if key in (candidate.node_id, candidate.custom_node_id)
                ),
                None,
            )
            if node is None:
                raise make_refusal(f"unknown node {key}")
            people = by_node.setdefault(node.node_id, [])
            people += [person for person in read_people(call, entry, "value", kind) if person not in people]
            if limit is not None and len(people) > limit:
                raise make_refusal(f"node {key}: at most {limit}")
    return by_node


def get(call: Call) -> dict[str, Any]:
    """Answer `GET /approval/v4/instances/:instance_id` by code or uuid."""
    return render(call, find_instance(call, call.params["instance_id"]))


def render(call: Call, instance: Instance) -> dict[str, Any]:
    """Return an instance as an app reads it."""
    app = call.app
    return {
        "approval_name": instance.definition.name,
        "approval_code": instance.definition.code,
        "instance_code": instance.code,
        "serial_number": instance.serial_number,
        "uuid": instance.uuid,
        "start_time": str(instance.start_time),
        "end_time": str(instance.end_time),
        **get_ids(app, instance.submitter),
        "department_id": instance.department_id,
        "status": instance.status,
        "reverted": instance.reverted,
        "form": as_text(instance.form),
        "task_list": [_render_task(call, task) for task in instance.tasks],
        "comment_list": [
            {
                "id": comment.comment_id,
                **get_ids(app, comment.author),
                "comment": comment.content,
                "create_time": str(comment.create_time),
            }
            for comment in instance.comments
            if not comment.deleted
        ],
        "timeline": [
            {name: value for name, value in entry.items() if name != "person"} | get_ids(app, entry["person"])
            for entry in instance.timeline
        ],
    }


def _render_task(call: Call, task: ApprovalTask) -> dict[str, Any]:
    return {
        "id": task.task_id,
        **get_ids(call.app, task.person),
        "status": task.status,
        "node_id": task.node.node_id,
        "node_name": task.node.name,
        "custom_node_id": task.node.custom_node_id,
        "type": task.kind,
        "start_time": str(task.start_time),
        "end_time": str(task.end_time),
    }


def list_codes(call: Call) -> dict[str, Any]:
    """Answer `GET /approval/v4/instances`: codes by the time of creation, oldest first."""
    definition = find_definition(call, require(dict(call.query), "approval_code"))
    begin, end = (
        read_milliseconds(dict(call.query), "start_time"),
        read_milliseconds(dict(call.query), "end_time"),
    )
    if end < begin:
        raise make_refusal("end_time must not be before start_time")
    if call.settings.approval_list_span == "refused" and end - begin > _SPAN_MS:
        raise make_refusal("the span must not be longer than 10 hours")
    instance_codes = [
        instance.code
        for instance in call.world.approvals.instances.values()
        if instance.definition.code == definition.code and begin <= instance.start_time <= end
    ]
    size = read_page_size(call, least=1, limit=100, default=100)
    part, rest = cut_page(instance_codes, call, size, codes.APPROVAL_PARAM)
    return {"instance_code_list": part, **rest}


def cancel(call: Call) -> dict[str, Any]:
    """Answer `POST …/cancel`, in the submitter's name."""
    body = read_body(call)
    instance = find_instance(call, require(body, "instance_code"), require(body, "approval_code"))
    if find_person(call, require(body, "user_id")) is not instance.submitter:
        raise RefusedError(codes.APPROVAL_DENIED)
    flow.cancel(call.world, instance)
    return {}


def copy_to(call: Call) -> dict[str, Any]:
    """Answer `POST …/cc`."""
    body = read_body(call)
    instance = find_instance(call, require(body, "instance_code"), require(body, "approval_code"))
    sender, people = find_person(call, require(body, "user_id")), read_people(call, body, "cc_user_ids")
    instance.timeline.append(
        {
            "type": "CC",
            "create_time": str(call.world.clock.get_time_ms()),
            "person": sender,
            "task_id": "",
            "comment": read_optional(body, "comment"),
            "node_key": "",
            "ext": "{}",
            "cc_user_list": [
                {"open_id": get_id(person, call.app, "open_id"), "cc_id": call.world.approvals.make_number()}
                for person in people
            ],
        }
    )
    return {}


def preview(call: Call) -> dict[str, Any]:
    """Answer `POST …/preview`: who would decide, or still has to."""
    body = read_body(call)
    find_person(call, require(body, "user_id"))
    if body.get("instance_code"):
        instance = find_instance(call, require(body, "instance_code"))
        definition, named = instance.definition, instance.approvers
        nodes = definition.nodes[max(instance.place, 0) :]
    else:
        definition, named = find_definition(call, require(body, "approval_code")), {}
        fill(definition.form, parse_form(body.get("form")))
        nodes = definition.nodes
    kind = call.query.get("user_id_type") or "open_id"
    return {
        "preview_nodes": [
            {
                "user_id_list": [
                    get_id(approver, call.app, kind)
                    for approver in named.get(node.node_id)
                    or [call.world.users[person] for person in node.approvers]
                ],
                "end_cc_id_list": [],
                "node_id": node.node_id,
                "node_name": node.name,
                "node_type": node.node_type,
                "custom_node_id": node.custom_node_id,
                "comments": [],
                "is_empty_logic": False,
                "is_approver_type_free": node.need_approver,
                "has_cc_type_free": False,
            }
            for node in nodes
        ]
    }


_PATH = "/open-apis/approval/v4/instances"
ROUTES = (
    Route(
        "POST",
        _PATH,
        create,
        unconfirmed=(
            "HTTP status of 60012 (settable, `approval_uuid_status`: 400)",
            "a form is checked before the `uuid`",
            "titles, resubmission flags, notices of the bot and `node_auto_approval_list` are not read",
            "a `contact` needs `value` or `open_ids`; addresses are read back as their region id",
            "values of leave, overtime, trip and shift groups are not checked",
            "a `uuid` stays used indefinitely",
        ),
    ),
    Route("GET", f"{_PATH}/:instance_id", get),
    Route(
        "GET",
        _PATH,
        list_codes,
        unconfirmed=("spans over 10 hours (settable, `approval_list_span`: answered)",),
    ),
    Route(
        "POST",
        f"{_PATH}/cancel",
        cancel,
        unconfirmed=("an approved instance is reverted at once: `CANCELED`, `reverted`, an event REVERTED",),
    ),
    Route("POST", f"{_PATH}/cc", copy_to, unconfirmed=("no `approval_cc` event is sent",)),
    Route("POST", f"{_PATH}/preview", preview, unconfirmed=("departments and conditions are not read",)),
)
