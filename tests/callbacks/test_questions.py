"""The gateway's look at questions: in bounded time, and never in the way of an answer."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.engine import URL

from lark_provider.callbacks.broker.dedup import HandledEvents, compute_dedup_key
from lark_provider.callbacks.http.endpoint import RECEIVED
from lark_provider.callbacks.http.questions import QuestionLookup
from lark_provider.callbacks.http.stores import make_question_lookup
from lark_provider.protocol.callbacks import CardClick, Event, read
from lark_provider.protocol.hitl.keys import PREFIX
from lark_provider.protocol.hitl.model import End, HitlQuestion, TaskInstance
from lark_provider.protocol.questions import Draft, Origin, Question, TaskQuestion
from lark_provider.protocol.waits import mark
from lark_provider.storage import urls
from lark_provider.storage.clicked_cards import QuestionCard
from lark_provider.storage.hitl_questions import Questions as AirflowQuestions
from lark_provider.storage.new_cards import NewCard
from lark_provider.storage.waits import Waits
from tests.callbacks import mq
from tests.callbacks.parts import FakeSink, gateway, request
from tests.protocol.callbacks import sender
from tests.services.postgres import OwnPostgres
from tests.storage import prepared


def ask(url: URL, task_id: str = "t", **parts: Any) -> TaskQuestion:
    origin = Origin("d", "r", task_id, -1, "approval", 1, 0)
    question = Question(title="Publish?", options={"approve": "Approve"})
    draft = Draft(**{"origin": origin, "question": question, "app_id": sender.APP, **parts})
    return Waits(url).claim(draft).question


def make_content(wait_id: str) -> dict[str, Any]:
    return sender.card({"tag": "button", "value": mark({"action": "approve"}, wait_id)})


def no_cards(_: Iterable[str]) -> dict[str, QuestionCard]:
    return {}


def answer(looks: QuestionLookup | None, *wait_ids: str, deadline: float = 30.0) -> list[bytes]:
    """Click on the cards of some waits at the same time, and return what the people read."""

    async def work() -> list[bytes]:
        over = gateway(FakeSink(), questions=looks, deadline=deadline)
        pending = []
        for number, wait_id in enumerate(wait_ids):
            payload = make_content(wait_id)
            payload["header"]["event_id"] = f"e{number}"
            pending.append(over.answer(*request(payload)))
        return [reply.body for reply in await asyncio.gather(*pending)]

    return mq.run(work())


def test_a_gateway_without_a_database_answers_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LARK_DATABASE_URL", "POSTGRES_HOST"):
        monkeypatch.delenv(name, raising=False)
    assert make_question_lookup() is None
    assert answer(make_question_lookup(), "5e0e9c3e-7b1e-4c5e-8f7e-1a2b3c4d5e6f") == [RECEIVED]


def test_many_clicks_at_once_are_looked_up_together(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = urls.parse(database_url, "test")
    prepared.upgrade(url)
    waits = Waits(url)
    closed, still_open = ask(url, "closed").id, ask(url, "open").id
    waits.close(closed, "withdrawn")
    looks: list[set[str]] = []
    look: Callable[..., dict[str, TaskQuestion]] = waits.read

    def count_look(wait_ids: set[str], **options: Any) -> dict[str, TaskQuestion]:
        looks.append(set(wait_ids))
        return look(wait_ids, **options)

    monkeypatch.setattr(waits, "read", count_look)
    foreign = ["a caller's own correlation", "5e0e9c3e-7b1e-4c5e-8f7e-1a2b3c4d5e6f"]
    bodies = answer(QuestionLookup(waits, no_cards, seconds=20), *[closed, still_open] * 50, *foreign)
    assert all(b"it was withdrawn" in body for body in bodies[:100:2])
    assert {*bodies[1:100:2], *bodies[100:]} == {RECEIVED}
    assert len(looks) < 10
    assert set().union(*looks) == {closed, still_open, foreign[1]}


def test_a_frozen_database_holds_no_answer(own_postgres: OwnPostgres) -> None:
    url = urls.parse(own_postgres.url, "test")
    prepared.upgrade(url)
    closed = ask(url)
    Waits(url).close(closed.id, "expired")
    looks = QuestionLookup(Waits(url), no_cards)
    own_postgres.pause()
    thaw = threading.Timer(12, own_postgres.resume)
    thaw.start()
    assert set(answer(looks, *[closed.id] * 20)) == {RECEIVED}
    assert thaw.is_alive()  # nobody has waited for the database
    thaw.cancel()
    own_postgres.resume()
    assert b"it has expired" in answer(QuestionLookup(Waits(url), no_cards, seconds=20), closed.id)[0]


def test_a_slow_handler_does_not_turn_the_look_up_off(database_url: str) -> None:
    """It leaves no time to look its click's question up; those of the next clicks are looked up."""
    url = urls.parse(database_url, "test")
    prepared.upgrade(url)
    closed = ask(url)
    Waits(url).close(closed.id, "expired")
    calls: list[str] = []

    async def handle(click: CardClick) -> None:
        calls.append(click.event_id)
        if len(calls) == 1:
            await asyncio.Event().wait()

    async def work() -> list[bytes]:
        looks = QuestionLookup(Waits(url), no_cards, seconds=20)
        bodies = []
        for number, deadline in enumerate((1.0, 30.0)):
            over = gateway(FakeSink(), questions=looks, handler=handle, deadline=deadline)
            payload = make_content(closed.id)
            payload["header"]["event_id"] = f"e{number}"
            bodies.append((await over.answer(*request(payload))).body)
        return bodies

    slow, next_one = mq.run(work())
    assert slow == RECEIVED
    assert b"it has expired" in next_one


