"""A task that is stopped withdraws its native approval."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from airflow.sdk.exceptions import (
    TaskDeferralTimeout,
)
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from lark_emulator import Emulator

from lark_provider.triggers import task_state
from tests.airflow.native_approvals.approval_tasks import approval, defer, instances


def test_a_task_that_is_stopped_on_its_worker_withdraws(lark: Emulator, code: str, start: Any) -> None:
    for withdraw, status in ((True, "CANCELED"), (False, "PENDING")):
        operator = approval(code, deferrable=False, withdraw=withdraw, timeout=0.3)
        with pytest.raises(TaskDeferralTimeout):
            operator.execute(start(run_id=status))
        operator.on_kill()
        assert instances(lark)[-1]["status"] == status


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
    assert "Failed to withdraw approval" in caplog.text
    assert "AirflowNotFoundException" in caplog.text
    assert instances(lark)[0]["status"] == "PENDING"
