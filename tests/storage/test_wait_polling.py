"""Looks at many questions: which clicks are asked for, how often, and that none is left out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.errors import StorageError
from lark_provider.protocol.questions import Draft, Origin, Question, TaskQuestion
from lark_provider.protocol.waits import mark
from lark_provider.storage import inbox as inboxes
from lark_provider.storage import migrate, stored_clicks, tables
from lark_provider.storage import wait_polling as module
from lark_provider.storage.deadlines import MAINTENANCE, STATEMENT
from lark_provider.storage.engine import get_engine, hold_transaction
from lark_provider.storage.inbox import Inbox
from lark_provider.storage.wait_chunks import CHUNK
from lark_provider.storage.wait_polling import COMPLETE_SECONDS, OVERLAP_SECONDS, WaitPoller
from lark_provider.storage.waits import Waits
from lark_provider.support.once import Once
from tests.callbacks.mq import click
from tests.protocol.callbacks import sender
from tests.storage import prepared
from tests.storage.test_inbox import statements

ASK = Question(operators=("ou_1",), options={"approve": "Yes"})


class Clock:
    """The monotonic clock of looks."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Set a clock that the test controls, and an id margin of 0 for first looks, since ids are few."""
    fake_clock = Clock()
    monkeypatch.setattr(module, "time", fake_clock)
    monkeypatch.setattr(module, "MARGIN", 0)
    return fake_clock


def ask(url: URL, name: str = "t", **parts: Any) -> TaskQuestion:
    origin = Origin("d", "r", name, -1, "sensor" if "message_ids" in parts else "approval", 1, 1)
    draft = Draft(**{"origin": origin, "question": ASK, "app_id": sender.APP, **parts})
    return Waits(url).claim(draft).question


def answer(question: TaskQuestion, event_id: str = "e1", **parts: Any) -> Any:
    return click(event_id, value=mark({"action": "approve"}, question.id), **parts)


def fill(url: URL, rows: int, **columns: str) -> None:
    """Insert clicks that are unrelated to any wait, except for what `columns` says (SQL of `n`)."""
    expressions = {
        "correlation": "'x' || n",
        "operator_id": "'ou_' || n",
        "event_id": "'fill' || n",
    } | columns
    statement = f"""
        INSERT INTO card_callbacks (app_id, message_id, payload, clicked_at, stored_at,
            {", ".join(expressions)})
        SELECT '{sender.APP}', 'om_' || n, repeat('x', 800), now(), now(), {", ".join(expressions.values())}
        FROM generate_series(1, {rows}) n
    """  # noqa: S608 - constants
    with get_engine(url).begin() as connection:
        connection.execute(sa.text(statement))
        connection.execute(sa.text("ANALYZE card_callbacks"))


def many(url: URL, count: int, **question: Any) -> list[TaskQuestion]:
    """Ask one question, copy its row until there are `count` of them, and return all questions."""
    first = ask(url, question=replace(ASK, **question))
    with get_engine(url).begin() as connection:
        row = dict(connection.execute(sa.select(tables.waits)).one()._mapping)
        rows = [row | {"id": f"w{n}"} for n in range(1, count)]
        if rows:
            connection.execute(sa.insert(tables.waits), rows)
    return [first, *(replace(first, id=f"w{n}") for n in range(1, count))]


def bounds(url: URL, work: Callable[[], object]) -> list[int]:
    """Do some work, and return the ids above which the statements of its looks searched for clicks."""
    return [parameters["above"] for _, parameters in statements(url, work) if "above" in parameters]


@contextmanager
def open_transaction(url: URL, *clicks: Any) -> Iterator[None]:
    """Insert clicks, and commit them at the end: their ids are assigned at the beginning."""
    with hold_transaction(get_engine(url), limits=MAINTENANCE) as connection:
        connection.execute(sa.insert(tables.card_callbacks), [inboxes._make_row(click) for click in clicks])
        yield


# --- nothing is left out ---


def test_the_overlap_is_longer_than_a_writing_transaction() -> None:
    assert STATEMENT.longest < OVERLAP_SECONDS
    assert STATEMENT.longest == STATEMENT.transaction + STATEMENT.idle + STATEMENT.statement


