"""`POST /approval/v4/instances/query`: search with lower-case statuses, and late."""

from __future__ import annotations

from typing import Any

from lark_emulator import codes
from lark_emulator.approval.parameters import (
    find_person,
    make_refusal,
    read_body,
    read_milliseconds,
    read_optional,
    read_page_size,
)
from lark_emulator.routing import Call, Route
from lark_emulator.validation import cut_page, read_choice
from lark_emulator.world.approvals import Instance, get_id

_CRITERIA = ("user_id", "approval_code", "instance_code", "instance_external_id", "group_external_id")
_STATUSES = ("PENDING", "RECALL", "REJECT", "DELETED", "APPROVED", "ALL")
_WORDS = {"RECALL": "CANCELED", "REJECT": "REJECTED"}
_DAYS_30_MS = 30 * 86_400_000


def query(call: Call) -> dict[str, Any]:
    """Answer with a page of instances; reverted ones are missing from it."""
    body = read_body(call)
    if not any(body.get(name) for name in _CRITERIA):
        raise make_refusal(f"one of {', '.join(_CRITERIA)} is required")
    person = find_person(call, read_optional(body, "user_id")) if body.get("user_id") else None
    wanted = read_choice(body, "instance_status", _STATUSES, default="ALL")
    wanted = _WORDS.get(wanted, wanted)
    begin, end = 0, call.world.clock.get_time_ms()
    if body.get("instance_start_time_from") or body.get("instance_start_time_to"):
        begin = read_milliseconds(body, "instance_start_time_from")
        end = read_milliseconds(body, "instance_start_time_to")
        if not 0 <= end - begin <= _DAYS_30_MS:
            raise make_refusal("the span must not be longer than 30 days")
    seen = call.world.clock.get_time_ms() - int(call.settings.approval_query_lag_s * 1000)
    instances = [
        instance
        for instance in call.world.approvals.instances.values()
        if (person is None or instance.submitter is person)
        and read_optional(body, "approval_code").upper() in ("", instance.definition.code)
        and read_optional(body, "instance_code").upper() in ("", instance.code)
        and begin <= instance.start_time <= end
        and (status := instance.find_status(seen)) is not None
        and wanted in ("ALL", status)
    ]
    size = read_page_size(call, least=5, limit=200, default=10)
    part, rest = cut_page(instances, call, size, codes.APPROVAL_PARAM)
    visible = [instance for instance in part if instance.find_status(seen) != "REVERTED"]
    return {
        "count": len(instances),
        "instance_list": [_render(call, instance, seen) for instance in visible],
        **rest,
    }


def _render(call: Call, instance: Instance, seen: int) -> dict[str, Any]:
    kind = call.query.get("user_id_type") or "open_id"
    status = instance.find_status(seen) or ""
    return {
        "approval": {"code": instance.definition.code, "name": instance.definition.name},
        "group": {"external_id": "", "name": ""},
        "instance": {
            "code": instance.code,
            "external_id": "",
            "user_id": get_id(instance.submitter, call.app, kind),
            "start_time": str(instance.start_time),
            "end_time": str(0 if status == "PENDING" else instance.end_time),
            "status": status.lower(),
            "title": instance.definition.name,
            "serial_id": instance.serial_number,
        },
    }


ROUTES = (
    Route(
        "POST",
        "/open-apis/approval/v4/instances/query",
        query,
        unconfirmed=(
            "how late it is (settable, `approval_query_lag_s`: not at all)",
            "titles, groups and instances of other systems are not emulated",
        ),
    ),
)
