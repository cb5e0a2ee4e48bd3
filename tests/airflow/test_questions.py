"""Questions outlive what happens meanwhile: edits of the DAG file, kills, clears, forgeries, an upgrade."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowSensorTimeout,
    TaskDeferred,
)
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider import LarkServiceClient
from lark_provider.api.cards.outcome import outcome_card
from lark_provider.callbacks import CallbackKeys, Endpoint, Gateway, waiting
from lark_provider.callbacks.http.app import application
from lark_provider.callbacks.http.stores import configured, questions
from lark_provider.errors import ConfigurationError
from lark_provider.hooks import airflow_config
from lark_provider.operators.approval import LarkApprovalOperator
from lark_provider.operators.question_cards import QuestionCards
from lark_provider.protocol.questions import Asked, Draft, Origin, Question
from lark_provider.protocol.waits import Wait, marked
from lark_provider.sensors import LarkCardCallbackSensor
from lark_provider.storage import looks, migrate, tables, urls
from lark_provider.storage.engine import engine
from lark_provider.storage.inbox import Inbox
from lark_provider.storage.waits import Waits
from lark_provider.triggers import LarkCardCallbackTrigger, task_state
from tests.airflow.conftest import CHAT, connection
from tests.airflow.test_card_callbacks import BOB, BOSS, buttons, click, messages
from tests.callbacks.parts import KnownKeys
from tests.callbacks.serving import served
from tests.failures.waiting import wait_until

KEY, TOKEN = "the app's key", "the app's token"
ORIGIN = Origin("d", "r", "t", -1, "approval", try_number=1, max_tries=2, conn_id="lark_default")


@pytest.fixture
def url(database_url: str, monkeypatch: pytest.MonkeyPatch) -> URL:
    found = urls.parse(database_url, "test")
    migrate.upgrade(found)
    monkeypatch.setenv("AIRFLOW__LARK__DATABASE_URL", database_url)
    return found


@pytest.fixture
def gateway(lark: Emulator, url: URL, database_url: str) -> Iterator[None]:
    """A gateway that takes the emulator's clicks into the database."""
    keys = KnownKeys(CallbackKeys(lark.app_id, KEY, TOKEN))
    sinks, _ = configured(database_url=database_url)
    made = Gateway(keys, sinks, endpoint=Endpoint(), questions=questions(database_url))
    with served(application(made)) as address:
        lark.set_callback(
            f"{address}/lark/callbacks/{lark.app_id}", encrypt_key=KEY, verification_token=TOKEN
        )
        yield


Start = Callable[..., Any]


@pytest.fixture
def start(context: Callable[..., Any]) -> Start:
    xcoms: dict[str, Any] = {}

    def begin(**changes: Any) -> Any:
        given = context(**changes)
        known = {"start_date": datetime.now(UTC), "get_first_reschedule_date": lambda _: None}

        def push(key: str, value: Any) -> None:
            xcoms[key] = value

        reached = {"xcom_pull": lambda key, **_: xcoms.get(key), "xcom_push": push}
        given["ti"] = SimpleNamespace(**(known | reached | vars(given["ti"])))
        return given

    return begin


def approval(**options: Any) -> LarkApprovalOperator:
    given = {"receiver_id": CHAT, "title": "Publish?", "approvers": [BOSS], **options}
    return LarkApprovalOperator(task_id="t", **given)


def defer(operator: LarkCardCallbackSensor, given: Any) -> LarkCardCallbackTrigger:
    """Start a task until it waits in the triggerer; return the trigger as it is made again there."""
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(given)
    return LarkCardCallbackTrigger(**json.loads(json.dumps(deferred.value.trigger.serialize()[1])))


def fired(trigger: LarkCardCallbackTrigger) -> dict[str, Any]:
    """Run a trigger until it fires."""

    async def work() -> Any:
        return await asyncio.wait_for(anext(aiter(trigger.run())), 30)

    event: dict[str, Any] = asyncio.run(work()).payload
    return json.loads(json.dumps(event))  # type: ignore[no-any-return]  # as Airflow stores it


