"""Questions of several tasks in one table, and processes that look at a question while another ends it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider import metrics
from lark_provider.errors import ConfigurationError
from lark_provider.protocol.questions import Reason, TaskQuestion
from lark_provider.storage import tables
from lark_provider.storage.engine import get_engine, hold_transaction
from lark_provider.storage.inbox import Inbox
from lark_provider.storage.waits import Waits
from tests.failures.locks import count_waiting
from tests.failures.waiting import wait_until
from tests.metrics.conftest import Counted
from tests.storage import prepared
from tests.storage.test_waits import APP, CLEARED, FIRST, RETRY, answering, change, draft


def ask(url: URL, *names: str, deadline: datetime | None = None) -> list[TaskQuestion]:
    return [
        Waits(url).claim(draft(replace(FIRST, task_id=name), deadline=deadline)).question for name in names
    ]


def test_what_becomes_of_one_question_changes_no_other(url: URL) -> None:
    waits = Waits(url)
    first, second, third = ask(url, "a", "b", "c")
    sent = waits.record_sent(first.id, "om_1")
    assert sent is not None
    assert sent.updated_at > first.updated_at
    assert waits.read([first.id, third.id]) == {first.id: sent, third.id: third}
    closed = waits.close(first.id, "withdrawn")
    assert closed is not None
    assert closed.updated_at > sent.updated_at
    Inbox(url).store([answering(second, open_id="ou_1")])
    over = waits.settle([first, second, third])
    assert {wait_id: question.state for wait_id, question in over.items()} == {
        first.id: "closed",
        second.id: "decided",
    }
    assert waits.get(third.id) == third


def test_whether_a_question_is_recorded_does_not_depend_on_what_its_row_holds(url: URL) -> None:
    waits, [question] = Waits(url), ask(url, "a")
    change(url, question, question="[]")
    assert waits.get(question.id) is None
    assert waits.exists(question.id) is True
    assert waits.exists("no such id") is False


def test_a_retry_that_finds_the_question_takes_it_over(url: URL) -> None:
    waits, late = Waits(url), datetime.now(UTC) + timedelta(hours=1)
    question = waits.claim(draft()).question
    assert waits.find(FIRST, late) == question
    taken_over = waits.find(RETRY, late)
    assert taken_over is not None
    assert (taken_over.id, taken_over.deadline, taken_over.origin.try_number) == (question.id, late, 2)
    assert waits.find(FIRST) == taken_over  # an attempt that was replaced, and still runs
    assert waits.find(replace(RETRY, max_tries=5)) is None  # the number of retries was changed


@pytest.mark.parametrize("reason", ["expired", "failed", "withdrawn"])
def test_a_click_that_is_stored_when_a_question_ends_by_itself_decides_it(url: URL, reason: Reason) -> None:
    waits, [question, other] = Waits(url), ask(url, "a", "b")
    Inbox(url).store([answering(question, open_id="ou_1"), answering(other, "e2", open_id="ou_stranger")])
    ended, without = waits.close(question.id, reason), waits.close(other.id, reason)
    assert ended is not None
    assert without is not None
    assert (without.state, without.reason) == ("closed", reason)
    if reason == "withdrawn":
        assert (ended.state, ended.reason) == ("closed", reason)
    else:
        assert (ended.state, ended.reason) == ("decided", None)
        assert [click.event_id for click in waits.read_clicks(ended)] == ["e1"]


def test_a_question_that_no_click_can_answer_is_not_recorded(url: URL) -> None:
    sensor = replace(FIRST, kind="sensor")
    with pytest.raises(ConfigurationError):
        Waits(url).claim(draft(sensor))
    assert Waits(url).find(sensor) is None
    question = Waits(url).claim(draft(sensor, message_ids=("om_1",))).question
    change(url, question, message_ids="[]")
    assert Waits(url).find(sensor) is None


def test_a_damaged_question_that_was_replaced_is_not_replaced_again(url: URL) -> None:
    waits, question = Waits(url), Waits(url).claim(draft()).question
    change(url, question, question="[]")
    second = waits.claim(draft(CLEARED)).question
    assert waits.settle([question])[question.id].successor == second.id
    third = waits.claim(draft(replace(CLEARED, try_number=3, max_tries=4))).question
    with hold_transaction(get_engine(url), reading=True) as connection:
        query = sa.select(tables.waits.c.id, tables.waits.c.successor)
        followed = {row.id: row.successor for row in connection.execute(query)}
    assert followed == {question.id: second.id, second.id: third.id, third.id: None}


def test_each_decision_is_counted_once(url: URL) -> None:
    waits, questions, counted = Waits(url), ask(url, "a", "b", "c"), Counted()
    made_at = datetime.now(UTC) - timedelta(hours=1)
    Inbox(url).store(
        [
            replace(answering(answered, answered.id, open_id="ou_1"), created_at=made_at)
            for answered in questions[:2]
        ]
    )
    metrics.start()
    try:
        assert len(waits.settle(questions[:1])) == len(waits.settle(questions[:1])) == 1
        for question in questions[1:]:
            waits.close(question.id, "expired")
        assert counted("lark_questions_decided_total", app=APP) == 2
        assert counted("lark_click_to_decision_seconds_sum") >= 2 * 3600
    finally:
        metrics.stop()


def test_those_that_are_overdue_come_oldest_first_and_are_counted(url: URL) -> None:
    waits, now = Waits(url), datetime.now(UTC)
    hours = {"b": 2, "a": 3, "c": 1, "later": -1, "closed": 5}
    questions = {name: ask(url, name, deadline=now - timedelta(hours=ago))[0] for name, ago in hours.items()}
    waits.close(questions["closed"].id, "withdrawn")
    assert [question.id for question in waits.list_overdue(APP, now, 5)] == [
        questions[name].id for name in ("a", "b", "c")
    ]
    assert [question.id for question in waits.list_overdue(APP, now, 2)] == [
        questions[name].id for name in ("a", "b")
    ]
    assert waits.count_open(timedelta(0)) == (4, 3)
    assert waits.count_open(timedelta(minutes=150)) == (4, 1)


def test_who_reads_after_writers_sees_the_end_that_is_being_recorded(postgres: URL) -> None:
    prepared.upgrade(postgres)
    waits, [question] = Waits(postgres), ask(postgres, "a")
    row = tables.waits.c.id == question.id
    with ThreadPoolExecutor(1) as threads:
        with hold_transaction(get_engine(postgres)) as connection:
            connection.execute(sa.update(tables.waits).where(row).values(state="closed", reason="failed"))
            assert waits.read([question.id])[question.id].state == "open"
            reading = threads.submit(waits.read, [question.id], after_writers=True)
            wait_until(lambda: count_waiting(postgres))
        assert reading.result()[question.id].state == "closed"
    with hold_transaction(get_engine(postgres)) as connection:  # who reads holds up no other reader
        connection.execute(sa.select(tables.waits).where(row).with_for_update(read=True))
        assert waits.read([question.id], after_writers=True)[question.id].state == "closed"


def test_of_two_attempts_that_ask_at_once_the_later_one_finds_the_question(postgres: URL) -> None:
    prepared.upgrade(postgres)
    waits = Waits(postgres)
    with ThreadPoolExecutor(2) as threads:
        with hold_transaction(get_engine(postgres)) as connection:
            connection.execute(sa.text("LOCK TABLE waits IN SHARE MODE"))  # whoever reads goes on
            asking = [threads.submit(waits.claim, draft(origin)) for origin in (FIRST, RETRY)]
            wait_until(lambda: count_waiting(postgres) >= 2)
        claims = [future.result() for future in asking]
    assert len({claim.question.id for claim in claims}) == 1
    assert sorted(claim.is_new for claim in claims) == [False, True]


def test_a_click_is_not_received_for_a_question_that_expires_without_it(postgres: URL) -> None:
    """Who closes a question has it locked before looking for clicks, as those who store one may read it."""
    prepared.upgrade(postgres)
    waits, [question] = Waits(postgres), ask(postgres, "a")
    with ThreadPoolExecutor(2) as threads:
        with hold_transaction(get_engine(postgres)) as connection:
            connection.execute(sa.text("LOCK TABLE card_callbacks IN ACCESS EXCLUSIVE MODE"))
            closing = threads.submit(waits.close, question.id, "expired")
            wait_until(lambda: count_waiting(postgres))
            reading = threads.submit(waits.read, [question.id], after_writers=True)
            wait_until(lambda: reading.done() or count_waiting(postgres) >= 2)
        closed = closing.result()
        assert closed is not None
        assert closed.reason == "expired"
        assert reading.result() == {question.id: closed}
