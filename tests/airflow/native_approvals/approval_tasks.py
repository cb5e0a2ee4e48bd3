"""Tasks that ask for a native approval, and decisions in the local Lark."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from airflow.sdk.exceptions import (
    TaskDeferred,
)
from lark_emulator import Emulator

from lark_provider.operators import LarkNativeApprovalOperator
from lark_provider.triggers import LarkNativeApprovalTrigger

READ = "GET /open-apis/approval/v4/instances/:instance_id"
FORM = [
    {"id": "w1", "type": "input", "name": "Version"},
    {"id": "w2", "type": "date", "name": "Day"},
]


def approval(code: str, **changes: Any) -> LarkNativeApprovalOperator:
    options: dict[str, Any] = {
        "form": {"Version": "1.2", "Day": "2026-01-31T00:00:00+08:00"},
        "submitter": "alice",
    }
    options |= {"poll_interval": 0.1, **changes}
    return LarkNativeApprovalOperator(task_id="t", approval_code=code, **options)


def defer(operator: LarkNativeApprovalOperator, context: Any) -> LarkNativeApprovalTrigger:
    """Execute a task until it defers, and return its trigger as the triggerer rebuilds it."""
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context)
    return rebuild_trigger(deferred.value.trigger)


def rebuild_trigger(trigger: Any) -> LarkNativeApprovalTrigger:
    return LarkNativeApprovalTrigger(**json.loads(json.dumps(trigger.serialize()[1])))


async def first_event(trigger: LarkNativeApprovalTrigger) -> dict[str, Any]:
    event = await asyncio.wait_for(anext(aiter(trigger.run())), 60)
    payload: dict[str, Any] = json.loads(json.dumps(event.payload))  # as Airflow stores it
    return payload


def instances(lark: Emulator) -> list[dict[str, Any]]:
    return list(lark.approvals()["instances"])


def decide(lark: Emulator, *decisions: str) -> None:
    for decision in decisions:
        lark.decide_approval(instances(lark)[-1]["code"], decision)


def count_reads(lark: Emulator) -> int:
    return int(lark.state(summary=True)["by_endpoint"].get(READ, 0))
