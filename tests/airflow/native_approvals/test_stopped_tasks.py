"""A task that is stopped withdraws its native approval."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferralTimeout
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from lark_emulator import Emulator

from lark_provider.triggers import task_state
from tests.airflow.native_approvals.approval_tasks import approval, count_reads, decide, defer, instances
from tests.failures.waiting import wait_until


def has_state(monkeypatch: pytest.MonkeyPatch, state: str | None) -> None:
    """Let Airflow have the task in a state; None lets it not answer."""

    def get_task_states(*_: Any, **__: Any) -> Any:
        if state is None:
            raise ConnectionError
        return {"r": {"t": state}}

    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", get_task_states)


@pytest.mark.parametrize(
    ("state", "try_number", "withdraw", "status"),
    [
        ("running", 3, True, "CANCELED"),
        ("running", 3, False, "PENDING"),
        ("failed", 1, True, "CANCELED"),  # marked by a person
        ("running", 1, True, "PENDING"),  # the worker is shut down, or `execution_timeout` has passed
        (None, 1, True, "PENDING"),
    ],
)
def test_a_task_that_is_stopped_on_its_worker_withdraws_unless_a_retry_follows(
    lark: Emulator,
    code: str,
    start: Any,
    monkeypatch: pytest.MonkeyPatch,
    state: str | None,
    try_number: int,
    withdraw: bool,
    status: str,
) -> None:
    has_state(monkeypatch, state)
    operator = approval(code, deferrable=False, withdraw=withdraw, timeout=0.3)
    with pytest.raises(TaskDeferralTimeout):
        operator.execute(start(try_number=try_number))
    operator.on_kill()
    assert instances(lark)[-1]["status"] == status


def test_a_retry_of_a_stopped_task_goes_on_waiting(
    lark: Emulator, code: str, start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise `skip` would skip the task, and `return` succeed, as if a person had withdrawn."""
    has_state(monkeypatch, "running")
    first = approval(code, deferrable=False, timeout=0.3, on_reject="return")
    with pytest.raises(TaskDeferralTimeout):
        first.execute(start())
    first.on_kill()
    decide(lark, "approve", "approve")
    assert approval(code, on_reject="return").execute(start(try_number=2))["status"] == "APPROVED"
    assert len(instances(lark)) == 1


@pytest.mark.parametrize("on_reject", ["fail", "skip", "return"])
def test_what_a_stopped_task_withdraws_is_not_taken_for_a_decision(
    lark: Emulator, code: str, start: Any, monkeypatch: pytest.MonkeyPatch, on_reject: str
) -> None:
    """Airflow's handler of SIGTERM returns after `on_kill`, and the task goes on until it is killed."""
    has_state(monkeypatch, "running")
    operator = approval(code, deferrable=False, on_reject=on_reject)
    raised: list[BaseException] = []

    def execute() -> None:
        try:
            operator.execute(start(try_number=3))
        except Exception as error:  # noqa: BLE001 - compared below
            raised.append(error)

    waiting = threading.Thread(target=execute)
    waiting.start()
    wait_until(lambda: count_reads(lark) > 3, 60)
    operator.on_kill()
    waiting.join(60)
    assert [type(error) for error in raised] == [AirflowFailException]
    assert "was withdrawn, since its task was stopped. Next: " in str(raised[0])


@pytest.mark.parametrize(("state", "status"), [("deferred", "PENDING"), ("failed", "CANCELED")])
def test_a_task_that_is_not_deferred_any_more_withdraws(
    lark: Emulator, code: str, start: Any, monkeypatch: pytest.MonkeyPatch, state: str, status: str
) -> None:
    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", lambda *_, **__: {"r": {"t": state}})
    trigger = defer(approval(code), start())

    async def kill() -> None:
        await trigger.on_kill()
        await task_state.finish()

    asyncio.run(kill())
    assert instances(lark)[0]["status"] == status


@pytest.mark.parametrize(
    "faulty",
    [{"AIRFLOW_CONN_LARK_DEFAULT": ""}, {"AIRFLOW__LARK__DATABASE_CONN_ID": "missing"}],
    ids=["of-lark", "of-the-database"],
)
def test_a_connection_that_is_missing_ends_the_withdrawal_with_a_warning(
    lark: Emulator,
    code: str,
    start: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    faulty: dict[str, str],
) -> None:
    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", lambda *_, **__: {"r": {"t": "failed"}})
    trigger = defer(approval(code), start())
    for name, value in faulty.items():
        monkeypatch.setenv(name, value)

    async def kill() -> None:
        await trigger.on_kill()
        await task_state.finish()

    asyncio.run(kill())
    (line,) = [line for line in caplog.records if "Failed to withdraw an approval" in line.getMessage()]
    assert "AirflowNotFoundException" in vars(line)["error"]
    assert instances(lark)[0]["status"] == "PENDING"