def test_a_transaction_that_is_open_across_three_looks(postgres: URL, clock: Clock) -> None:
    prepared.upgrade(postgres)
    question, looks = ask(postgres), WaitPoller(postgres)
    fill(postgres, 10)
    for _ in range(int(OVERLAP_SECONDS) + 2):  # so that there is a bound
        assert looks.settle([question]) == {}
        clock.now += 1
    with open_transaction(postgres, answer(question, "early")):
        for event_id in ("late", "later", "latest"):
            Inbox(postgres).store([click(event_id, message_id="om_other")])
            [bound] = bounds(postgres, lambda: looks.settle([question]))
            assert bound == 10
            clock.now += 4.0
    [over] = looks.settle([question]).values()
    assert over.state == "decided"
    assert [click.event_id for click in Waits(postgres).read_clicks(over)] == ["early"]


def test_the_bound_is_counted_from_the_last_look_that_succeeded(
    postgres: URL, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared.upgrade(postgres)
    question, looks = ask(postgres), WaitPoller(postgres)
    for _ in range(60):
        looks.settle([question])
        clock.now += 1
    with open_transaction(postgres, answer(question, "early")):
        fill(postgres, 10)
        with monkeypatch.context() as failing:
            failing.setattr(migrate, "open_transaction", lambda *_, **__: 1 / 0)
            for _ in range(30):  # the database cannot be used for longer than the overlap
                with pytest.raises(ZeroDivisionError):
                    looks.settle([question])
                clock.now += 2
    monkeypatch.setattr(module, "COMPLETE_SECONDS", 10_000.0)
    assert [settled.state for settled in looks.settle([question]).values()] == ["decided"]


def test_the_first_look_has_no_bound_and_so_has_one_a_minute(postgres: URL, clock: Clock) -> None:
    prepared.upgrade(postgres)
    fill(postgres, 10)
    first, looks = ask(postgres, "a"), WaitPoller(postgres)
    seen = []
    for _ in range(int(3 * COMPLETE_SECONDS)):
        seen.append(bounds(postgres, lambda: looks.settle([first]))[0])
        clock.now += 1
    minute = int(COMPLETE_SECONDS)
    assert [place for place, bound in enumerate(seen) if bound == 0] == [0, minute, 2 * minute]
    second = ask(postgres, "b")
    assert min(bounds(postgres, lambda: looks.settle([first, second]))) == 0
    clock.now += 1
    assert len(bounds(postgres, lambda: looks.settle([first, second]))) == 1  # they share a statement now


def test_what_was_left_out_is_found_within_a_minute(postgres: URL, clock: Clock) -> None:
    """A commit that waited for a standby, for example: nothing limits how long."""
    prepared.upgrade(postgres)
    question, looks = ask(postgres), WaitPoller(postgres)
    with open_transaction(postgres, answer(question, "early")):
        fill(postgres, 10)
        for _ in range(100):
            assert looks.settle([question]) == {}
            clock.now += 1
    for _ in range(int(COMPLETE_SECONDS) + 1):
        if over := looks.settle([question]):
            break
        clock.now += 1
    assert [settled.state for settled in over.values()] == ["decided"]


def test_a_database_that_was_restored_gives_out_smaller_ids(postgres: URL, clock: Clock) -> None:
    prepared.upgrade(postgres)
    question, looks = ask(postgres), WaitPoller(postgres)
    fill(postgres, 1000)
    for _ in range(50):
        looks.settle([question])
        clock.now += 1
    with get_engine(postgres).begin() as connection:
        connection.execute(sa.text("DELETE FROM card_callbacks"))
        connection.execute(sa.text("ALTER TABLE card_callbacks ALTER COLUMN id RESTART WITH 1"))
    Inbox(postgres).store([answer(question)])
    assert [settled.state for settled in looks.settle([question]).values()] == ["decided"]


@pytest.mark.parametrize("rows", [0, 10])
def test_a_question_that_was_deleted_is_noticed_within_a_minute(
    postgres: URL, clock: Clock, rows: int
) -> None:
    prepared.upgrade(postgres)
    fill(postgres, rows)
    kept, lost, looks = ask(postgres, "a"), ask(postgres, "b"), WaitPoller(postgres)
    for _ in range(5):
        assert (looks.settle([kept, lost]), looks.deleted) == ({}, set())
        clock.now += 1
    with get_engine(postgres).begin() as connection:
        connection.execute(sa.delete(tables.waits).where(tables.waits.c.id == lost.id))
    noticed = []
    for _ in range(int(COMPLETE_SECONDS)):
        assert looks.settle([kept, lost]) == {}
        noticed.append(looks.deleted)
        clock.now += 1
    assert [deleted for deleted in noticed if deleted] == [{lost.id}]
    assert (looks.settle([kept]), looks.deleted) == ({}, set())


def test_questions_that_need_several_clicks_keep_those_that_they_have(url: URL, clock: Clock) -> None:
    question = Question(every=True)
    task_question, inbox, looks = (
        ask(url, question=question, message_ids=("om_1", "om_2")),
        Inbox(url),
        WaitPoller(url),
    )
    inbox.store([click("a", message_id="om_1"), click("a2", message_id="om_1")])
    for _ in range(100):
        assert looks.settle([task_question]) == {}
        clock.now += 1
        inbox.store([click(f"n{clock.now}", message_id="om_other")])
    inbox.store([click("b", message_id="om_2")])
    other = ask(url, "another", question=question, message_ids=("om_3",))
    over = looks.settle([task_question, other])
    assert [click.event_id for click in Waits(url).read_clicks(over[task_question.id])] == ["a", "b"]


def test_who_may_answer_is_decided_by_the_whole_click(url: URL, clock: Clock) -> None:
    """Rows that version 0.1 wrote have no operator; ids of other kinds are not in the column."""
    inbox, looks = Inbox(url), WaitPoller(url)
    plain, by_union = ask(url, "a"), ask(url, "b", question=replace(ASK, operators=("on_1",)))
    union = answer(by_union, "union", open_id="ou_9")
    union = replace(union, operator=replace(union.operator, union_id="on_1"))
    union.raw["event"]["operator"]["union_id"] = "on_1"
    inbox.store([answer(plain, "stranger", open_id="ou_2"), answer(plain, "early"), union])
    with get_engine(url).begin() as connection:
        old = sa.update(tables.card_callbacks).where(tables.card_callbacks.c.event_id == "early")
        connection.execute(old.values(operator_id=None))
    over = looks.settle([plain, by_union])
    event_ids = {
        question.id: [click.event_id for click in Waits(url).read_clicks(question)]
        for question in over.values()
    }
    assert event_ids == {plain.id: ["early"], by_union.id: ["union"]}


def test_what_others_decided_or_closed_is_told(url: URL, clock: Clock) -> None:
    looks, (first, second, third) = WaitPoller(url), [ask(url, name) for name in "abc"]
    assert looks.settle([first, second, third]) == {}
    Waits(url).close(first.id, "withdrawn")
    Inbox(url).store([answer(second)])
    Waits(url).settle([second])
    over = looks.settle([first, second, third])
    assert {key: (question.state, question.reason) for key, question in over.items()} == {
        first.id: ("closed", "withdrawn"),
        second.id: ("decided", None),
    }


def test_a_deadline_that_was_moved_counts(url: URL, clock: Clock) -> None:
    card_click = answer(ask(url))
    question = ask(url, "late", deadline=card_click.created_at.replace(year=2001))
    looks = WaitPoller(url)
    Inbox(url).store([answer(question)])
    assert looks.settle([question]) == {}
    clock.now += 1
    moved = replace(question, deadline=card_click.created_at.replace(year=2199))
    assert set(looks.settle([moved])) == {question.id}


# --- what cannot be read ---


@pytest.mark.parametrize(
    "payload",
    ["{", "[]", '{"header": {"event_type": "im.message.receive_v1"}}', '{"schema": "2.0", "event": 1}'],
)
def test_a_click_that_cannot_be_read_is_left_out(
    url: URL,
    clock: Clock,
    payload: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inbox, looks, (first, second) = Inbox(url), WaitPoller(url), [ask(url, name) for name in "ab"]
    inbox.store([answer(first, "damaged"), answer(first, "good"), answer(second, "other")])
    with get_engine(url).begin() as connection:
        which = tables.card_callbacks.c.event_id == "damaged"
        connection.execute(sa.update(tables.card_callbacks).where(which).values(payload=payload))
    caplog.set_level(logging.ERROR)
    monkeypatch.setattr(stored_clicks, "_logged", Once())
    for _ in range(2):
        over = WaitPoller(url).settle([first, second]) | looks.settle([first, second])
        event_ids = {
            question.id: [click.event_id for click in Waits(url).read_clicks(question)]
            for question in over.values()
        }
        assert event_ids == {first.id: ["good"], second.id: ["other"]}
    [record] = [logged for logged in caplog.records if "unreadable" in logged.getMessage()]
    assert vars(record)["event_id"] == "damaged"


@pytest.mark.parametrize("column", ["question", "origin", "message_ids"])
def test_a_question_that_cannot_be_read_ends_no_other(
    url: URL, clock: Clock, column: str, caplog: pytest.LogCaptureFixture
) -> None:
    waits, looks, (first, second) = Waits(url), WaitPoller(url), [ask(url, name) for name in "ab"]
    assert looks.settle([first, second]) == {}  # it was read before it was damaged
    with get_engine(url).begin() as connection:
        which = tables.waits.c.id == first.id
        connection.execute(sa.update(tables.waits).where(which).values({column: "{"}))
    assert set(waits.read([first.id, second.id])) == {second.id}
    [record] = caplog.records
    assert vars(record)["wait"] == first.id
    Inbox(url).store([answer(first, "a"), answer(second, "b")])
    over = looks.settle([first, second])
    assert {key: question.state for key, question in over.items()} == {
        first.id: "decided",
        second.id: "decided",
    }


def test_a_look_that_fails_is_told(own_postgres: Any, clock: Clock) -> None:
    from lark_provider.storage import urls

    url = urls.parse(own_postgres.url, "test")
    prepared.upgrade(url)
    question, looks = ask(url), WaitPoller(url)
    assert looks.settle([question]) == {}
    own_postgres.stop()
    with pytest.raises(StorageError):
        looks.settle([question])
    own_postgres.start()
    Inbox(url).store([answer(question)])
    assert set(looks.settle([question])) == {question.id}


# --- how much is asked ---


def test_ten_thousand_questions_cost_ten_statements_and_the_greatest_id(postgres: URL, clock: Clock) -> None:
    prepared.upgrade(postgres)
    questions, looks = many(postgres, 10 * CHUNK), WaitPoller(postgres)
    for _ in range(3):
        sent = statements(postgres, lambda: looks.settle(questions))
        assert len(sent) == 10 + 1
        assert max(str(parameters).count("w") for _, parameters in sent) <= 3 * CHUNK
        clock.now += 1
    assert looks.settle([]) == {}
    assert statements(postgres, lambda: looks.settle([])) == []


def test_questions_that_come_one_by_one_share_statements(url: URL, clock: Clock) -> None:
    questions, looks = many(url, 30), WaitPoller(url)
    for count in range(1, len(questions) + 1):
        looks.settle(questions[:count])
        clock.now += 1
    assert len(statements(url, lambda: looks.settle(questions))) == 2
    assert len(statements(url, lambda: looks.settle(questions[20:]))) == 2


def test_few_chunks_are_read_without_a_bound_at_a_time(postgres: URL, clock: Clock) -> None:
    prepared.upgrade(postgres)
    fill(postgres, 10)
    questions, looks = many(postgres, 5 * CHUNK), WaitPoller(postgres)
    looks.settle(questions)
    clock.now += COMPLETE_SECONDS
    for _ in range(5):
        assert sorted(bounds(postgres, lambda: looks.settle(questions))) == [0, 10, 10, 10, 10]
        clock.now += 1
    assert bounds(postgres, lambda: looks.settle(questions)) == [10] * 5


@pytest.mark.parametrize("people", [("ou_1",), ()])
def test_a_look_reads_no_table_from_end_to_end(
    postgres: URL, clock: Clock, people: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared.upgrade(postgres)
    # Logging 10,000 unreadable clicks takes longer than a transaction may last on a busy machine.
    monkeypatch.setattr(stored_clicks.logger, "disabled", True)
    fill(postgres, 100_000, correlation="'w' || n % 20000")
    questions, looks = many(postgres, 2 * CHUNK, operators=people), WaitPoller(postgres)
    sent = []
    for _ in range(2):
        sent += statements(postgres, lambda: looks.settle(questions))
        clock.now += 1
    with get_engine(postgres).connect() as connection:
        for query, parameters in sent:
            plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {query}", parameters).scalars())
            assert "Seq Scan on card_callbacks" not in plan


def test_clicks_of_people_who_may_not_answer_are_not_read(
    postgres: URL, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared.upgrade(postgres)
    questions, looks = many(postgres, 100), WaitPoller(postgres)
    fill(postgres, 500, correlation="'w' || n % 100", operator_id="'ou_stranger'")
    read: list[object] = []
    monkeypatch.setattr(stored_clicks, "parse_click", read.append)
    looks.settle(questions)
    assert read == []
