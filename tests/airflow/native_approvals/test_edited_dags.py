"""Native approvals whose DAG file is edited, or missing for a moment, while they wait."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred
from lark_emulator import Emulator

from tests.airflow.native_approvals.approval_tasks import FORM, approval, decide, defer, instances


def test_the_end_of_the_time_looks_at_the_instance_that_was_asked_for(
    lark: Emulator, code: str, start: Any
) -> None:
    context, timeout = start(), ("__fail__", {"error": "Trigger timeout"})
    with pytest.raises(TaskDeferred):
        approval(code).execute(context)
    decide(lark, "approve", "approve")
    edited = approval(lark.add_approval("Another", form=FORM), form={"Version": "2"})
    assert edited.resume_execution(*timeout, context)["status"] == "APPROVED"
    assert len(instances(lark)) == 1


@pytest.mark.parametrize(
    "kwargs", [{"event": {"status": "answered", "wait_id": "w"}}, {"event": {"status": "success"}}, {}, None]
)
def test_a_task_that_is_resumed_without_its_approval_asks(
    lark: Emulator, code: str, start: Any, kwargs: dict[str, Any] | None
) -> None:
    with pytest.raises(TaskDeferred):
        approval(code).resume_execution("execute_complete", kwargs, start())
    assert [instance["status"] for instance in instances(lark)] == ["PENDING"]


@pytest.mark.parametrize(
    ("before", "after", "try_number"), [(0, 3, 1), (2, 0, 1), (2, 5, 1), (2, 5, 2), (2, 3, 3)]
)
def test_a_file_with_other_retries_asks_for_nothing_more(
    lark: Emulator, code: str, start: Any, before: int, after: int, try_number: int
) -> None:
    """As in a task that is started again after its DAG file was missing, and was edited meanwhile."""
    defer(approval(code), start(retries=before))
    defer(approval(code), start(retries=after, max_tries=before, try_number=try_number))
    assert [instance["status"] for instance in instances(lark)] == ["PENDING"]
