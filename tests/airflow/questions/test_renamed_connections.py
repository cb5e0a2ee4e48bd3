"""Tasks go on when the connection recorded with their question is gone, as after an admin has renamed it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from airflow.sdk.exceptions import AirflowSensorTimeout
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider.storage import tables
from lark_provider.storage.engine import get_engine
from lark_provider.triggers import LarkCardCallbackTrigger
from tests.airflow.card_callbacks.clicks_and_cards import buttons, messages
from tests.airflow.conftest import connection
from tests.airflow.questions.question_tasks import Start, approval, defer, read_question, run_until_fired

_REFUSED = r"it still shows its buttons.*The conn_id `lark_old` isn't defined"


@pytest.fixture
def trigger(
    lark: Emulator, url: URL, start: Start, monkeypatch: pytest.MonkeyPatch
) -> LarkCardCallbackTrigger:
    """Let a task ask over a connection, then rename that; return the task's trigger."""
    monkeypatch.setenv("AIRFLOW_CONN_LARK_OLD", connection(lark))
    trigger = defer(approval(lark_conn_id="lark_old"), start())
    monkeypatch.delenv("AIRFLOW_CONN_LARK_OLD")
    monkeypatch.setenv("AIRFLOW_CONN_LARK_NEW", connection(lark))
    return trigger


def test_a_decision_counts(
    lark: Emulator,
    gateway: None,
    trigger: LarkCardCallbackTrigger,
    start: Start,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lark.click(messages(lark)[0]["message_id"], "alice", "Approve")
    event = run_until_fired(trigger)
    resumed = approval(lark_conn_id="lark_new")
    assert resumed.resume_execution("execute_complete", {"event": event}, start())["decision"] == "approve"
    assert re.search(_REFUSED, capsys.readouterr().out)


def test_a_cleared_task_asks_again(
    lark: Emulator,
    url: URL,
    trigger: LarkCardCallbackTrigger,
    start: Start,
    capsys: pytest.CaptureFixture[str],
) -> None:
    defer(approval(lark_conn_id="lark_new"), start(try_number=2, max_tries=3))
    assert list(buttons(messages(lark)[1]["content"]))
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "Failed to withdraw expired" in line]
    assert "The conn_id `lark_old` isn't defined" in line


def test_a_timeout_is_not_retried(
    url: URL, trigger: LarkCardCallbackTrigger, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    with get_engine(url).begin() as database:
        database.execute(sa.update(tables.waits).values(deadline=datetime.now(UTC)))
    timed_out = ("__fail__", {"error": "Trigger timeout"})
    with pytest.raises(AirflowSensorTimeout):
        approval(lark_conn_id="lark_new").resume_execution(*timed_out, start())
    assert read_question(url).state == "closed"
    assert re.search(_REFUSED, capsys.readouterr().out)
