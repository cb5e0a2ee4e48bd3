"""A question outlives edits of its DAG file: its answer counts by what was asked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from airflow.sdk.exceptions import (
    AirflowFailException,
)
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider.storage.inbox import Inbox
from tests.airflow.card_callbacks.clicks_and_cards import BOB, BOSS, buttons, click, messages
from tests.airflow.questions.question_tasks import Start, approval, defer, read_card, run_until_fired

EDITS: dict[str, dict[str, Any]] = {
    "retries": {"retries": 0},
    "approvers": {"approvers": [BOB]},
    "receiver": {"receiver_id": BOB},
    "labels": {"options": {"approve": "Do it now", "reject": "Never"}},
    "options": {"options": {"later": "Later"}},
    "title": {"title": "Delete?", "text": "all of it"},
    "rejections": {"rejections": ["approve"]},
    "timeout": {"timeout": 0},
    "connection": {"lark_conn_id": "of_another_app"},
}


@pytest.fixture(autouse=True)
def _other_connection(lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    other = {"conn_type": "lark", "login": "cli_other", "password": "s", "host": lark.base_url}
    monkeypatch.setenv("AIRFLOW_CONN_OF_ANOTHER_APP", json.dumps(other))


@pytest.mark.parametrize("edit", EDITS)
def test_a_click_counts_by_what_was_asked(
    edit: str, lark: Emulator, gateway: None, url: URL, start: Start
) -> None:
    trigger = defer(approval(), start())
    (card,) = messages(lark)
    assert lark.click(card["message_id"], "bob", "Approve")["toast"]["type"] == "warning"
    assert lark.click(card["message_id"], "alice", "Approve")["toast"]["type"] == "success"
    edited = EDITS[edit].copy()
    retries = edited.pop("retries", 2)
    event = run_until_fired(trigger)
    context = start(retries=retries, max_tries=2)
    decided = approval(**edited).resume_execution("execute_complete", {"event": event}, context)
    assert (decided["decision"], decided["operator"]["open_id"]) == ("approve", BOSS)
    assert len(messages(lark)) == 1
    assert "**Approve**" in read_card(lark)
    assert "Publish?" in read_card(lark)
    assert not list(buttons(messages(lark)[0]["content"]))


@pytest.mark.parametrize("edit", EDITS)
def test_a_retry_after_an_edit_asks_nobody_again(edit: str, lark: Emulator, url: URL, start: Start) -> None:
    defer(approval(), start())
    (card,) = messages(lark)
    edited = EDITS[edit].copy()
    retry = start(try_number=2, retries=edited.pop("retries", 2), max_tries=2)
    if edit != "timeout":
        defer(approval(**edited), retry)
    value = next(value for value in buttons(card["content"]) if value["action"] == "approve")
    Inbox(url).store([click("e1", card["message_id"], value, BOSS)])
    assert approval(**edited).execute(retry)["decision"] == "approve"
    assert len(messages(lark)) == 1


@pytest.mark.parametrize("edited", ["return", "skip"])
def test_a_rejection_does_what_was_recorded(
    edited: str, lark: Emulator, gateway: None, url: URL, start: Start
) -> None:
    trigger = defer(approval(), start())
    (card,) = messages(lark)
    lark.click(card["message_id"], "alice", "Reject")
    event = run_until_fired(trigger)
    with pytest.raises(AirflowFailException, match="answered 'reject'"):
        approval(on_reject=edited).resume_execution("execute_complete", {"event": event}, start())


@pytest.mark.parametrize(
    ("edited", "expected"),
    [
        ({"approve": "delete"}, "publish"),  # swapped meanwhile
        (None, "publish"),  # branches no more
        ({"approve": "publish_all"}, "publish"),
    ],
)
def test_a_decision_leads_where_it_led_when_it_was_asked(
    edited: Any, expected: str, lark: Emulator, gateway: None, url: URL, start: Start,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    assert (
        answer_after_edit(edited, ["publish", "delete", "publish_all"], monkeypatch, lark, start) == expected
    )


def test_a_decision_leads_to_the_new_task_if_the_recorded_one_is_gone(
    lark: Emulator, gateway: None, url: URL, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = ["publish_all", "delete"]
    assert answer_after_edit({"approve": "publish_all"}, tasks, monkeypatch, lark, start) == "publish_all"


def answer_after_edit(
    edited: Any, tasks: list[str], monkeypatch: pytest.MonkeyPatch, lark: Emulator, start: Start
) -> Any:
    """Ask, click `Approve`, resume the task with edited branches, and return the branch that it takes."""
    trigger = defer(approval(branches={"approve": "publish", "reject": []}), start())
    (card,) = messages(lark)
    lark.click(card["message_id"], "alice", "Approve")
    event = run_until_fired(trigger)
    went = list[Any]()
    with DAG("d", schedule=None):
        operator = approval(branches=edited)
        for task_id in tasks:
            EmptyOperator(task_id=task_id)
    monkeypatch.setattr(operator, "do_branch", lambda _, branch: went.append(branch))
    operator.resume_execution("execute_complete", {"event": event}, start())
    return went[0]
