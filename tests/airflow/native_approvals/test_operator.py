"""A native approval is asked for once for all retries, waited for, and its outcome followed."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowSkipException,
    TaskDeferralTimeout,
    TaskDeferred,
)
from lark_emulator import Emulator

from lark_provider.errors import TransportError
from lark_provider.operators import LarkNativeApprovalOperator
from tests.airflow.native_approvals.approval_tasks import (
    approval,
    count_reads,
    decide,
    defer,
    first_event,
    instances,
)
from tests.failures.waiting import wait_until


def test_the_outcome_is_returned(lark: Emulator, code: str, start: Any) -> None:
    context = start()
    trigger = defer(approval(code), context)
    (instance,) = instances(lark)
    assert context["xcoms"] == {"lark_approval_instance": instance["code"]}
    decide(lark, "approve", "approve")
    event = asyncio.run(first_event(trigger))
    assert event == {"instance_code": instance["code"], "status": "APPROVED", "reverted": False}
    returned = approval(code).execute_complete(context, event)
    assert returned == {
        "instance_code": instance["code"],
        "serial_number": instance["serial_number"],
        "status": "APPROVED",
        "reverted": False,
        "form": {"Version": "1.2", "Day": "2026-01-31T00:00:00+08:00"},
        "tasks": [
            {"open_id": f"ou_emulator0001_{who}", "node": "Leads", "status": "APPROVED"}
            for who in ("bob", "carol")
        ],
    }
    json.dumps(returned)


@pytest.mark.parametrize(
    ("decision", "status"), [("reject", "REJECTED"), ("withdraw", "CANCELED"), ("delete", "DELETED")]
)
def test_what_is_not_approved(
    lark: Emulator, code: str, start: Any, outcomes: list[str], decision: str, status: str
) -> None:
    trigger = defer(approval(code), start())
    decide(lark, decision)
    event = asyncio.run(first_event(trigger))
    with pytest.raises(AirflowFailException, match=f"is {status}. Next: clear the task to ask again"):
        approval(code).execute_complete(start(), event)
    with pytest.raises(AirflowSkipException):
        approval(code, on_reject="skip").execute_complete(start(), event)
    assert approval(code, on_reject="return").execute_complete(start(), event)["status"] == status
    assert outcomes == [status.lower()] * 3


def test_a_retry_waits_for_the_same_instance_and_a_cleared_task_asks_again(
    lark: Emulator, code: str, start: Any
) -> None:
    lark.fault("POST", "/open-apis/approval/v4/instances", drop="after")
    for try_number in (1, 2):
        defer(approval(code), start(try_number=try_number))
    assert len(instances(lark)) == 1
    defer(approval(code), start(try_number=3, max_tries=4))
    assert [instance["status"] for instance in instances(lark)] == ["CANCELED", "PENDING"]
    lark.change_approval(code, may_withdraw=False)
    defer(approval(code), start(try_number=4, max_tries=5))  # what cannot be withdrawn is left
    assert [instance["status"] for instance in instances(lark)] == ["CANCELED", "PENDING", "PENDING"]


def test_an_approval_is_withdrawn_however_many_retries_have_waited_for_it(
    lark: Emulator, code: str, start: Any
) -> None:
    for try_number in (1, 15):
        defer(approval(code), start(retries=14, max_tries=14, try_number=try_number))
    assert len(instances(lark)) == 1
    defer(approval(code), start(retries=14, try_number=16, max_tries=29))
    assert [instance["status"] for instance in instances(lark)] == ["CANCELED", "PENDING"]


@pytest.mark.parametrize("clears", [0, 1])
def test_a_run_that_was_deleted_and_made_again_asks_again(
    lark: Emulator, code: str, start: Any, clears: int
) -> None:
    """Under the same id, as a scheduled one is: the approval of the run before is not that of this one.

    An upstream task of the new run may have failed and been cleared before the approval begins.
    """

    def begin(hours: int, clears: int = 0, **changes: Any) -> Any:
        run = SimpleNamespace(start_date=datetime.now(UTC) + timedelta(hours=hours), clear_number=clears)
        return start(**changes) | {"dag_run": run}

    defer(approval(code), begin(-1))
    defer(approval(code), begin(-1, clears=1, try_number=2))  # a retry, after another task was cleared
    decide(lark, "approve", "approve")
    lark.advance(2 * 3600)
    made_again = begin(2, clears=clears)
    for try_number in (1, 2):
        defer(approval(code), start(try_number=try_number) | {"dag_run": made_again["dag_run"]})
    assert [instance["status"] for instance in instances(lark)] == ["APPROVED", "PENDING"]
    # Clearing a finished run changes its start; what this run asked for is withdrawn all the same.
    lark.advance(3600)
    defer(approval(code), begin(3, clears=clears + 1, try_number=3, max_tries=4))
    assert [instance["status"] for instance in instances(lark)] == ["APPROVED", "CANCELED", "PENDING"]


def test_a_run_that_was_deleted_and_made_again_twice_asks_a_third_time(
    lark: Emulator, code: str, start: Any
) -> None:
    began = datetime.now(UTC)
    for hours in range(3):
        dag_run = SimpleNamespace(start_date=began + timedelta(hours=hours), clear_number=0)
        for try_number in (1, 2):
            defer(approval(code), start(try_number=try_number) | {"dag_run": dag_run})
        assert len(instances(lark)) == hours + 1
        decide(lark, "approve", "approve")
        lark.advance(3600)


def test_a_clock_of_airflow_that_is_fast_does_not_ask_again_and_again(
    lark: Emulator, code: str, start: Any
) -> None:
    run = SimpleNamespace(start_date=datetime.now(UTC) + timedelta(hours=1), clear_number=0)
    defer(approval(code), start() | {"dag_run": run})
    assert len(instances(lark)) == 2


def test_a_decision_that_came_in_time_counts(
    lark: Emulator, code: str, start: Any, outcomes: list[str]
) -> None:
    operator = approval(code, timeout=timedelta(hours=1))
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(start())
    assert deferred.value.timeout == timedelta(hours=1)
    timeout = ("__fail__", {"error": "Trigger timeout"})
    with pytest.raises(TaskDeferralTimeout):
        operator.resume_execution(*timeout, start())
    assert instances(lark)[0]["status"] == "PENDING"
    decide(lark, "approve", "approve")
    assert operator.resume_execution(*timeout, start())["status"] == "APPROVED"
    assert outcomes == ["timeout", "approved"]


def test_a_revert_after_the_approval_is_reported(
    lark: Emulator, code: str, start: Any, outcomes: list[str]
) -> None:
    trigger = defer(approval(code), start())
    decide(lark, "approve", "approve")
    event = asyncio.run(first_event(trigger))
    decide(lark, "revert")
    returned = approval(code).execute_complete(start(), event)
    assert (returned["status"], returned["reverted"]) == ("APPROVED", True)
    # A retry that has not seen the approval does not act on it.
    with pytest.raises(AirflowFailException, match="is CANCELED"):
        approval(code).execute(start(try_number=2))
    assert outcomes == ["reverted", "canceled"]


def test_waiting_on_the_worker(lark: Emulator, code: str, start: Any) -> None:
    operator = approval(code, deferrable=False)
    done: list[Any] = []
    waiting = threading.Thread(target=lambda: done.append(operator.execute(start())))
    waiting.start()
    wait_until(lambda: count_reads(lark) > 3, 60)
    lark.fault("GET", "/open-apis/approval/v4/instances/*", status=503, times=10)
    decide(lark, "approve", "approve")
    waiting.join(60)
    assert [result["status"] for result in done] == ["APPROVED"]
    operator.on_kill()
    assert not instances(lark)[0]["reverted"]
    with pytest.raises(TaskDeferralTimeout, match=r"must be decided within 0\.3 s"):
        approval(code, deferrable=False, timeout=0.3).execute(start(run_id="other"))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"on_reject": "stop"}, "on_reject must be one of fail, skip, return, got 'stop'"),
        ({"poll_interval": 0}, "poll_interval must be a positive number of seconds, got 0"),
        ({"timeout": float("nan")}, "timeout must be a positive number of seconds, got nan"),
        ({"poll_interval": "1"}, "poll_interval must be a positive number of seconds, got '1'"),
    ],
)
def test_arguments_that_are_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        approval("CODE", **changes)


def test_a_request_that_does_not_arrive_is_retried_by_airflow(lark: Emulator, code: str, start: Any) -> None:
    operator = approval(code, deadline=1)
    lark.fault("GET", "/open-apis/approval/v4/approvals/*", drop="before", times=50)
    with pytest.raises(TransportError):
        operator.execute(start())
    lark.clear_faults()
    defer(approval(code), start(try_number=2))
    assert len(instances(lark)) == 1


def test_the_template_fields_are_rendered() -> None:
    assert set(LarkNativeApprovalOperator.template_fields) >= {"approval_code", "form", "submitter"}
