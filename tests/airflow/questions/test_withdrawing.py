"""What a stopped task leaves when a connection is missing: a warning, and never an error of `on_kill`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider.triggers import task_state
from lark_provider.triggers.card_callback import LarkCardCallbackTrigger
from tests.airflow.questions.question_tasks import Start, approval, defer, read_card, read_question


@pytest.fixture(autouse=True)
def _is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", lambda *_, **__: {"r": {"t": "failed"}})


def kill(trigger: LarkCardCallbackTrigger) -> None:
    async def kill() -> None:
        await trigger.on_kill()
        await task_state.finish()

    asyncio.run(kill())


@pytest.mark.parametrize(
    ("name", "value", "state", "warned", "cards"),
    [
        ("AIRFLOW_CONN_LARK_DEFAULT", "", "closed", "Failed to update cards of a withdrawn question", "om_"),
        ("AIRFLOW__LARK__DATABASE_CONN_ID", "missing", "open", "Failed to withdraw a question", ""),
    ],
)
def test_a_connection_that_is_missing(
    lark: Emulator,
    url: URL,
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
    value: str,
    state: str,
    warned: str,
    cards: str,
) -> None:
    trigger: Any = defer(approval(), start())
    if name == "AIRFLOW__LARK__DATABASE_CONN_ID":
        monkeypatch.delenv("AIRFLOW__LARK__DATABASE_URL")
    monkeypatch.setenv(name, value)
    kill(trigger)
    assert read_question(url).state == state
    warning = next(record for record in caplog.records if record.message == warned)
    assert vars(warning)["error"].startswith("AirflowNotFoundException: ")
    assert vars(warning).get("messages", "").startswith(cards)
    assert "Publish?" in read_card(lark)