def the_question(url: URL) -> Asked:
    with engine(url).connect() as connection:
        (wait_id,) = connection.execute(sa.select(tables.waits.c.id)).scalars()
    found = Waits(url).get(wait_id)
    assert found is not None
    return found


def shown(lark: Emulator, place: int = 0) -> str:
    return json.dumps(messages(lark)[place]["content"], ensure_ascii=False)


# --- a DAG file that is edited between question and answer ---

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
    event = fired(trigger)
    given = start(retries=retries, max_tries=2)
    decided = approval(**edited).resume_execution("execute_complete", {"event": event}, given)
    assert (decided["decision"], decided["operator"]["open_id"]) == ("approve", BOSS)
    assert len(messages(lark)) == 1
    assert "**Approve**" in shown(lark)
    assert "Publish?" in shown(lark)
    assert not list(buttons(messages(lark)[0]["content"]))


FOREIGN: dict[str, Any] = {
    "native approval": {"instance_code": "i", "status": "APPROVED", "reverted": False},
    "failed native approval": {"instance_code": "i", "status": "error", "message": "gone"},
    "time": "2026-01-31T00:00:00+00:00",
    "nothing": None,
    "other": {"status": "success"},
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_task_that_was_of_another_operator_asks(what: str, lark: Emulator, url: URL, start: Start) -> None:
    with pytest.raises(TaskDeferred):
        approval().resume_execution("execute_complete", {"event": FOREIGN[what]}, start())
    assert list(buttons(messages(lark)[0]["content"]))
    assert the_question(url).state == "open"


@pytest.mark.parametrize("kwargs", [None, {}])
def test_a_task_that_returns_to_its_file_asks_again(
    lark: Emulator, url: URL, start: Start, kwargs: dict[str, Any] | None
) -> None:
    """Airflow keeps the method that the removed task was to be resumed by, without an event."""
    trigger = defer(approval(), start())
    assert trigger.wait_id is not None
    Waits(url).close(trigger.wait_id, "withdrawn")
    with pytest.raises(TaskDeferred):
        approval().resume_execution("execute_complete", kwargs, start(try_number=2))
    assert len(messages(lark)) == 2


def test_a_click_on_an_approval_answers_no_sensor_that_takes_its_place(
    lark: Emulator, gateway: None, url: URL, start: Start
) -> None:
    event = answered(lark, defer(approval(), start()))
    sensor = LarkCardCallbackSensor(task_id="t", message_id="om_of_another_card", deferrable=True)
    with pytest.raises(TaskDeferred):
        sensor.resume_execution("execute_complete", {"event": event}, start())


def test_a_click_for_a_sensor_is_no_decision_of_an_approval_that_takes_its_place(
    lark: Emulator, gateway: None, url: URL, start: Start
) -> None:
    defer(approval(), start(task_id="other"))
    (card,) = messages(lark)
    sensor = LarkCardCallbackSensor(task_id="t", message_id=card["message_id"], deferrable=True)
    event = answered(lark, defer(sensor, start()))
    with pytest.raises(TaskDeferred):
        approval().resume_execution("execute_complete", {"event": event}, start())
    assert list(buttons(messages(lark)[1]["content"]))


def answered(lark: Emulator, trigger: LarkCardCallbackTrigger) -> dict[str, Any]:
    """Click on the first card, and return the event that a trigger fires."""
    assert lark.click(messages(lark)[0]["message_id"], "alice", "Approve")["toast"]["type"] == "success"
    return fired(trigger)


@pytest.mark.parametrize("edit", EDITS)
def test_a_retry_after_an_edit_asks_nobody_again(edit: str, lark: Emulator, url: URL, start: Start) -> None:
    defer(approval(), start())
    (card,) = messages(lark)
    edited = EDITS[edit].copy()
    retry = start(try_number=2, retries=edited.pop("retries", 2), max_tries=2)
    if edit != "timeout":
        defer(approval(**edited), retry)
    value = next(one for one in buttons(card["content"]) if one["action"] == "approve")
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
    event = fired(trigger)
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
    assert branched(edited, ["publish", "delete", "publish_all"], monkeypatch, lark, start) == expected


def test_a_decision_leads_to_the_new_task_if_the_recorded_one_is_gone(
    lark: Emulator, gateway: None, url: URL, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = ["publish_all", "delete"]
    assert branched({"approve": "publish_all"}, tasks, monkeypatch, lark, start) == "publish_all"


def branched(
    edited: Any, tasks: list[str], monkeypatch: pytest.MonkeyPatch, lark: Emulator, start: Start
) -> Any:
    """Ask with one set of branches, edit the file, answer, and return where the task goes on."""
    trigger = defer(approval(branches={"approve": "publish", "reject": []}), start())
    (card,) = messages(lark)
    lark.click(card["message_id"], "alice", "Approve")
    event = fired(trigger)
    went = list[Any]()
    with DAG("d", schedule=None):
        operator = approval(branches=edited)
        for task_id in tasks:
            EmptyOperator(task_id=task_id)
    monkeypatch.setattr(operator, "do_branch", lambda _, branch: went.append(branch))
    operator.resume_execution("execute_complete", {"event": event}, start())
    return went[0]


# --- kills ---


def test_a_worker_killed_before_the_card_was_sent_leaves_no_second_question(
    lark: Emulator, url: URL, start: Start
) -> None:
    question = Question(operators=(BOSS,), receiver=CHAT, title="Publish?", options={"approve": "Approve"})
    asked = Waits(url).claim(Draft(ORIGIN, question, lark.app_id)).asked  # as far as it had come
    for attempt in (1, 2):
        defer(approval(receiver_id=BOB, approvers=[BOB]), start(try_number=attempt))
    (card,) = messages(lark)
    assert {one["lark_wait"] for one in buttons(card["content"])} == {asked.id}
    assert the_question(url).message_ids == (card["message_id"],)


def sent_but_not_noted(lark: Emulator, url: URL, start: Start) -> Asked:
    """What a worker leaves that is killed between the sending of the card and the note of its message."""
    defer(approval(), start())
    with engine(url).begin() as connection:
        connection.execute(sa.update(tables.waits).values(message_ids="[]"))
    return the_question(url)


def test_a_worker_killed_after_the_card_was_sent_leaves_no_second_card(
    lark: Emulator, url: URL, start: Start
) -> None:
    asked = sent_but_not_noted(lark, url, start)
    (card,) = messages(lark)
    value = next(one for one in buttons(card["content"]) if one["action"] == "approve")
    Inbox(url).store([click("e1", card["message_id"], value, BOSS)])  # it comes before the note
    assert approval().execute(start(try_number=2))["decision"] == "approve"
    assert len(messages(lark)) == 1
    assert Waits(url).get(asked.id).message_ids == (card["message_id"],)  # type: ignore[union-attr]  # it is there


def test_a_card_that_was_not_noted_is_withdrawn_by_the_next_question(
    lark: Emulator, url: URL, start: Start
) -> None:
    asked = sent_but_not_noted(lark, url, start)
    defer(approval(), start(try_number=2, max_tries=3))
    assert len(messages(lark)) == 2
    assert not list(buttons(messages(lark)[0]["content"]))
    assert "已被取代 / Superseded" in shown(lark)
    assert list(buttons(messages(lark)[1]["content"]))
    old = Waits(url).get(asked.id)
    assert old is not None
    assert (old.state, old.message_ids) == ("closed", (messages(lark)[0]["message_id"],))


def test_two_attempts_at_once_ask_once(lark: Emulator, url: URL, start: Start) -> None:
    def work(attempt: int) -> str:
        return str(defer(approval(), start(try_number=attempt)).wait_id)

    with ThreadPoolExecutor(4) as pool:
        ids = set(pool.map(work, [1, 2, 1, 2]))
    assert ids == {the_question(url).id}
    assert len(messages(lark)) == 1


def test_a_card_whose_question_was_closed_while_it_was_sent_is_withdrawn(
    lark: Emulator, url: URL, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = approval()
    send = QuestionCards.send

    def cleared_meanwhile(cards: QuestionCards, asked: Asked, card: Any) -> tuple[Asked, str]:
        Waits(url).close(asked.id, "withdrawn")
        return send(cards, asked, card)

    monkeypatch.setattr(QuestionCards, "send", cleared_meanwhile)
    with pytest.raises(AirflowFailException, match=r"was closed: withdrawn\. Next: clear the task"):
        operator.execute(start())
    assert not list(buttons(messages(lark)[0]["content"]))


# --- over ---


def close(url: URL, reason: Any) -> Asked:
    found = Waits(url).close(the_question(url).id, reason)
    assert found is not None
    return found


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
    told = lark.click(card["message_id"], "alice", "Approve")
    assert words in told["toast"]["content"]
    assert told["card_updated"]
    assert not list(buttons(messages(lark)[0]["content"]))
    assert step in shown(lark)
    assert f"{closed.updated_at if reason != 'expired' else closed.deadline:%Y-%m-%d %H:%M}" in shown(lark)
    with engine(url).connect() as connection:
        count = connection.scalar(sa.select(sa.func.count()).select_from(tables.card_callbacks))
    assert count == 1  # the click is stored all the same
    assert Waits(url).settled([closed]) == {closed.id: closed}


def test_who_clicks_after_the_decision_reads_who_was_first_and_a_repeated_delivery_reads_received(
    lark: Emulator, gateway: None, url: URL, start: Start
) -> None:
    defer(approval(approvers=[BOSS, BOB]), start())
    (card,) = messages(lark)
    assert lark.click(card["message_id"], "alice", "Approve")["toast"]["type"] == "success"
    assert Waits(url).settled([the_question(url)])
    told = lark.click(card["message_id"], "bob", "Reject")
    assert "Already answered at" in told["toast"]["content"]
    assert "Approve" in told["toast"]["content"]
    assert f"<at id={BOSS}></at>" in shown(lark)
    assert not list(buttons(messages(lark)[0]["content"]))


def test_a_click_after_the_deadline_is_told_so_though_nothing_has_closed_the_question(
    lark: Emulator, gateway: None, url: URL, start: Start
) -> None:
    defer(approval(), start())
    (card,) = messages(lark)
    passed = datetime.now(UTC) - timedelta(minutes=1)
    with engine(url).begin() as connection:
        connection.execute(sa.update(tables.waits).values(deadline=passed))
    assert "it has expired" in lark.click(card["message_id"], "alice", "Approve")["toast"]["content"]
    assert Waits(url).settled([the_question(url)]) == {}
    timed_out = ("__fail__", {"error": "Trigger timeout"})
    with pytest.raises(AirflowSensorTimeout):
        approval().resume_execution(*timed_out, start())
    assert "⌛" in shown(lark)
    assert the_question(url).reason == "expired"


def test_a_click_in_time_counts_though_the_task_looks_too_late(
    lark: Emulator, gateway: None, url: URL, start: Start
) -> None:
    defer(approval(on_reject="return"), start())
    (card,) = messages(lark)
    assert lark.click(card["message_id"], "alice", "Reject")["toast"]["type"] == "success"
    with engine(url).begin() as connection:
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
    with engine(url).begin() as connection:
        connection.execute(sa.update(tables.waits).values(deadline=long_ago))
    defer(approval(), start())
    assert not list(buttons(messages(lark)[0]["content"]))
    assert "⌛ 已过期 / Expired" in shown(lark)
    assert list(buttons(messages(lark)[1]["content"]))


def test_another_apps_click_is_not_shown_what_this_one_asked(
    lark: Emulator, gateway: None, url: URL, start: Start
) -> None:
    from lark_provider.callbacks.http.questions import _answer

    defer(approval(), start())
    closed = close(url, "withdrawn")
    value = marked({"action": "approve"}, closed.id)
    assert _answer(click("e1", "om_1", value, BOSS, "cli_other"), closed, []) is None
    assert _answer(click("e1", "om_1", value, BOSS), closed, []) is not None


def test_the_card_of_a_question_that_is_over_is_one_that_lark_takes() -> None:
    asked = Asked(
        "w",
        replace(ORIGIN, url="https://airflow/dags/d"),
        Question(title="T", timezone="+08:00", options={"a": "A"}),
        "cli_1",
        ("om_1",),
        "closed",
        None,
        (),
        None,
        None,
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2026, 1, 1, tzinfo=UTC),
    )
    for reason in (None, "withdrawn", "expired", "superseded", "failed"):
        text = json.dumps(outcome_card(replace(asked, reason=reason), newer="https://applink/x"))
        assert "2026-01-01 08:00" in text
        assert "https://airflow/dags/d" in text
        assert "https://applink/x" in text


# --- who may answer ---


@pytest.mark.parametrize(
    "name", ["alice@example.com", "+8613800000001", "alice", "boss", "on_emulator_alice", BOSS]
)
def test_approvers_are_resolved_before_anybody_is_asked(
    name: str, lark: Emulator, gateway: None, url: URL, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {"receivers": {"boss": "alice@example.com"}}
    monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", connection(lark, extra=extra))
    users = {one["name"]: one for one in lark.state()["users"]}
    alice = next(one for one in users.values() if one["user_id"] == "alice")
    name = {"alice@example.com": alice["email"], "+8613800000001": alice["mobile"]}.get(name, name)
    extra["receivers"]["boss"] = alice["email"]
    monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", connection(lark, extra=extra))
    defer(approval(approvers=name), start())
    expected = name if name.startswith("on_") else BOSS
    assert the_question(url).question.operators == (expected,)
    (card,) = messages(lark)
    assert lark.click(card["message_id"], "bob", "Approve")["toast"]["type"] == "warning"
    lark.click(card["message_id"], "alice", "Approve")
    assert approval(approvers=name).execute(start())["operator"]["open_id"] == BOSS


@pytest.mark.parametrize("name", ["nobody@example.com", "no-such-user", CHAT, "", " "])
def test_approvers_who_can_never_answer_are_refused_before_anybody_is_asked(
    name: str, lark: Emulator, url: URL, start: Start
) -> None:
    with pytest.raises(AirflowFailException, match=r"approvers must .* Next: "):
        approval(approvers=[name]).execute(start())
    with pytest.raises(AirflowFailException, match=r"operators must .* Next: "):
        LarkCardCallbackSensor(task_id="t", message_id="om_1", operators=name).execute(start())
    assert messages(lark) == []
    with engine(url).connect() as found:
        assert found.scalar(sa.select(sa.func.count()).select_from(tables.waits)) == 0


def test_a_sensor_takes_the_word_of_its_connections_app_alone(lark: Emulator, url: URL, start: Start) -> None:
    sensor = LarkCardCallbackSensor(task_id="t", message_id="om_1", operators=BOSS, deferrable=True)
    defer(sensor, start())
    Inbox(url).store([click("e1", open_id=BOSS, app_id="cli_another"), click("e1", open_id=BOB)])
    with pytest.raises(TaskDeferred):
        sensor.execute(start())
    Inbox(url).store([click("e2", open_id=BOSS)])
    again = LarkCardCallbackSensor(task_id="t", message_id="om_1", operators=BOSS)
    assert again.execute(start())["event_id"] == "e2"


def test_links_lead_to_the_chat(lark: Emulator, url: URL, start: Start) -> None:
    operator = approval()
    (link,) = operator.operator_extra_links
    defer(operator, start())
    assert CHAT in link.get_link(operator, ti_key=None)
    (card,) = messages(lark)
    Inbox(url).store([click("e1", card["message_id"], next(buttons(card["content"])), BOSS)])
    resumed = approval()
    resumed.execute(start())
    assert "oc_1" in link.get_link(resumed, ti_key=None)
    sensor = LarkCardCallbackSensor(task_id="s", message_id=card["message_id"])
    sensor.execute(start(task_id="s"))
    (link,) = sensor.operator_extra_links
    assert "oc_1" in link.get_link(sensor, ti_key=None)


def test_links_of_a_private_deployment_lead_to_its_pages(
    lark: Emulator, url: URL, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_LARK_DEFAULT", connection(lark, extra={"web_domain": "lark.corp.example"})
    )
    page = "https://applink.lark.corp.example/client/chat/open?openChatId=oc_1"
    asks = approval()
    defer(asks, start())
    assert asks.chat_link.startswith("https://applink.lark.corp.example/")
    (card,) = messages(lark)
    Inbox(url).store([click("e1", card["message_id"], next(buttons(card["content"])), BOSS)])
    sensor = LarkCardCallbackSensor(task_id="s", message_id=card["message_id"])
    for task, given in ((approval(), start()), (sensor, start(task_id="s"))):
        task.execute(given)
        assert task.chat_link == page


# --- an upgrade while tasks wait ---


def legacy_card(lark: Emulator) -> tuple[str, dict[str, Any]]:
    """A card of version 0.1, and what its trigger was stored with."""
    from lark_provider.api.cards.approval import approval_card

    options = {"approve": "Approve", "reject": "Reject"}
    card = approval_card("Publish?", "", options, correlation="an old correlation", approvers=["alice"])
    with LarkServiceClient(lark.app_id, lark.app_secret, base_url=lark.base_url) as client:
        message_id = client.messaging.send_card(CHAT, card).data["message_id"]
    wait = {
        "key": "an old key",
        "message_ids": [],
        "every": False,
        "correlation": "an old correlation",
        "actions": ["approve", "reject"],
        "operators": ["alice"],
        "app_id": lark.app_id,
    }
    return message_id, wait


@pytest.mark.parametrize("is_old_event", [False, True])
def test_a_wait_that_version_0_1_began_still_ends(
    is_old_event: bool,
    lark: Emulator,
    gateway: None,
    url: URL,
    start: Start,
) -> None:
    message_id, wait = legacy_card(lark)
    given = start()
    given["ti"].xcom_push("lark_message_id", message_id)
    trigger = LarkCardCallbackTrigger(wait=wait, database_id=Inbox(url).database_id())
    assert lark.click(message_id, "bob", "Approve")["toast"]["type"] == "warning"
    assert lark.click(message_id, "alice", "Approve")["toast"]["type"] == "success"
    event = fired(trigger)
    if is_old_event:
        event = {"status": "answered"}
    operator = approval(approvers=["alice"])
    decided = operator.resume_execution("execute_complete", {"event": event}, given)
    assert (decided["decision"], decided["operator"]["open_id"]) == ("approve", BOSS)
    assert len(messages(lark)) == 1
    assert "**Approve**" in shown(lark)


def test_a_wait_that_version_0_1_began_still_times_out(lark: Emulator, url: URL, start: Start) -> None:
    message_id, _ = legacy_card(lark)
    given = start()
    given["ti"].xcom_push("lark_message_id", message_id)
    with pytest.raises(AirflowSensorTimeout):
        approval().resume_execution("__fail__", {"error": "Trigger timeout"}, given)
    assert "⌛" in shown(lark)
    assert Wait.from_dict(legacy_card(lark)[1]).until is None


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
    with engine(url).begin() as connection:
        connection.execute(sa.update(tables.waits).values(question='{"title"'))
    trigger = defer(approval(), start(try_number=2))
    assert len(messages(lark)) == 2
    with engine(url).begin() as connection:
        connection.execute(sa.update(tables.waits).values(question='{"title"'))
    event = {"status": "error", "message": "why the task fails", "wait_id": trigger.wait_id}
    with pytest.raises(AirflowFailException, match="why the task fails"):
        approval().resume_execution("execute_complete", {"event": event}, start(try_number=2))


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_question_that_was_deleted_ends_its_wait(
    deferrable: bool, lark: Emulator, url: URL, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "COMPLETE_SECONDS", 1.0)
    operator, given = approval(deferrable=deferrable, mode="reschedule"), start()

    def delete() -> None:
        with engine(url).begin() as connection:
            connection.execute(sa.delete(tables.waits))

    if not deferrable:
        operator._ensure_card_sent(given)
        delete()
        with pytest.raises(AirflowFailException, match="it was deleted or damaged"):
            operator.poke(given)
        return
    trigger = defer(operator, given)
    hub = waiting.hub(airflow_config.database_url(), airflow_config.rabbitmq_url())
    waits = hub.settle(trigger.wait_id or "", trigger.database_id)
    pending = next(iter(hub._pending.values()))
    wait_until(lambda: pending.question is not None)
    delete()
    with pytest.raises(ConfigurationError, match="it was deleted or damaged"):
        waits.result(30)
