"""Kills, clears, damaged and deleted rows leave one question, one card, and a task that goes on."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from airflow.sdk.exceptions import (
    AirflowFailException,
)
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider.callbacks import waiting
from lark_provider.errors import ConfigurationError, OutcomeUnknownError
from lark_provider.hooks import airflow_config
from lark_provider.operators.question_cards import OperatorCards
from lark_provider.protocol.questions import Draft, Question, TaskQuestion
from lark_provider.storage import tables, wait_polling
from lark_provider.storage.engine import get_engine
from lark_provider.storage.inbox import Inbox
from lark_provider.storage.waits import Waits
from lark_provider.triggers import task_state
from tests.airflow.card_callbacks.clicks_and_cards import BOB, BOSS, buttons, click, messages
from tests.airflow.conftest import CHAT
from tests.airflow.questions.question_tasks import ORIGIN, Start, approval, defer, read_card, read_question
from tests.failures.waiting import wait_until


def test_a_worker_killed_before_the_card_was_sent_leaves_no_second_question(
    lark: Emulator, url: URL, start: Start
) -> None:
    question = Question(operators=(BOSS,), receiver=CHAT, title="Publish?", options={"approve": "Approve"})
    claimed = Waits(url).claim(Draft(ORIGIN, question, lark.app_id)).question  # as far as it had come
    for attempt in (1, 2):
        defer(approval(receiver_id=BOB, approvers=[BOB]), start(try_number=attempt))
    (card,) = messages(lark)
    assert {value["lark_wait"] for value in buttons(card["content"])} == {claimed.id}
    assert read_question(url).message_ids == (card["message_id"],)


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_card_of_unknown_outcome_is_sent_again_after_larks_hour(
    lark: Emulator, url: URL, start: Start, drop: str
) -> None:
    lark.fault("POST", "/open-apis/im/v1/messages", drop=drop, times=9)
    with pytest.raises(OutcomeUnknownError):
        approval().execute(start())
    lark.clear_faults()
    lark.advance(7200)
    with get_engine(url).begin() as connection:
        (sent_at,) = connection.execute(sa.select(tables.ledger.c.sent_at)).scalars()
        connection.execute(sa.update(tables.ledger).values(sent_at=sent_at - timedelta(hours=2)))
    defer(approval(), start(try_number=2))
    cards = messages(lark)
    assert len(cards) == 1 + (drop == "after")
    question = read_question(url)
    assert question.message_ids == (cards[-1]["message_id"],)
    for card in cards:  # A click on either card decides the same question.
        assert {value["lark_wait"] for value in buttons(card["content"])} == {question.id}
    defer(approval(), start(try_number=3))
    assert len(messages(lark)) == len(cards)


def sent_but_not_noted(lark: Emulator, url: URL, start: Start) -> TaskQuestion:
    """Return the question of a worker that was killed after it sent the card and before it recorded that."""
    defer(approval(), start())
    with get_engine(url).begin() as connection:
        connection.execute(sa.update(tables.waits).values(message_ids="[]"))
    return read_question(url)


def test_a_worker_killed_after_the_card_was_sent_leaves_no_second_card(
    lark: Emulator, url: URL, start: Start
) -> None:
    question = sent_but_not_noted(lark, url, start)
    (card,) = messages(lark)
    value = next(value for value in buttons(card["content"]) if value["action"] == "approve")
    Inbox(url).store([click("e1", card["message_id"], value, BOSS)])  # it comes before the note
    assert approval().execute(start(try_number=2))["decision"] == "approve"
    assert len(messages(lark)) == 1
    assert Waits(url).get(question.id).message_ids == (card["message_id"],)  # type: ignore[union-attr]  # it is there


def test_a_card_that_was_not_noted_is_withdrawn_by_the_next_question(
    lark: Emulator, url: URL, start: Start
) -> None:
    question = sent_but_not_noted(lark, url, start)
    defer(approval(), start(try_number=2, max_tries=3))
    assert len(messages(lark)) == 2
    assert not list(buttons(messages(lark)[0]["content"]))
    assert "已被取代 / Superseded" in read_card(lark)
    assert list(buttons(messages(lark)[1]["content"]))
    old = Waits(url).get(question.id)
    assert old is not None
    assert (old.state, old.message_ids) == ("closed", (messages(lark)[0]["message_id"],))


def test_two_attempts_at_once_ask_once(lark: Emulator, url: URL, start: Start) -> None:
    def work(attempt: int) -> str:
        return str(defer(approval(), start(try_number=attempt)).wait_id)

    with ThreadPoolExecutor(4) as pool:
        ids = set(pool.map(work, [1, 2, 1, 2]))
    assert ids == {read_question(url).id}
    assert len(messages(lark)) == 1


def test_a_card_whose_question_was_closed_while_it_was_sent_is_withdrawn(
    lark: Emulator, url: URL, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = approval()
    send = OperatorCards.send

    def cleared_meanwhile(
        cards: OperatorCards, question: TaskQuestion, card: Any
    ) -> tuple[TaskQuestion, str]:
        Waits(url).close(question.id, "withdrawn")
        return send(cards, question, card)

    monkeypatch.setattr(OperatorCards, "send", cleared_meanwhile)
    with pytest.raises(AirflowFailException, match=r"was closed: withdrawn\. Next: clear the task"):
        operator.execute(start())
    assert not list(buttons(messages(lark)[0]["content"]))


def test_airflow_is_queried_once_and_no_wait_waits_for_it(
    lark: Emulator, url: URL, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first query of a triggerer takes seconds, so it comes before a user clears a task."""
    queries, answer = list[str](), threading.Event()

    def get_task_states(dag_id: str, **_: Any) -> dict[str, Any]:
        queries.append(dag_id)
        assert answer.wait(30)
        return {}

    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", get_task_states)
    monkeypatch.setattr(task_state, "_is_prepared", False)
    triggers = [defer(approval(), start(task_id=f"t{number}")) for number in range(3)]
    for number, trigger in enumerate(triggers):
        trigger.trigger_id = number  # as a triggerer sets it
        assert Waits(url).close(trigger.wait_id or "", "withdrawn") is not None

    async def run() -> list[Any]:
        events = [await asyncio.wait_for(anext(aiter(trigger.run())), 30) for trigger in triggers]
        answer.set()
        await task_state.finish()
        return events

    assert [event.payload["status"] for event in asyncio.run(run())] == ["answered"] * 3
    assert queries == [""]


