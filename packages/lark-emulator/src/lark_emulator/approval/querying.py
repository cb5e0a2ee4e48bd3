"""`POST /approval/v4/instances/query`: search with lower-case statuses, and late."""

from __future__ import annotations

from typing import Any

from lark_emulator import codes
from lark_emulator.approval.parameters import body_of, milliseconds, optional, page_size, person_of, refusal
from lark_emulator.routing import Call, Route
from lark_emulator.validation import choice, page
from lark_emulator.world.approvals import Instance, id_for

_CRITERIA = ("user_id", "approval_code", "instance_code", "instance_external_id", "group_external_id")
_STATUSES = ("PENDING", "RECALL", "REJECT", "DELETED", "APPROVED", "ALL")
_WORDS = {"RECALL": "CANCELED", "REJECT": "REJECTED"}
_DAYS_30_MS = 30 * 86_400_000


def query(call: Call) -> dict[str, Any]:
    """Answer with a page of instances; reverted ones are missing from it."""
    body = body_of(call)
    if not any(body.get(name) for name in _CRITERIA):
        raise refusal(f"one of {', '.join(_CRITERIA)} is required")
    person = person_of(call, optional(body, "user_id")) if body.get("user_id") else None
    wanted = choice(body, "instance_status", _STATUSES, default="ALL")
    wanted = _WORDS.get(wanted, wanted)
    begin, end = 0, call.world.clock.now_ms()
    if body.get("instance_start_time_from") or body.get("instance_start_time_to"):
        begin = milliseconds(body, "instance_start_time_from")
        end = milliseconds(body, "instance_start_time_to")
        if not 0 <= end - begin <= _DAYS_30_MS:
            raise refusal("the span must not be longer than 30 days")
    seen = call.world.clock.now_ms() - int(call.settings.approval_query_lag_s * 1000)
    instances = [
        instance
        for instance in call.world.approvals.instances.values()
        if (person is None or instance.submitter is person)
        and optional(body, "approval_code").upper() in ("", instance.definition.code)
        and optional(body, "instance_code").upper() in ("", instance.code)
        and begin <= instance.start_time <= end
        and (status := instance.status_at(seen)) is not None
        and wanted in ("ALL", status)
    ]
    size = page_size(call, least=5, limit=200, default=10)
    part, rest = page(instances, call, size, codes.APPROVAL_PARAM)
    visible = [instance for instance in part if instance.status_at(seen) != "REVERTED"]
    return {
        "count": len(instances),
        "instance_list": [_render(call, instance, seen) for instance in visible],
        **rest,
    }


def _render(call: Call, instance: Instance, seen: int) -> dict[str, Any]:
    kind = call.query.get("user_id_type") or "open_id"
    status = instance.status_at(seen) or ""
    return {
        "approval": {"code": instance.definition.code, "name": instance.definition.name},
        "group": {"external_id": "", "name": ""},
        "instance": {
            "code": instance.code,
            "external_id": "",
            "user_id": id_for(instance.submitter, call.app, kind),
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
