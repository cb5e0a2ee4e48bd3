"""Who clicks on a question that is over is told so, and its card says what to do."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from airflow.sdk.exceptions import (
    AirflowSensorTimeout,
)
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider.api.cards.outcome import make_outcome_card
from lark_provider.protocol.questions import Question, TaskQuestion
from lark_provider.protocol.waits import mark
from lark_provider.storage import tables
from lark_provider.storage.engine import get_engine
from lark_provider.storage.waits import Waits
from tests.airflow.card_callbacks.clicks_and_cards import BOB, BOSS, buttons, click, messages
from tests.airflow.questions.question_tasks import (
    ORIGIN,
    Start,
    approval,
    close,
    defer,
    read_card,
    read_question,
)


@pytest.mark.parametrize(
    ("reason", "words", "step"),
    [
        ("withdrawn", "it was withdrawn", "answer the new card"),
        ("expired", "it has expired", "clear the task in Airflow"),
        ("superseded", "see the new card", "Answer the new card"),
        ("failed", "its task has failed", "clear it to be asked again"),
    ],
)
def test_who_clicks_on_a_question_that_is_over_is_told_so_and_the_card_says_what_to_do(
    reason: str, words: str, step: str, lark: Emulator, gateway: None, url: URL, start: Start
) -> None:
    defer(approval(), start())
    (card,) = messages(lark)
    closed = close(url, reason)
    response = lark.click(card["message_id"], "alice", "Approve")
    assert words in response["toast"]["content"]
    assert response["card_updated"]
    assert not list(buttons(messages(lark)[0]["content"]))
    assert step in read_card(lark)
    assert f"{closed.updated_at if reason != 'expired' else closed.deadline:%Y-%m-%d %H:%M}" in read_card(
        lark
    )
    with get_engine(url).connect() as connection:
        count = connection.scalar(sa.select(sa.func.count()).select_from(tables.card_callbacks))
    assert count == 1  # the click is stored all the same
    assert Waits(url).settle([closed]) == {closed.id: closed}


def test_who_clicks_after_the_decision_reads_who_was_first_and_a_repeated_delivery_reads_received(
    lark: Emulator, gateway: None, url: URL, start: Start
) -> None:
    defer(approval(approvers=[BOSS, BOB]), start())
    (card,) = messages(lark)
    assert lark.click(card["message_id"], "alice", "Approve")["toast"]["type"] == "success"
    assert Waits(url).settle([read_question(url)])
    response = lark.click(card["message_id"], "bob", "Reject")
    assert "Already answered at" in response["toast"]["content"]
    assert "Approve" in response["toast"]["content"]
    assert f"<at id={BOSS}></at>" in read_card(lark)
    assert not list(buttons(messages(lark)[0]["content"]))


def test_a_click_after_the_deadline_is_told_so_though_nothing_has_closed_the_question(
    lark: Emulator, gateway: None, url: URL, start: Start
) -> None:
    defer(approval(), start())
    (card,) = messages(lark)
    passed = datetime.now(UTC) - timedelta(minutes=1)
    with get_engine(url).begin() as connection:
        connection.execute(sa.update(tables.waits).values(deadline=passed))
    assert "it has expired" in lark.click(card["message_id"], "alice", "Approve")["toast"]["content"]
    assert Waits(url).settle([read_question(url)]) == {}
    timed_out = ("__fail__", {"error": "Trigger timeout"})
    with pytest.raises(AirflowSensorTimeout):
        approval().resume_execution(*timed_out, start())
    assert "⌛" in read_card(lark)
    assert read_question(url).reason == "expired"


def test_a_click_in_time_counts_though_the_task_looks_too_late(
    lark: Emulator, gateway: None, url: URL, start: Start
) -> None:
    defer(approval(on_reject="return"), start())
    (card,) = messages(lark)
    assert lark.click(card["message_id"], "alice", "Reject")["toast"]["type"] == "success"
    with get_engine(url).begin() as connection:
        connection.execute(sa.update(tables.waits).values(deadline=datetime.now(UTC)))
    timed_out = ("__fail__", {"error": "Trigger timeout"})
    decided = approval().resume_execution(*timed_out, start())
    assert decided["decision"] == "reject"
    assert close(url, "expired").state == "decided"


def test_an_expired_question_is_decided_by_a_click_that_was_received(
    lark: Emulator, gateway: None, url: URL, start: Start
) -> None:
    """It is stored between the last look of the task and the closing of the question."""
    defer(approval(), start())
    (card,) = messages(lark)
    lark.click(card["message_id"], "alice", "Approve")
    assert close(url, "expired").state == "decided"


def test_cards_whose_deadline_is_long_over_are_withdrawn_by_the_apps_next_question(
    lark: Emulator, url: URL, start: Start
) -> None:
    defer(approval(), start(task_id="dead"))
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    with get_engine(url).begin() as connection:
        connection.execute(sa.update(tables.waits).values(deadline=long_ago))
    defer(approval(), start())
    assert not list(buttons(messages(lark)[0]["content"]))
    assert "⌛ 已过期 / Expired" in read_card(lark)
    assert list(buttons(messages(lark)[1]["content"]))


def test_another_apps_click_is_not_shown_what_this_one_asked(
    lark: Emulator, gateway: None, url: URL, start: Start
) -> None:
    from lark_provider.callbacks.http.questions import _answer

    defer(approval(), start())
    closed = close(url, "withdrawn")
    value = mark({"action": "approve"}, closed.id)
    assert _answer(click("e1", "om_1", value, BOSS, "cli_other"), closed, []) is None
    assert _answer(click("e1", "om_1", value, BOSS), closed, []) is not None


def test_the_card_of_a_question_that_is_over_is_one_that_lark_takes() -> None:
    question = TaskQuestion(
        id="w",
        origin=replace(ORIGIN, url="https://airflow/dags/d"),
        question=Question(title="T", timezone="+08:00", options={"a": "A"}),
        app_id="cli_1",
        message_ids=("om_1",),
        state="closed",
        reason=None,
        decided_by=(),
        successor=None,
        deadline=None,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        updated_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    for reason in (None, "withdrawn", "expired", "superseded", "failed"):
        text = json.dumps(make_outcome_card(replace(question, reason=reason), newer="https://applink/x"))
        assert "2026-01-01 08:00" in text
        assert "https://airflow/dags/d" in text
        assert "https://applink/x" in text