def test_a_damaged_row_fails_no_attempt_and_hides_no_error(lark: Emulator, url: URL, start: Start) -> None:
    defer(approval(), start())
    with get_engine(url).begin() as connection:
        connection.execute(sa.update(tables.waits).values(question='{"title"'))
    trigger = defer(approval(), start(try_number=2))
    assert len(messages(lark)) == 2
    with get_engine(url).begin() as connection:
        connection.execute(sa.update(tables.waits).values(question='{"title"'))
    event = {"status": "error", "message": "why the task fails", "wait_id": trigger.wait_id}
    with pytest.raises(AirflowFailException, match="why the task fails"):
        approval().resume_execution("execute_complete", {"event": event}, start(try_number=2))


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_question_that_was_deleted_ends_its_wait(
    deferrable: bool, lark: Emulator, url: URL, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait_polling, "COMPLETE_SECONDS", 1.0)
    operator, context = approval(deferrable=deferrable, mode="reschedule"), start()

    def delete() -> None:
        with get_engine(url).begin() as connection:
            connection.execute(sa.delete(tables.waits))

    if not deferrable:
        operator._ensure_card_sent(context)
        delete()
        with pytest.raises(AirflowFailException, match="it was deleted or damaged"):
            operator.poke(context)
        return
    trigger = defer(operator, context)
    hub = waiting.get_hub(airflow_config.read_database_url(), airflow_config.read_rabbitmq_url())
    waits = hub.settle(trigger.wait_id or "", trigger.database_id)
    pending = next(iter(hub._pending.values()))
    wait_until(lambda: pending.question is not None)
    delete()
    with pytest.raises(ConfigurationError, match="it was deleted or damaged"):
        waits.result(30)
