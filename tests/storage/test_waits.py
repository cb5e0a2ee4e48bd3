"""Questions: recorded once, decided or closed once, whoever else does the same at that moment."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import URL

from lark_provider.errors import ConfigurationError
from lark_provider.protocol.callbacks import CardClick
from lark_provider.protocol.questions import Draft, Origin, Question, TaskQuestion
from lark_provider.protocol.waits import mark
from lark_provider.storage import tables
from lark_provider.storage.engine import get_engine
from lark_provider.storage.errors import StorageError
from lark_provider.storage.inbox import Inbox
from lark_provider.storage.waits import Waits
from tests.callbacks.mq import click
from tests.protocol.callbacks import sender

APP = sender.APP
FIRST = Origin("d", "r", "t", -1, "approval", try_number=1, max_tries=2, conn_id="lark_default")
RETRY = replace(FIRST, try_number=2)
CLEARED = replace(FIRST, try_number=2, max_tries=3)
ASK = Question(operators=("ou_1",), options={"approve": "Yes", "reject": "No"})


def draft(origin: Origin = FIRST, **parts: Any) -> Draft:
    return Draft(**{"origin": origin, "question": ASK, "app_id": APP, **parts})


def answering(
    question: TaskQuestion, event_id: str = "e1", action: str = "approve", **parts: Any
) -> CardClick:
    return click(event_id, value=mark({"action": action}, question.id), **parts)


def change(url: URL, damaged: TaskQuestion, **values: str) -> None:
    """Change a row as only a damage does."""
    with get_engine(url).begin() as connection:
        connection.execute(sa.update(tables.waits).where(tables.waits.c.id == damaged.id).values(values))


def count(url: URL) -> int:
    with get_engine(url).connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(tables.waits)) or 0


def test_a_question_is_read_back_as_it_was_asked(url: URL) -> None:
    waits, deadline = Waits(url), datetime.now(UTC) + timedelta(hours=1)
    fields = ({"tag": "input", "name": "reason", "label": {"content": "为什么?"}},)
    question = replace(ASK, title="发布?", fields=fields, instead_of="boss", timezone="Asia/Shanghai")
    claim = waits.claim(draft(question=question, deadline=deadline))
    assert (claim.is_new, claim.replaced) == (True, None)
    stored = waits.get(claim.question.id)
    assert stored == claim.question
    assert (stored.question, stored.origin, stored.app_id, stored.message_ids) == (question, FIRST, APP, ())
    assert (stored.state, stored.deadline, stored.decided_by) == ("open", deadline, ())
    sent = waits.record_sent(stored.id, "om_1")
    assert sent is not None
    assert sent.message_ids == ("om_1",)
    assert waits.record_sent(stored.id, "om_1") == sent
    assert (
        waits.get("no such id")
        is waits.record_sent("no such id", "om_1")
        is waits.close("no", "failed")
        is None
    )


def test_a_reschedule_a_lost_worker_and_a_retry_go_on_with_the_same_question(url: URL) -> None:
    waits = Waits(url)
    first = waits.claim(draft()).question
    edited = replace(ASK, operators=("ou_2",), options={"approve": "Do it"})
    for origin in (FIRST, RETRY, replace(FIRST, try_number=3)):
        claim = waits.claim(draft(origin, question=edited))
        assert (claim.question.id, claim.question.question, claim.is_new) == (first.id, ASK, False)
    assert count(url) == 1
    Inbox(url).store([answering(first)])
    assert set(waits.settle([first])) == {first.id}
    assert waits.claim(draft(replace(FIRST, try_number=4))).question.state == "decided"


def test_a_retry_moves_the_deadline_and_the_same_attempt_does_not(url: URL) -> None:
    waits, early = Waits(url), datetime.now(UTC)
    late = early + timedelta(hours=1)
    waits.claim(draft(deadline=early))
    assert waits.claim(draft(deadline=late)).question.deadline == early
    moved = waits.claim(draft(RETRY, deadline=late)).question
    assert (moved.deadline, moved.origin.try_number) == (late, 2)


def test_a_retry_does_not_go_on_with_a_card_that_has_expired(url: URL) -> None:
    """Whoever clicked since the deadline was told that the click does not count."""
    waits, inbox = Waits(url), Inbox(url)
    at = click("x").created_at
    late, timely = (
        waits.claim(draft(replace(FIRST, task_id=name), deadline=at + timedelta(seconds=seconds))).question
        for name, seconds in (("late", -1), ("timely", 1))
    )
    inbox.store([answering(late, "e1", open_id="ou_1"), answering(timely, "e2", open_id="ou_1")])
    retry = replace(RETRY, task_id="late")
    assert waits.find(retry, at + timedelta(hours=1)) is None
    claim = waits.claim(draft(retry, deadline=at + timedelta(hours=1)))
    assert (claim.is_new, claim.question.state) == (True, "open")
    assert claim.replaced is not None
    assert (claim.replaced.id, claim.replaced.reason) == (late.id, "expired")
    assert waits.settle([claim.question]) == {}
    decided = waits.find(replace(RETRY, task_id="timely"), at + timedelta(hours=1))
    assert decided is not None
    assert (decided.id, decided.state) == (timely.id, "decided")


def test_a_cleared_task_asks_again_and_closes_what_it_asked_before(url: URL) -> None:
    waits = Waits(url)
    old = waits.claim(draft()).question
    waits.record_sent(old.id, "om_1")
    claim = waits.claim(draft(CLEARED))
    assert claim.is_new
    assert claim.question.id != old.id
    assert claim.replaced is not None
    assert claim.replaced.message_ids == ("om_1",)
    closed = waits.get(old.id)
    assert closed is not None
    assert (closed.state, closed.reason, closed.successor) == ("closed", "superseded", claim.question.id)
    Inbox(url).store([answering(old)])
    assert waits.settle([old]) == {old.id: closed}
    assert waits.settle([claim.question]) == {}
    assert waits.find(CLEARED) == claim.question


def test_an_attempt_that_was_replaced_cannot_ask_again(url: URL) -> None:
    """Its worker was cut off when the task was cleared, and still runs."""
    waits = Waits(url)
    new = waits.claim(draft(CLEARED)).question
    for ask in (lambda: waits.claim(draft(FIRST)), lambda: waits.find(FIRST)):
        with pytest.raises(ConfigurationError, match=r"Attempt 1 of task 't' was replaced by attempt 2"):
            ask()
    assert waits.find(CLEARED) == new


@pytest.mark.parametrize("clears", [0, 1, 2])
@pytest.mark.parametrize("was", [FIRST, replace(CLEARED, run_clears=1)])
def test_a_run_that_was_deleted_and_made_again_asks_again(url: URL, was: Origin, clears: int) -> None:
    """Under the same id, as a scheduled one is: yesterday's approval must not answer today's question.

    An upstream task of the new run may have failed and been cleared before the approval begins.
    """
    waits = Waits(url)
    was = replace(was, run_start="2026-01-01T02:00:00.000000+00:00")
    old = waits.claim(draft(was)).question
    Inbox(url).store([answering(old)])
    assert set(waits.settle([old])) == {old.id}
    made_again = replace(FIRST, run_start="2026-01-02T02:00:00.000000+00:00", run_clears=clears)
    assert waits.find(made_again) is None
    claim = waits.claim(draft(made_again))
    assert (claim.is_new, claim.question.state, claim.replaced) == (True, "open", None)
    assert waits.claim(draft(replace(made_again, try_number=2))).question.id == claim.question.id


def test_a_run_whose_other_tasks_are_cleared_goes_on_with_its_question(url: URL) -> None:
    """While this task has not ended, the run has not either, and then clearing does not change its start."""
    waits, first_try = Waits(url), replace(FIRST, run_start="2026-01-01T02:00:00.000000+00:00")
    first = waits.claim(draft(first_try)).question
    later = replace(first_try, run_clears=1)
    for origin in (later, replace(later, try_number=2), FIRST):  # an earlier version recorded no start
        assert waits.claim(draft(origin)).question.id == first.id


@pytest.mark.parametrize("origin", [RETRY, CLEARED])
def test_a_question_that_was_closed_is_asked_again_by_later_attempts_alone(url: URL, origin: Origin) -> None:
    waits = Waits(url)
    old = waits.claim(draft()).question
    waits.close(old.id, "withdrawn")
    assert waits.claim(draft()).question.state == "closed"
    claim = waits.claim(draft(origin))
    assert claim.is_new
    closed = waits.get(old.id)
    assert closed is not None
    assert (closed.reason, closed.successor) == ("withdrawn", claim.question.id)
    assert claim.replaced is not None
    assert claim.replaced.id == old.id


def test_a_decision_made_before_the_task_was_cleared_stands_but_is_not_used(url: URL) -> None:
    waits = Waits(url)
    old = waits.claim(draft()).question
    Inbox(url).store([answering(old)])
    waits.settle([old])
    claim = waits.claim(draft(CLEARED))
    assert (claim.is_new, claim.question.state, claim.replaced) == (True, "open", None)
    kept = waits.get(old.id)
    assert kept is not None
    assert kept.state == "decided"


@pytest.mark.parametrize("origin", [FIRST, RETRY, CLEARED])
@pytest.mark.parametrize(
    "damage", [{"question": '{"title"'}, {"question": "[]"}, {"origin": "{}"}, {"message_ids": "1"}]
)
def test_a_damaged_question_is_asked_again_by_whichever_attempt(
    damage: dict[str, str], origin: Origin, url: URL
) -> None:
    waits = Waits(url)
    old = waits.claim(draft()).question
    change(url, old, **damage)
    assert waits.find(origin) is None
    claim = waits.claim(draft(origin))
    assert (claim.is_new, claim.replaced) == (True, None)
    with get_engine(url).connect() as connection:
        query = sa.select(tables.waits).where(tables.waits.c.id == old.id)
        row = connection.execute(query).one()
    assert (row.state, row.reason, row.successor) == ("closed", "superseded", claim.question.id)
    assert waits.find(origin) == claim.question
    assert waits.claim(draft(origin)).question == claim.question


@pytest.mark.parametrize("reason", ["withdrawn", "expired", "failed"])
def test_a_damaged_question_is_closed_without_being_read(reason: Any, url: URL) -> None:
    waits = Waits(url)
    question = waits.claim(draft()).question
    change(url, question, question='{"title"')
    with pytest.raises(
        StorageError, match=rf"^Row '{question.id}' of the table waits .* Next: clear the task"
    ):
        waits.record_sent(question.id, "om_1")
    assert waits.close(question.id, reason) is None
    over = waits.settle([question])[question.id]
    assert (over.state, over.reason) == ("closed", reason)
    assert waits.close(question.id, "withdrawn") is None


def test_the_first_click_that_counts_decides_once(url: URL) -> None:
    waits, inbox = Waits(url), Inbox(url)
    question = waits.claim(draft()).question
    forged = answering(question, "e3", open_id="ou_1")
    forged = replace(forged, raw=forged.raw | {"header": forged.raw["header"] | {"app_id": "cli_other"}})
    inbox.store(
        [
            answering(question, "e1", open_id="ou_stranger"),
            answering(question, "e2", "delete everything", open_id="ou_1"),
            replace(forged, app_id="cli_other"),
            click("e4", open_id="ou_1", value={"action": "approve"}, message_id="om_1"),
        ]
    )
    waits.record_sent(question.id, "om_1")
    assert waits.settle([question]) == {}
    inbox.store(
        [answering(question, "e5", open_id="ou_1"), answering(question, "e6", "reject", open_id="ou_1")]
    )
    decided = waits.settle([question])[question.id]
    assert (decided.state, decided.reason) == ("decided", None)
    assert [click.event_id for click in waits.read_clicks(decided)] == ["e5"]
    assert waits.close(question.id, "withdrawn") == decided
    assert waits.settle([question]) == {question.id: decided}


def test_a_click_after_the_deadline_does_not_count_whoever_looks_when(url: URL) -> None:
    waits, inbox = Waits(url), Inbox(url)
    at = click("x").created_at
    early, late = (waits.claim(draft(replace(FIRST, task_id=name))).question for name in ("a", "b"))
    early = waits.claim(draft(replace(RETRY, task_id="a"), deadline=at - timedelta(seconds=1))).question
    late = waits.claim(draft(replace(RETRY, task_id="b"), deadline=at + timedelta(seconds=1))).question
    inbox.store([answering(early, "e1", open_id="ou_1"), answering(late, "e2", open_id="ou_1")])
    assert set(waits.settle([early, late])) == {late.id}
    assert [question.id for question in waits.list_overdue(APP, at + timedelta(days=1), 5)] == [early.id]
    assert waits.list_overdue("cli_other", at + timedelta(days=1), 5) == []
    assert waits.list_overdue(APP, at - timedelta(seconds=1), 5) == []


def test_a_decision_whose_click_was_deleted_is_still_one(url: URL) -> None:
    waits = Waits(url)
    question = waits.claim(draft()).question
    Inbox(url).store([answering(question)])
    decided = waits.settle([question])[question.id]
    with get_engine(url).begin() as connection:
        connection.execute(sa.delete(tables.card_callbacks))
    assert waits.get(question.id) == decided
    assert waits.read_clicks(decided) == []


def test_any_number_of_questions_cost_two_queries(url: URL) -> None:
    waits = Waits(url)
    questions = [waits.claim(draft(replace(FIRST, task_id=f"t{n}"))).question for n in range(50)]
    sent: list[str] = []
    on = get_engine(url)
    sa.event.listen(on, "before_cursor_execute", lambda _c, _u, statement, *_: sent.append(statement))
    assert waits.settle(questions) == {}
    assert len([statement for statement in sent if not statement.startswith("BEGIN")]) == 2
    sent.clear()
    assert waits.settle([]) == {}
    assert sent == []


def test_attempts_that_ask_at_once_ask_one_question(url: URL) -> None:
    barrier = threading.Barrier(8)

    def work(n: int) -> tuple[str, bool]:
        barrier.wait()
        claim = Waits(url).claim(draft(replace(FIRST, try_number=1 + n % 3)))
        return claim.question.id, claim.is_new

    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(work, range(8)))
    assert len({wait_id for wait_id, _ in claims}) == 1
    assert sum(is_new for _, is_new in claims) == 1
    assert count(url) == 1


def test_of_a_decision_and_a_withdrawal_at_once_one_stands(url: URL) -> None:
    for n in range(10):
        question = Waits(url).claim(draft(replace(FIRST, task_id=f"t{n}"))).question
        Inbox(url).store([answering(question, f"e{n}")])
        barrier = threading.Barrier(4)

        def work(
            close: bool, task_question: TaskQuestion = question, barrier: threading.Barrier = barrier
        ) -> TaskQuestion | None:
            barrier.wait()
            return (
                Waits(url).close(task_question.id, "withdrawn")
                if close
                else Waits(url).settle([task_question])[task_question.id]
            )

        with ThreadPoolExecutor(4) as pool:
            seen = list(pool.map(work, [True, False, True, False]))
        assert len({ended.state for ended in seen if ended is not None}) == 1


steps = st.lists(
    st.tuples(st.sampled_from(["ask", "close", "answer"]), st.integers(1, 4), st.integers(2, 4)), max_size=12
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_whatever_happens_one_question_at_most_is_open_and_none_changes_its_end(
    url: URL, steps: list[tuple[str, int, int]]
) -> None:
    waits, ends = Waits(url), dict[str, Any]()
    with get_engine(url).begin() as connection:
        connection.execute(sa.delete(tables.waits))
    newest: TaskQuestion | None = None
    for n, (step, try_number, max_tries) in enumerate(steps):
        if step == "ask":
            try:
                newest = waits.claim(
                    draft(replace(FIRST, try_number=try_number, max_tries=max_tries))
                ).question
            except ConfigurationError:
                continue
        elif newest is not None and step == "close":
            waits.close(newest.id, "withdrawn")
        elif newest is not None:
            Inbox(url).store([answering(newest, f"{newest.id}-{n}", open_id="ou_1")])
            waits.settle([newest])
        with get_engine(url).connect() as connection:
            query = sa.select(tables.waits.c.id, tables.waits.c.state, tables.waits.c.decided_by)
            rows = connection.execute(query).all()
        assert sum(row.state == "open" for row in rows) <= 1
        for row in rows:
            if row.state != "open":
                assert ends.setdefault(row.id, (row.state, row.decided_by)) == (row.state, row.decided_by)
