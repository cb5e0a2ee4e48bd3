"""`LarkNotifier` among the notifiers of Airflow's human-in-the-loop operators, called as they call it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.operators.hitl import ApprovalOperator, HITLBranchOperator, HITLOperator
from lark_emulator import Emulator

from lark_provider.notifications.lark import LarkNotifier
from tests.airflow.conftest import CHAT, connection

RUN = "http://airflow/dags/d/runs/r%2B1"
PAGE = f"{RUN}/tasks/ask/required_actions?map_index=2"


def asking(kind: type[HITLOperator] = HITLOperator, **changes: Any) -> HITLOperator:
    options: dict[str, Any] = {} if kind is ApprovalOperator else {"options": ["a", "b"]}
    notifier = LarkNotifier(receiver_id=CHAT, language="en", **changes)
    return kind(task_id="ask", subject="Which?", notifiers=[notifier], **options)


def make_context(operator: HITLOperator, state: str = "running") -> Any:
    ti = SimpleNamespace(
        dag_id="d", run_id="r+1", task_id="ask", map_index=2, try_number=1, max_tries=1, state=state,
        start_date="now", log_url=f"{RUN}/tasks/ask?try_number=1",
    )  # fmt: skip
    return {"ti": ti, "task": operator, "run_id": "r+1"}


def cards(lark: Emulator) -> list[Any]:
    return [message["content"] for message in lark.state()["chats"][0]["messages"]]


@pytest.fixture(autouse=True)
def connected(lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", connection(lark))
    monkeypatch.delenv("LARK_BRIDGE", raising=False)


@pytest.mark.parametrize("kind", [HITLOperator, ApprovalOperator, HITLBranchOperator])
def test_without_the_bridge_a_question_is_a_notice_with_a_link(
    lark: Emulator, kind: type[HITLOperator]
) -> None:
    operator = asking(kind)
    operator.notifiers[0](make_context(operator))
    (card,) = cards(lark)
    assert card["header"]["title"]["content"] == "About a task · d.ask"
    assert f"[Answer in Airflow]({PAGE})" in card["body"]["elements"][-1]["content"]


@pytest.mark.parametrize("name", ["LARK_BRIDGE", "AIRFLOW__LARK__BRIDGE"])
def test_where_the_bridge_runs_it_stays_silent(
    lark: Emulator, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = asking()
    monkeypatch.setenv(name, "True")
    operator.notifiers[0](make_context(operator))
    asyncio.run(operator.notifiers[0].async_notify(make_context(operator)))
    assert cards(lark) == []
    monkeypatch.setenv(name, "0")
    operator.notifiers[0](make_context(operator))
    assert len(cards(lark)) == 1


def test_airflows_configuration_wins_over_the_environment(
    lark: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = asking()
    monkeypatch.setenv("LARK_BRIDGE", "1")
    monkeypatch.setenv("AIRFLOW__LARK__BRIDGE", "False")
    operator.notifiers[0](make_context(operator))
    assert len(cards(lark)) == 1


def test_a_failure_of_a_question_is_reported_all_the_same(
    lark: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARK_BRIDGE", "1")
    operator = asking()
    failed = make_context(operator, "failed") | {"exception": ValueError("boom")}
    LarkNotifier(receiver_id=CHAT, language="en")(failed)
    (card,) = cards(lark)
    assert card["header"]["title"]["content"] == "Task failed · d.ask"
    assert "Answer in Airflow" not in str(card)


def test_a_setting_that_is_neither_true_nor_false_fails_no_task(
    lark: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LARK_BRIDGE", "perhaps")
    operator = asking()
    operator.notifiers[0](make_context(operator))
    assert cards(lark) == []
    assert "must be true or false, got 'perhaps'" in capsys.readouterr().out