def test_a_click_that_came_in_time_is_received_though_its_answer_is_late(database_url: str) -> None:
    url = urls.parse(database_url, "test")
    prepared.upgrade(url)
    clicked_at = datetime.fromtimestamp(sender.NOW, UTC)
    in_time = ask(url, "a", deadline=clicked_at + timedelta(seconds=1))
    late = ask(url, "b", deadline=clicked_at - timedelta(seconds=1))
    assert answer(QuestionLookup(Waits(url), no_cards, seconds=20), in_time.id)[0] == RECEIVED
    assert b"it has expired" in answer(QuestionLookup(Waits(url), no_cards, seconds=20), late.id)[0]


def airflow_card(url: URL, end: End | None, app_id: str = sender.APP) -> str:
    """Record a question of Airflow's, and return the correlation of its card."""
    task = TaskInstance(str(uuid.uuid4()), "d", "r", "t")
    card = NewCard(task.ti_id, app_id, "oc_1", "chat_id", "en")
    recorded = AirflowQuestions(url)
    recorded.record({task.ti_id: datetime.now(UTC)}, [HitlQuestion(task, "Publish?")])
    recorded.open({task.ti_id: [card]})
    if end is not None:
        recorded.end({task.ti_id: end})
    return PREFIX + card.key


def test_a_question_of_airflows_that_is_over_says_who_answered(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = urls.parse(database_url, "test")
    prepared.upgrade(url)
    monkeypatch.setenv("LARK_DATABASE_URL", database_url)
    answered = End("answered", options=("Approve",), person="bob")
    bodies = answer(
        make_question_lookup(),
        airflow_card(url, answered),
        airflow_card(url, End("superseded")),
        airflow_card(url, None),
        airflow_card(url, answered, "cli_other"),
        PREFIX + "no such card",
    )
    assert "Answered: Approve (bob)" in bodies[0].decode()
    assert "Superseded" in bodies[1].decode()
    assert bodies[2:] == [RECEIVED] * 3


def make_event(app_id: str, event_id: str = "e1", message_id: str | None = None) -> Event:
    payload = sender.make_event()
    payload["header"] |= {"app_id": app_id, "event_id": event_id}
    if message_id is not None:
        payload["event"]["message"] = {"message_id": message_id}
    delivery = read(payload)
    assert isinstance(delivery, Event)
    return delivery


def test_what_a_consumer_has_handled_of_one_app_is_new_of_another() -> None:
    handled = HandledEvents("mine")
    for message_id in (None, "om_1"):
        first, other = (make_event(app_id, message_id=message_id) for app_id in ("cli_a", "cli_b"))
        handled.note_handled(compute_dedup_key(first))
        assert handled.is_handled(compute_dedup_key(first))
        assert not handled.is_handled(compute_dedup_key(other))
    assert len(compute_dedup_key(make_event("a" * 200, "e" * 255))) <= 255


def test_a_user_id_counts_in_its_own_tenant_alone() -> None:
    from lark_provider.protocol.waits import may_answer

    def click(operators_tenant: str | None) -> CardClick:
        payload = sender.card()
        payload["event"]["operator"]["tenant_key"] = operators_tenant
        delivery = read(payload)
        assert isinstance(delivery, CardClick)
        return delivery

    same, foreign, unknown = click("2df73991750a0001"), click("another tenant"), click(None)
    assert may_answer(same, ["867b0001"])
    assert not may_answer(foreign, ["867b0001"])
    assert not may_answer(unknown, ["867b0001"])
    assert may_answer(foreign, [foreign.operator.open_id])
