"""`/approval/v4/approvals`: definitions, and the subscriptions of apps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.approval.forms import as_text
from lark_emulator.approval.parameters import (
    find_definition,
    make_refusal,
    parse_form,
    read_body,
    read_objects,
    read_optional,
    require,
)
from lark_emulator.codes import RefusedError
from lark_emulator.routing import Call, Route
from lark_emulator.validation import read_choice
from lark_emulator.world.approvals import NODE_TYPES, ApprovalNode, Definition

if TYPE_CHECKING:
    from lark_emulator.world.world import World

MONTH = 31 * 24 * 3600
_OWN_OPTIONS = ("radio", "radioV2", "checkbox", "checkboxV2")
_APPROVER_TYPES = (
    *("Supervisor", "SupervisorTopDown", "DepartmentManager", "DepartmentManagerTopDown"),
    *("Personal", "Free"),
)


def create(call: Call) -> dict[str, Any]:
    """Answer `POST /approval/v4/approvals`: make a definition, or overwrite one."""
    body = read_body(call)
    texts = _read_texts(body)
    form = body.get("form")
    if not isinstance(form, dict):
        raise make_refusal("form is required")
    widgets = [_make_widget(widget, texts) for widget in parse_form(form.get("form_content"), "form_content")]
    nodes = _read_nodes(call, body, texts)
    settings = body.get("settings") or {}
    if not isinstance(settings, dict):
        raise make_refusal("settings must be an object")
    if not isinstance(body.get("viewers"), list) or not body["viewers"]:
        raise make_refusal("viewers is required")
    definitions = call.world.approvals.definitions
    code = read_optional(body, "approval_code").upper()
    old = find_definition(call, code) if code else None
    definition = Definition(
        code or call.world.approvals.make_code(),
        call.world.approvals.make_number() if old is None else old.approval_id,
        texts.get(require(body, "approval_name"), body["approval_name"]),
        widgets,
        nodes,
        revert_s=_read_revert_interval(settings),
        reject_to_submitter=settings.get("reject_option") == 1,
    )
    definitions[definition.code] = definition
    return {"approval_code": definition.code, "approval_id": definition.approval_id}


def _read_revert_interval(settings: dict[str, Any]) -> float:
    """Return for how long what was approved can be taken back."""
    seconds = settings.get("revert_interval", MONTH)
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 <= seconds <= MONTH * 120:
        raise make_refusal("settings.revert_interval must be seconds")
    return float(seconds)


def _read_texts(body: dict[str, Any]) -> dict[str, str]:
    """Return the texts of the default language by their keys."""
    texts: dict[str, str] = {}
    resources = read_objects(body, "i18n_resources")
    if not resources:
        raise make_refusal("i18n_resources is required")
    for resource in sorted(resources, key=lambda entry: bool(entry.get("is_default"))):
        read_choice(resource, "locale", ("zh-CN", "en-US", "ja-JP"))
        texts |= {require(text, "key"): require(text, "value") for text in read_objects(resource, "texts")}
    return texts


def _make_widget(spec: Any, texts: dict[str, str]) -> dict[str, Any]:
    if not isinstance(spec, dict):
        raise make_refusal("a widget needs an id and a type")
    kind, name = require(spec, "type"), read_optional(spec, "name")
    widget: dict[str, Any] = {
        "id": require(spec, "id"),
        "custom_id": read_optional(spec, "custom_id"),
        "name": texts.get(name, name),
        "type": kind,
        "required": bool(spec.get("required")),
        "printable": True,
        "visible": True,
    }
    if kind in _OWN_OPTIONS:
        widget["option"] = [
            {"value": require(option, "key"), "text": texts.get(require(option, "text"), option["text"])}
            for option in read_objects(spec, "value")
        ]
    if kind == "fieldList":
        widget["children"] = [_make_widget(child, texts) for child in read_objects(spec, "value")]
    return widget


def _read_nodes(call: Call, body: dict[str, Any], texts: dict[str, str]) -> tuple[ApprovalNode, ...]:
    specs = read_objects(body, "node_list")
    if [end.get("id") for end in (*specs[:1], *specs[-1:])] != ["START", "END"]:
        raise make_refusal("node_list must begin with START and end with END")
    nodes = []
    for spec in specs[1:-1]:
        approvers = read_objects(spec, "approver")
        kinds = [approver.get("type") for approver in approvers]
        node_type, name = require(spec, "node_type"), read_optional(spec, "name")
        if node_type not in NODE_TYPES or any(kind not in _APPROVER_TYPES for kind in kinds):
            raise make_refusal(f"node {spec.get('id')} is invalid")
        if node_type == "SEQUENTIAL" and kinds != ["Free"]:
            raise make_refusal(f"node {spec.get('id')}: SEQUENTIAL needs the approver Free")
        people = tuple(
            str(approver.get("user_id")) for approver in approvers if approver.get("type") == "Personal"
        )
        for person in people:
            if person not in call.world.users:
                raise RefusedError(codes.APPROVAL_USER_NOT_FOUND)
        nodes.append(
            ApprovalNode(
                call.world.make_id(""),
                require(spec, "id"),
                texts.get(name, name),
                node_type,
                people,
                "Free" in kinds,
            )
        )
    return tuple(nodes)


def add(world: World, spec: dict[str, Any]) -> Definition:
    """Add a definition as the approval console does.

    Args:
        world: The emulated tenant to add the definition to.
        spec: Members of the definition: `name`, `form` (widgets, as the definition is read), `nodes` (each
            `name`, `node_type`, `approvers` as user_ids, `need_approver`, `custom_node_id`), and, if wanted,
            `code`, `status`, `may_withdraw`, `revert_s`, `reject_to_submitter`, `visible_to`.

    Raises:
        ValueError: a member is wrong.
    """
    nodes = []
    for node in spec["nodes"]:
        node_type = node.get("node_type", "OR")
        if node_type not in NODE_TYPES:
            raise ValueError(f"'node_type' must be one of {', '.join(NODE_TYPES)}, not {node_type!r}")
        approvers = tuple(_read_names(node.get("approvers")))
        for person in approvers:
            if person not in world.users:
                raise ValueError(f"no user {person!r}; known: {', '.join(world.users)}")
        nodes.append(
            ApprovalNode(
                world.make_id(""),
                node.get("custom_node_id", ""),
                node.get("name", "Approval"),
                node_type,
                approvers,
                bool(node.get("need_approver")),
            )
        )
    for widget in spec["form"]:
        if not isinstance(widget, dict) or not widget.get("id") or not widget.get("type"):
            raise ValueError(f"a widget of 'form' needs an 'id' and a 'type', not {widget!r}")
    code = (spec.get("code") or world.approvals.make_code()).upper()
    if code in world.approvals.definitions:
        raise ValueError(f"approval {code!r} exists already")
    definition = Definition(
        code, world.approvals.make_number(), spec["name"], list(spec["form"]), tuple(nodes)
    )
    world.approvals.definitions[code] = definition
    return definition


def _read_names(value: Any) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, (list, tuple)) or not all(isinstance(user_id, str) for user_id in value):
        raise ValueError(f"'approvers' must be a list of user_ids, not {value!r}")
    return list(value)


def get(call: Call) -> dict[str, Any]:
    """Answer `GET /approval/v4/approvals/:approval_code`."""
    read_choice(call.query, "locale", ("zh-CN", "en-US", "ja-JP"), default="zh-CN")
    definition = find_definition(call, call.params["approval_code"])
    return {
        "approval_name": definition.name,
        "status": definition.status,
        "form": as_text(definition.form),
        "node_list": [
            {
                "name": node.name,
                "need_approver": node.need_approver,
                "node_id": node.node_id,
                "custom_node_id": node.custom_node_id,
                "node_type": node.node_type,
                "approver_chosen_multi": node.need_approver,
                "approver_chosen_range": [],
                "require_signature": False,
            }
            for node in definition.nodes
        ],
        "viewers": [{"type": "TENANT", "id": "", "user_id": ""}],
        "form_widget_relation": "{}",
    }


def subscribe(call: Call) -> dict[str, Any]:
    """Answer `POST …/subscribe`: from now on the app gets events of this definition's instances."""
    key = (call.app.app_id, find_definition(call, call.params["approval_code"]).code)
    if key in call.world.approvals.subscriptions:
        raise RefusedError(codes.APPROVAL_SUBSCRIPTION)
    call.world.approvals.subscriptions.add(key)
    return {}


def unsubscribe(call: Call) -> dict[str, Any]:
    """Answer `POST …/unsubscribe`."""
    key = (call.app.app_id, find_definition(call, call.params["approval_code"]).code)
    if key not in call.world.approvals.subscriptions:
        raise RefusedError(codes.APPROVAL_SUBSCRIPTION)
    call.world.approvals.subscriptions.remove(key)
    return {}


_PATH = "/open-apis/approval/v4/approvals"
ROUTES = (
    Route(
        "POST",
        _PATH,
        create,
        unconfirmed=(
            "approvers by rank (`Supervisor`, `DepartmentManager` and their like) pass by themselves",
            "`privilege_field`, `ccer`, `config`, `process_manager_ids` and viewers are not read",
        ),
    ),
    Route(
        "GET",
        f"{_PATH}/:approval_code",
        get,
        unconfirmed=(
            "a `fieldList` shows its fields as `children`, an `amount` its currencies as `option`",
            "every locale gets the texts of the default one; administrators are not shown",
        ),
    ),
    Route("POST", f"{_PATH}/:approval_code/subscribe", subscribe),
    Route("POST", f"{_PATH}/:approval_code/unsubscribe", unsubscribe),
)
