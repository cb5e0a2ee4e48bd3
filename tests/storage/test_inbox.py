"""Clicks are kept once, and a wait's answer is decided once, whoever else does the same at that moment."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import URL

from lark_provider.protocol.callbacks import CardClick
from lark_provider.protocol.callbacks.storable import MAX_ID_LENGTH
from lark_provider.protocol.waits import Wait, mark
from lark_provider.storage import inbox as inboxes
from lark_provider.storage import stored_clicks, tables, urls
from lark_provider.storage.engine import get_engine
from lark_provider.storage.errors import StorageError
from lark_provider.storage.inbox import Inbox
from tests.callbacks.mq import click
from tests.storage import prepared


def count(url: URL, table: sa.Table) -> int:
    with get_engine(url).connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def list_ids(answer: list[CardClick] | None) -> list[str] | None:
    return None if answer is None else [click.event_id for click in answer]


def statements(url: URL, work: Callable[[], object]) -> list[tuple[str, Any]]:
    """Do some work, and return the SQL that it sent with its parameters, without what begins transactions."""
    sent: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if not statement.startswith("BEGIN"):
            sent.append((statement, parameters))

    on = get_engine(url)
    sa.event.listen(on, "before_cursor_execute", note)
    try:
        work()
    finally:
        sa.event.remove(on, "before_cursor_execute", note)
    return sent


# --- keeping ---


def test_a_click_is_kept_once_and_as_it_first_came(url: URL) -> None:
    inbox = Inbox(url)
    first, again = click("e1", value={"n": 1}), click("e1", value={"n": 2})
    assert inbox.store([]) == 0
    assert inbox.store([first, click("e2"), first]) == 2
    assert inbox.store([again, click("e3")]) == 1
    assert count(url, tables.card_callbacks) == 3
    [kept] = inbox.decide_answers([Wait("k", ("om_1",))])["k"]
    assert replace(kept, raw={}) == replace(first, token=None, raw={})


def test_that_a_click_can_be_stored_is_proven_without_a_row(url: URL) -> None:
    Inbox(url).store([click("e1")])
    sent = statements(url, Inbox(url).check_writable)
    assert any(statement.startswith("INSERT INTO card_callbacks") for statement, _ in sent)
    assert count(url, tables.card_callbacks) == 1
    with get_engine(url).begin() as connection:
        connection.execute(sa.text("ALTER TABLE card_callbacks RENAME TO elsewhere"))
    with pytest.raises(StorageError, match="behind on migrations"):
        Inbox(url).check_writable()


def test_what_could_change_the_card_is_not_in_the_database(url: URL) -> None:
    card_click = click("e1")
    assert card_click.token == "c-295ee57216a5dc9de90fefd0aadb4b1d7d0001"
    Inbox(url).store([card_click])
    assert card_click.raw["event"]["token"] == card_click.token  # what was handed over stays as it was
    with get_engine(url).connect() as connection:
        row = connection.execute(sa.select(tables.card_callbacks)).one()
    assert card_click.token not in str(tuple(row))
    assert (row.event_id, row.message_id, row.correlation) == ("e1", "om_1", None)
    assert row.clicked_at == card_click.created_at


def test_earlier_clicks_of_a_batch_come_first(url: URL) -> None:
    at = click("x").created_at
    late, early = (
        replace(click("a"), created_at=at + timedelta(seconds=1)),
        replace(click("b"), created_at=at),
    )
    Inbox(url).store([late, early])
    assert list_ids(Inbox(url).decide_answers([Wait("k", ("om_1",))])["k"]) == ["b"]


def test_more_clicks_than_a_statement_takes(url: URL) -> None:
    assert Inbox(url).store([click(f"e{n}") for n in range(6000)]) == 6000


@pytest.mark.parametrize(
    "parts",
    [
        {"event_id": "e\0"},
        {"event_id": "e" * 256},
        {"message_id": "\0"},
        {"message_id": ""},
        {"app_id": "a" * 256},
    ],
)
def test_what_no_database_can_store_is_refused_and_nothing_of_the_batch_is_stored(
    url: URL, parts: dict[str, str]
) -> None:
    with pytest.raises(StorageError, match=r"must be printable text .*Next: check who sent it") as raised:
        Inbox(url).store([click("good"), replace(click("e1"), **parts)])  # type: ignore[arg-type]
    assert raised.value.permanent
    assert not raised.value.retryable
    assert len(str(raised.value)) < 200
    assert count(url, tables.card_callbacks) == 0


def test_ids_as_long_as_they_may_be(url: URL) -> None:
    longest = "é" * MAX_ID_LENGTH
    card_click = click(longest, message_id=longest, value=mark({}, longest))
    Inbox(url).store([replace(card_click, app_id=longest)])
    wait = Wait(longest, (longest,), correlation=longest)
    assert list_ids(Inbox(url).decide_answers([wait])[longest]) == [longest]


def test_a_click_without_a_message_or_with_an_odd_correlation_is_kept(url: URL) -> None:
    odd = [None, 5, "", "w\0", "w" * 256]
    clicks = [click(f"e{n}", value={"lark_wait": value}) for n, value in enumerate(odd)]
    assert Inbox(url).store([replace(clicks[0], message_id=None), *clicks[1:]]) == 5


# --- event ids are unique in an app ---


def of(app_id: str, event_id: str, **parts: Any) -> CardClick:
    card_click = click(event_id, **parts)
    raw = card_click.raw | {"header": card_click.raw["header"] | {"app_id": app_id}}
    return replace(card_click, app_id=app_id, raw=raw)


def read_stored(url: URL) -> list[tuple[str, str]]:
    with get_engine(url).connect() as connection:
        rows = connection.execute(sa.select(tables.card_callbacks.c.payload)).scalars()
        return sorted((click.app_id, click.event_id) for click in map(stored_clicks.parse_click, rows))


def test_apps_may_have_events_of_the_same_id(url: URL) -> None:
    inbox = Inbox(url)
    assert inbox.store([of("cli_a", "e1")]) == 1
    assert inbox.store([of("cli_b", "e1"), of("cli_b", "e1"), of("cli_a", "e1"), of("cli_c", "e1")]) == 2
    for _ in range(2):
        assert inbox.store([of("cli_b", "e1"), of("cli_a", "e1"), of("cli_c", "e1")]) == 0
    assert read_stored(url) == [("cli_a", "e1"), ("cli_b", "e1"), ("cli_c", "e1")]
    [answer] = inbox.decide_answers([Wait("k", ("om_1",), app_id="cli_b")])["k"]
    assert (answer.app_id, answer.event_id) == ("cli_b", "e1")
    [again] = Inbox(url).decide_answers([Wait("k", ("om_1",), app_id="cli_b")])["k"]
    assert (again.app_id, again.event_id) == ("cli_b", "e1")


def test_no_app_can_occupy_the_place_of_anothers_event(url: URL) -> None:
    inbox, longest = Inbox(url), "e" * MAX_ID_LENGTH
    names = ["e1", "e1@cli_b", "e1@cli_b@cli_b", longest, f"{longest[:249]}@cli_b"]
    assert inbox.store([of("cli_a", name) for name in names]) == len(names)
    assert inbox.store([of("cli_b", name) for name in names]) == len(names)
    assert inbox.store([of(app, name) for app in ("cli_a", "cli_b") for name in names]) == 0
    assert read_stored(url) == sorted((app, name) for app in ("cli_a", "cli_b") for name in names)


app_ids, event_ids = st.sampled_from(["cli_a", "cli_b"]), st.sampled_from(["e1", "e1@cli_a", "e1@cli_b"])
batches = st.lists(st.lists(st.tuples(app_ids, event_ids), max_size=5), max_size=6)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches)
def test_whatever_the_batches_each_event_of_each_app_is_stored_once(
    url: URL, batches: list[list[tuple[str, str]]]
) -> None:
    with get_engine(url).begin() as connection:
        connection.execute(sa.delete(tables.card_callbacks))
    new = sum(Inbox(url).store([of(*pair) for pair in batch]) for batch in batches)
    expected = sorted({pair for batch in batches for pair in batch})
    assert read_stored(url) == expected
    assert new == len(expected)


def test_who_clicked_stands_in_a_column(url: URL) -> None:
    Inbox(url).store([click("e1", open_id="ou_7"), click("e2", open_id="o" * 256)])
    with get_engine(url).connect() as connection:
        rows = connection.execute(sa.select(tables.card_callbacks.c.operator_id)).scalars().all()
    assert sorted(rows, key=str) == [None, "ou_7"]


# --- answers ---


def test_the_answer_is_decided_once_for_all_who_ask(url: URL) -> None:
    inbox, wait = Inbox(url), Wait("k", ("om_1",))
    assert inbox.decide_answers([wait]) == {}
    inbox.store([click("a")])
    assert list_ids(inbox.decide_answers([wait])["k"]) == ["a"]
    inbox.store([click("b", message_id="om_2")])
    assert list_ids(inbox.decide_answers([wait])["k"]) == ["a"]
    assert list_ids(Inbox(url).decide_answers([Wait("k", ("om_2",))])["k"]) == [
        "a"
    ]  # its key alone is looked at
    assert list_ids(inbox.decide_answers([Wait("another", ("om_2", "om_1"))])["another"]) == ["a"]


def test_a_click_with_an_earlier_number_that_is_committed_later_is_not_overlooked(postgres: URL) -> None:
    prepared.upgrade(postgres)
    inbox, waits = (
        Inbox(postgres),
        [Wait("k1", ("om_1",)), Wait("k2", ("om_2",)), Wait("k3", ("om_1", "om_2"))],
    )
    with get_engine(postgres).begin() as connection:
        values = inboxes._make_row(click("early", message_id="om_1"))
        connection.execute(sa.insert(tables.card_callbacks).values(values))
        inbox.store([click("late", message_id="om_2")])
        seen = {key: list_ids(answer) for key, answer in inbox.decide_answers(waits).items()}
        assert seen == {"k2": ["late"], "k3": ["late"]}
    seen = {key: list_ids(answer) for key, answer in inbox.decide_answers(waits).items()}
    assert seen == {"k1": ["early"], "k2": ["late"], "k3": ["late"]}


def test_answers_by_message_by_correlation_and_of_every_message(url: URL) -> None:
    inbox = Inbox(url)
    inbox.store([click("a", message_id="om_1"), click("b", message_id="om_2", value=mark({}, "w1"))])
    waits = [
        Wait("one", ("om_2",)),
        Wait("any", ("om_2", "om_1")),
        Wait("all", ("om_2", "om_1"), every=True),
        Wait("more", ("om_2", "om_1", "om_3"), every=True),
        Wait("by correlation", correlation="w1"),
        Wait("none", correlation="w2"),
        Wait("theirs", ("om_1",), operators=("ou_2",)),
    ]
    answers = {key: list_ids(answer) for key, answer in inbox.decide_answers(waits).items()}
    assert answers == {"one": ["b"], "any": ["a"], "all": ["b", "a"], "by correlation": ["b"]}


def test_an_answer_whose_click_is_gone_is_none(url: URL) -> None:
    inbox, wait = Inbox(url), Wait("k", ("om_1",))
    inbox.store([click("a")])
    assert inbox.decide_answers([wait])
    with get_engine(url).begin() as connection:
        connection.execute(sa.delete(tables.card_callbacks))
    assert inbox.decide_answers([wait]) == {}


def test_a_thousand_waits_cost_one_query(url: URL) -> None:
    inbox = Inbox(url)
    waits = [Wait(f"k{n}", (f"om_{n}",), correlation=f"w{n}") for n in range(10_000)]
    inbox.decide_answers(waits[:1])  # SQLite is looked at first
    assert len(statements(url, lambda: inbox.decide_answers(waits))) == 10
    inbox.store([click("a", message_id="om_77"), click("b", message_id="x", value=mark({}, "w9999"))])
    assert {key: list_ids(answer) for key, answer in inbox.decide_answers(waits).items()} == {
        "k77": ["a"],
        "k9999": ["b"],
    }
    assert len(statements(url, lambda: inbox.decide_answers(waits[100:200]))) == 1
    assert inbox.decide_answers([]) == {}


def test_many_waits_among_many_clicks_are_found_by_the_indexes(postgres: URL) -> None:
    prepared.upgrade(postgres)
    fill = """
        INSERT INTO card_callbacks
            (event_id, app_id, message_id, correlation, payload, clicked_at, stored_at)
        SELECT 'e' || n, 'cli_1', 'om_' || n, 'w' || n, repeat('x', 800), now(), now()
        FROM generate_series(1, 100000) n
    """
    with get_engine(postgres).begin() as connection:
        connection.execute(sa.text(fill))
        connection.execute(sa.text("ANALYZE card_callbacks"))
    waits = [Wait(f"k{n}", (f"other_{n}",), correlation=f"v{n}") for n in range(1000)]
    [(query, parameters)] = statements(postgres, lambda: Inbox(postgres).decide_answers(waits))
    with get_engine(postgres).connect() as connection:
        plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {query}", parameters).scalars())
    assert "Seq Scan on card_callbacks" not in plan


# --- at once ---


class Overtaken(Wait):
    """A wait that another caller decides, between the look at the clicks and the note of the answer."""

    __slots__ = ()
    overtake: ClassVar[Callable[[Wait], object]]

    def answer(self, clicks: Sequence[CardClick]) -> list[CardClick] | None:
        """Answer the clicks, and let another caller decide the wait before this answer is stored."""
        answered = super().answer(clicks)
        self.overtake()
        return answered


def test_who_is_overtaken_says_what_the_other_has_decided(url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox = Inbox(url)
    inbox.store([click("a", message_id="om_1"), click("b", message_id="om_2")])
    others = Wait("k", ("om_2",))
    monkeypatch.setattr(Overtaken, "overtake", lambda _: Inbox(url).decide_answers([others]), raising=False)
    assert list_ids(inbox.decide_answers([Overtaken("k", ("om_1",))])["k"]) == ["b"]
    assert list_ids(inbox.decide_answers([Wait("k", ("om_1",))])["k"]) == ["b"]


def decide(url: str, names: list[str], pipe: Connection) -> None:
    """Store clicks and answer waits when told to, in a process of its own."""
    inbox = Inbox(urls.parse(url, "test"))
    inbox.read_database_id()
    pipe.send("ready")
    pipe.recv()
    waits = [Wait(f"k{n}", (f"om_{n}",)) for n in range(100)]
    for name in names:
        inbox.store([click(f"{name}-{n}", message_id=f"om_{n}") for n in range(100)])
        pipe.send({key: list_ids(answer) for key, answer in inbox.decide_answers(waits[::-1]).items()})
    pipe.send(None)


def test_processes_that_answer_at_once_say_the_same(url: URL) -> None:
    context = multiprocessing.get_context("spawn")
    text = url.render_as_string(hide_password=False)
    started = []
    for name in ("a", "b", "c"):
        ours, theirs = context.Pipe()
        process = context.Process(target=decide, args=(text, [f"{name}{n}" for n in range(5)], theirs))
        process.start()
        started.append((process, ours))
    for _, pipe in started:
        assert pipe.recv() == "ready"
    for _, pipe in started:
        pipe.send("go")
    said: list[dict[str, list[str]]] = []
    for process, pipe in started:
        while (answers := pipe.recv()) is not None:
            said.append(answers)
        process.join(10)
        assert process.exitcode == 0
    assert len(said) == 15
    assert all(len(answers) == 100 for answers in said)
    assert all(answers == said[0] for answers in said)
    assert count(url, tables.card_answers) == 100
    assert count(url, tables.card_callbacks) == 1500


def test_threads_that_answer_at_once_say_the_same(url: URL) -> None:
    barrier = threading.Barrier(8)
    wait = Wait("k", ("om_1",))

    def work(n: int) -> list[str] | None:
        inbox = Inbox(url)
        inbox.store([click(f"warm-{n}", message_id="om_0")])
        barrier.wait()
        inbox.store([click(f"e{n}")])
        return list_ids(inbox.decide_answers([wait])["k"])

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(work, range(8)))
    assert said == said[:1] * 8


names = st.sampled_from(["om_1", "om_2", "om_3"])
steps = st.lists(st.one_of(names, st.integers(0, 3)), max_size=15)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_whatever_the_order_an_answer_once_given_stays(url: URL, steps: list[str | int]) -> None:
    run = str(time.monotonic_ns())  # a wait of its own for each example
    waits = [
        Wait(f"{run}-0", (f"{run}om_1",)),
        Wait(f"{run}-1", (f"{run}om_1", f"{run}om_2")),
        Wait(f"{run}-2", (f"{run}om_2", f"{run}om_3"), every=True),
        Wait(f"{run}-3", (f"{run}om_3",), operators=("ou_1",)),
    ]
    inbox = Inbox(url)
    answers: dict[int, list[str]] = {}
    stored: list[CardClick] = []
    for n, step in enumerate(steps):
        if isinstance(step, str):
            stored.append(click(f"{run}-{n}", message_id=run + step))
            inbox.store(stored[-1:])
            continue
        answer = list_ids(inbox.decide_answers([waits[step]]).get(waits[step].key))
        expected = list_ids(waits[step].answer(stored))
        assert answer == answers.get(step, expected)
        if answer is not None:
            answers[step] = answer


# --- events ---


def test_what_a_consumer_has_handled(url: URL) -> None:
    inbox = Inbox(url)
    assert not inbox.is_handled("mine", "e1")
    inbox.note_handled("mine", "e1")
    inbox.note_handled("mine", "e1")
    assert inbox.is_handled("mine", "e1")
    assert not inbox.is_handled("mine", "e2")
    assert not inbox.is_handled("other", "e1")
    for ask in (inbox.is_handled, inbox.note_handled):
        with pytest.raises(StorageError, match="The id of the event must be"):
            ask("mine", "\0")


# --- the database ---


def test_a_database_has_an_id_of_its_own(url: URL, tmp_path: Any) -> None:
    first = Inbox(url).read_database_id()
    assert first == Inbox(url).read_database_id()
    other = Inbox(urls.parse(f"sqlite:///{tmp_path}/other.db", "test")).read_database_id()
    assert first != other
    assert len(other) == 36


def test_a_database_that_has_lost_its_id_is_an_error(url: URL) -> None:
    with get_engine(url).begin() as connection:
        connection.execute(sa.delete(tables.meta))
    with pytest.raises(StorageError):
        Inbox(url).read_database_id()


def test_a_database_without_our_tables_says_what_to_do(postgres: URL) -> None:
    inbox = Inbox(postgres)
    asks: list[Callable[[], object]] = [
        lambda: inbox.store([click("e1")]),
        lambda: inbox.decide_answers([Wait("k", ("om_1",))]),
        lambda: inbox.is_handled("mine", "e1"),
        lambda: inbox.note_handled("mine", "e1"),
        inbox.read_database_id,
    ]
    for ask in asks:
        with pytest.raises(StorageError, match=r"behind on migrations .*lark-provider db upgrade"):
            ask()


def test_the_columns_are_as_wide_as_an_id_may_be_long() -> None:
    widths = {
        column.type.length
        for table in (tables.card_callbacks, tables.card_answers, tables.handled_events)
        for column in table.columns
        if isinstance(column.type, sa.String) and not isinstance(column.type, sa.Text)
    }
    assert widths == {MAX_ID_LENGTH}
