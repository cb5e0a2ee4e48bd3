"""Waiting for a card's answer: sensor, trigger, approval; clicks are put straight into the inbox here."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import pytest
from airflow.sdk import PokeReturnValue
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from lark_emulator import Emulator

from lark_provider.api.cards import Input
from lark_provider.operators.approval import LarkApprovalOperator
from lark_provider.protocol.callbacks import CardClick, read
from lark_provider.sensors import LarkCardCallbackSensor
from lark_provider.storage import migrate, urls
from lark_provider.storage.errors import StorageError
from lark_provider.storage.inbox import Inbox
from lark_provider.triggers import LarkCardCallbackTrigger
from tests.airflow.conftest import CHAT, AirflowHome, connection
from tests.callbacks import mq
from tests.protocol.callbacks import sender

Context = Callable[..., Any]
BOSS, BOB = "ou_emulator0001_alice", "ou_emulator0001_bob"
APP = "cli_emulator0001"
CONNECTION = json.dumps({"conn_type": "lark", "login": APP, "password": "secret"})


def click(
    event_id: str,
    message_id: str | None = "om_1",
    value: Any = None,
    open_id: str = "ou_1",
    app_id: str = APP,
    form: dict[str, Any] | None = None,
) -> CardClick:
    made = read(
        {
            "schema": "2.0",
            "header": {
                "event_id": event_id,
                "event_type": "card.action.trigger",
                "create_time": str(int(time.time() * 1_000_000)),
                "app_id": app_id,
            },
            "event": {
                "operator": {"open_id": open_id},
                "token": "c-never-shown",
                "action": {"tag": "button", "value": value or {}, "form_value": form},
                "context": {"open_message_id": message_id, "open_chat_id": "oc_1"},
            },
        }
    )
    assert isinstance(made, CardClick)
    return made


@pytest.fixture(params=["sqlite", "postgresql"])
def inbox(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inbox:
    if request.param == "sqlite":
        text = f"sqlite:///{tmp_path}/lark.db"
    else:
        text = request.getfixturevalue("database_url")
    url = urls.parse(text, "url")
    migrate.upgrade(url)
    monkeypatch.setenv("AIRFLOW__LARK__DATABASE_URL", text)
    if "lark" not in request.fixturenames:
        monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", CONNECTION)
    return Inbox(url)


class Start(Protocol):
    """Starts the task, and gives its context."""

    def __call__(self, *, resumed: bool = ..., **changes: Any) -> Any:
        """With what Airflow keeps from start to start; XComs only for one that was deferred."""


@pytest.fixture
def start(context: Context) -> Start:
    xcoms: dict[str, Any] = {}
    kept: dict[str, Any] = {}

    def begin(*, resumed: bool = False, **changes: Any) -> Any:
        if not resumed:
            xcoms.clear()
        given = context(**changes)

        def push(key: str, value: Any) -> None:
            xcoms[key] = value

        known = {"start_date": datetime.now(UTC), "get_first_reschedule_date": lambda _: None}
        reached = {"xcom_pull": lambda key, **_: xcoms.get(key), "xcom_push": push}
        given["ti"] = SimpleNamespace(**(known | reached | vars(given["ti"])))
        return given | {"task_state_store": SimpleNamespace(get=kept.get, set=kept.__setitem__)}

    return begin


def poke(sensor: LarkCardCallbackSensor, context: Any) -> PokeReturnValue:
    return sensor.poke(context)


def test_the_first_click_is_the_answer_for_every_retry(inbox: Inbox, context: Context) -> None:
    sensor = LarkCardCallbackSensor(task_id="t", message_id="om_1")
    assert not poke(sensor, context()).is_done
    inbox.store([click("e1", value={"n": 1}), click("e2", open_id="ou_2")])
    first = poke(sensor, context()).xcom_value
    assert isinstance(first, dict)
    assert (first["event_id"], first["operator"]["open_id"]) == ("e1", "ou_1")
    assert first["action"]["value"] == {"n": 1}
    assert "c-never-shown" not in json.dumps(first)
    assert poke(sensor, context(try_number=2)).xcom_value == first


def test_clicks_that_do_not_count_are_not_answers(inbox: Inbox, context: Context) -> None:
    sensor = LarkCardCallbackSensor(task_id="t", message_id="om_1", actions="publish", operators=["ou_boss"])
    inbox.store(
        [
            click("e1", value={"action": "publish"}),
            click("e2", value={"action": "drop"}, open_id="ou_boss"),
            click("e3", "om_2", {"action": "publish"}, "ou_boss"),
        ]
    )
    assert not poke(sensor, context()).is_done
    inbox.store([click("e4", value={"action": "publish"}, open_id="ou_boss")])
    assert poke(sensor, context()).xcom_value["event_id"] == "e4"  # type: ignore[index]  # it is a dict


def test_all_of_several_messages(inbox: Inbox, context: Context) -> None:
    sensor = LarkCardCallbackSensor(task_id="t", message_id=["om_1", "om_2"], wait_for="all")
    inbox.store([click("e2", "om_2")])
    assert not poke(sensor, context()).is_done
    inbox.store([click("e1", "om_1"), click("e3", "om_2")])
    assert [one["event_id"] for one in poke(sensor, context()).xcom_value or ()] == ["e1", "e2"]


def test_a_correlation_instead_of_a_message(inbox: Inbox, context: Context) -> None:
    sensor = LarkCardCallbackSensor(task_id="t", correlation_id="w-1")
    inbox.store([click("e1", None, {"lark_wait": "w-1", "lark_allowed": ["ou_2"], "x": 1})])
    assert not poke(sensor, context()).is_done  # clicked by a stranger
    inbox.store([click("e2", None, {"lark_wait": "w-1", "lark_allowed": ["ou_2"], "x": 1}, "ou_2")])
    told = poke(sensor, context()).xcom_value
    assert isinstance(told, dict)
    assert told["action"]["value"] == {"x": 1}


def test_no_database_is_an_error_at_once(context: Context) -> None:
    with pytest.raises(AirflowFailException, match=r"No database is configured.*POSTGRES_HOST"):
        LarkCardCallbackSensor(task_id="t", message_id="om_1").poke(context())


def test_nothing_to_wait_for_is_an_error_at_once(inbox: Inbox, context: Context) -> None:
    with pytest.raises(AirflowFailException, match="must have a message id or a correlation id"):
        LarkCardCallbackSensor(task_id="t", message_id="").poke(context())


def test_it_looks_before_it_defers_and_keeps_the_sensors_timeout(inbox: Inbox, context: Context) -> None:
    sensor = LarkCardCallbackSensor(task_id="t", message_id="om_1", deferrable=True, timeout=90)
    given = context()
    given["ti"].get_first_reschedule_date = lambda _: None
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute(given)
    assert deferred.value.timeout is not None
    assert 60 < deferred.value.timeout.total_seconds() <= 90
    assert deferred.value.method_name == "execute_complete"
    path, kwargs = deferred.value.trigger.serialize()
    assert path == "lark_provider.triggers.card_callback.LarkCardCallbackTrigger"
    assert json.loads(json.dumps(kwargs)) == kwargs
    inbox.store([click("e1")])
    assert sensor.execute(given)["event_id"] == "e1"


def first_event(trigger: LarkCardCallbackTrigger) -> Any:
    async def run() -> Any:
        async for event in trigger.run():
            return event.payload
        return None

    return run()


def test_many_triggers_fire_for_their_own_clicks(inbox: Inbox, context: Context) -> None:
    made = []
    for number in range(40):
        given = context(task_id=f"t{number}")
        given["ti"].get_first_reschedule_date = lambda _: None
        sensor = LarkCardCallbackSensor(task_id="t", message_id=f"om_{number}", deferrable=True)
        with pytest.raises(TaskDeferred) as deferred:
            sensor.execute(given)
        made.append(LarkCardCallbackTrigger(**deferred.value.trigger.serialize()[1]))

    async def all_of_them() -> list[Any]:
        waiting = [asyncio.create_task(first_event(trigger)) for trigger in made]
        await asyncio.sleep(0)
        inbox.store([click(f"e{number}", f"om_{number}") for number in range(40)])
        done = await asyncio.gather(*waiting)
        looking = [thread for thread in threading.enumerate() if thread.name == "lark-waits"]
        assert len(looking) <= 1
        return done

    assert [one["status"] for one in asyncio.run(all_of_them())] == ["answered"] * 40


def test_another_database_is_told_at_once(inbox: Inbox, context: Context) -> None:
    trigger = LarkCardCallbackTrigger({"key": "k", "message_ids": ["om_1"]}, "another-database")
    event = asyncio.run(first_event(trigger))
    assert event["status"] == "error"
    assert "another database" in event["message"]
    with pytest.raises(AirflowFailException, match="another database"):
        LarkCardCallbackSensor(task_id="t", message_id="om_1").execute_complete(context(), event)


DAG = """
import pendulum
from airflow.sdk import DAG, task
from lark_provider.operators.approval import LarkApprovalOperator
from lark_provider.operators.message import LarkSendMessageOperator
from lark_provider.sensors import LarkCardCallbackSensor
with DAG("approve", schedule=None, start_date=pendulum.datetime(2026, 1, 1)):
    asked = LarkApprovalOperator(
        task_id="ask", receiver_id={chat!r}, title="Publish?", text="842 rows",
        approvers=["ou_emulator0001_alice"], timeout=60, {options}
    )
    @task
    def publish(decision):
        print("DECIDED", decision["decision"], decision["operator"]["open_id"])
    @task
    def drop(decision):
        print("DROPPED")
    publish(asked.output), drop(asked.output)
"""


class Clicker(threading.Thread):
    """Clicks on every new card of the chat, as soon as it is there."""

    def __init__(self, lark: Emulator, inbox: Inbox, clicks: list[tuple[str, str]]) -> None:
        super().__init__(daemon=True)
        self.lark, self.inbox, self.clicks, self.done = lark, inbox, clicks, threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.1):
            cards = messages(self.lark)
            if cards:
                self.inbox.store(
                    [self.made(cards[0], number, *one) for number, one in enumerate(self.clicks)]
                )
                return

    def made(self, card: dict[str, Any], number: int, decision: str, open_id: str) -> CardClick:
        button = next(one for one in buttons(card["content"]) if one["action"] == decision)
        return click(f"e{number}-{card['message_id']}", card["message_id"], button, open_id)


def messages(lark: Emulator) -> list[dict[str, Any]]:
    chats = {chat["chat_id"]: chat for chat in lark.state()["chats"]}
    found: list[dict[str, Any]] = chats[CHAT]["messages"]
    return found


def elements(part: Any, tag: str) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        if part.get("tag") == tag:
            yield part
        part = list(part.values())
    for one in part if isinstance(part, list) else ():
        yield from elements(one, tag)


def buttons(card: Any) -> Iterator[dict[str, Any]]:
    for button in elements(card, "button"):
        yield from (one["value"] for one in button.get("behaviors", ()) if one["type"] == "callback")


@pytest.fixture
def approve(
    lark: Emulator, database_url: str, airflow_home: AirflowHome, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., str]]:
    url = urls.parse(database_url, "url")
    migrate.upgrade(url)
    monkeypatch.setattr(airflow_home, "env", airflow_home.env | {"AIRFLOW__LARK__DATABASE_URL": database_url})
    dag = airflow_home.dags / "approve.py"
    clickers: list[Clicker] = []

    def run(clicks: list[tuple[str, str]], options: str = "") -> str:
        dag.write_text(DAG.format(chat=CHAT, options=options))
        clickers.append(Clicker(lark, Inbox(url), clicks))
        clickers[0].start()
        return airflow_home.airflow("dags", "test", "approve", lark=lark)

    yield run
    for clicker in clickers:
        clicker.done.set()
        clicker.join()
    dag.unlink()


def test_a_decision_is_asked_for_waited_for_followed_and_shown(
    lark: Emulator, approve: Callable[..., str]
) -> None:
    clicks = [("approve", BOB), ("approve", BOSS), ("reject", BOSS)]
    printed = approve(clicks, "branches={'approve': 'publish', 'reject': 'drop'}, soft_fail=True")
    assert "DECIDED approve ou_emulator0001_alice" in printed
    assert "DROPPED" not in printed
    assert "still shows its buttons" not in printed
    (card,) = messages(lark)
    assert not list(buttons(card["content"]))
    shown = json.dumps(card["content"])
    assert "<at id=ou_emulator0001_alice></at>" in shown
    assert "UTC" in shown


def test_a_rejection_fails_the_task_without_a_retry(lark: Emulator, approve: Callable[..., str]) -> None:
    with pytest.raises(AssertionError, match="ou_emulator0001_alice answered 'reject'"):
        approve([("reject", BOSS)], "retries=2, deferrable=False, poke_interval=0.2")
    (card,) = messages(lark)
    assert card["content"]["header"]["template"] == "red"


def approval(**options: Any) -> LarkApprovalOperator:
    return LarkApprovalOperator(task_id="t", title="Publish?", **{"receiver_id": CHAT, **options})


@pytest.mark.parametrize(
    ("soft_fail", "expected"), [(False, AirflowSensorTimeout), (True, AirflowSkipException)]
)
def test_nobody_answers_in_time_and_the_card_says_so(
    soft_fail: bool, expected: type[Exception], lark: Emulator, inbox: Inbox, start: Start
) -> None:
    with pytest.raises(expected):
        approval(timeout=0, poke_interval=0, deferrable=False, soft_fail=soft_fail).execute(start())
    (card,) = messages(lark)
    assert not list(buttons(card["content"]))


def test_however_often_it_starts_it_asks_once(lark: Emulator, inbox: Inbox, start: Start) -> None:
    for _ in range(3):
        with pytest.raises(AirflowRescheduleException):
            approval(deferrable=False, mode="reschedule").execute(start())
        lark.advance(3601)  # Lark has forgotten the message's key
    with pytest.raises(TaskDeferred):
        approval().execute(start(try_number=2))  # a retry
    (card,) = messages(lark)
    with pytest.raises(TaskDeferred):
        approval().execute(start(try_number=3, max_tries=4))  # cleared
    again = messages(lark)[-1]
    assert again["message_id"] != card["message_id"]
    assert not list(buttons(messages(lark)[0]["content"]))  # and what it asked before is withdrawn
    value = next(iter(buttons(card["content"])))
    inbox.store([click("e1", card["message_id"], value)])
    with pytest.raises(TaskDeferred):
        approval().execute(start(try_number=3, max_tries=4))  # that was for the one before
    with pytest.raises(AirflowFailException, match="Attempt 2 of task 't' was replaced by attempt 3"):
        approval().execute(start(try_number=2))  # its worker was cut off when the task was cleared
    inbox.store([click("e2", again["message_id"], next(iter(buttons(again["content"]))))])
    assert approval().execute(start(try_number=4, max_tries=4))["decision"] == "approve"
    assert len(messages(lark)) == 2


def test_nobody_is_asked_whose_answer_would_not_be_seen(lark: Emulator, start: Start) -> None:
    with pytest.raises(AirflowFailException, match="No database is configured"):
        approval().execute(start())
    assert messages(lark) == []


def test_another_card_does_not_answer_for_the_one_that_asks(
    lark: Emulator, inbox: Inbox, start: Start
) -> None:
    """Whoever knows the run knows its correlation, and can have a card of their own clicked."""
    with pytest.raises(TaskDeferred):
        approval(approvers=BOSS).execute(start())
    (card,) = messages(lark)
    genuine = next(value for value in buttons(card["content"]) if value["action"] == "approve")
    wait = {"lark_wait": genuine["lark_wait"]}
    forged: list[dict[str, Any]] = [
        {"value": wait | {"action": "approve"}, "open_id": BOB},
        {"value": wait | {"action": "approve", "lark_allowed": [BOB]}, "open_id": BOB},
        {"value": wait | {"action": "approve", "lark_allowed": []}, "open_id": BOB},
        {"value": genuine, "open_id": BOSS, "app_id": "cli_another"},
        {"value": wait | {"action": "delete everything"}, "open_id": BOSS},
        {"value": wait, "open_id": BOSS},
    ]
    inbox.store([click(f"e{n}", f"om_forged_{n}", **one) for n, one in enumerate(forged)])
    with pytest.raises(TaskDeferred):
        approval(approvers=BOSS).execute(start())
    inbox.store([click("e-genuine", card["message_id"], genuine, BOSS)])
    decided = approval(approvers=BOSS).execute(start())
    assert (decided["decision"], decided["operator"]["open_id"]) == ("approve", BOSS)


@pytest.mark.parametrize("length", [10, 40_000])
def test_what_was_filled_in_is_returned_and_shown_as_it_is(
    length: int, lark: Emulator, inbox: Inbox, start: Start
) -> None:
    fields = [Input("reason"), Input("odd")]
    with pytest.raises(TaskDeferred):
        approval(fields=fields).execute(start())
    (card,) = messages(lark)
    assert [part["name"] for part in elements(card["content"], "input")] == ["reason", "odd"]
    value = next(buttons(card["content"]))
    form = {"reason": "<at id=all></at> **now**\0", "odd": {"a": [1, None]}, "long": "x" * length}
    inbox.store([click("e1", card["message_id"], value, BOSS, form=form)])
    decided = approval(fields=fields).execute(start())
    assert decided["form_value"] == form | {"reason": "<at id=all></at> **now**\ufffd"}
    (card,) = messages(lark)
    assert not list(buttons(card["content"]))
    shown = "".join(part["content"] for part in elements(card["content"], "markdown"))
    assert f"**Approve** · <at id={BOSS}></at>" in shown
    assert "<at id=all>" not in shown
    assert ("reason" in shown) is (length == 10)  # else it would be too large for a card


@pytest.mark.parametrize("where", [None, "om_forwarded"])
def test_the_card_loses_its_buttons_also_when_another_one_was_clicked(
    where: str | None, lark: Emulator, inbox: Inbox, start: Start
) -> None:
    with pytest.raises(TaskDeferred):
        approval().execute(start())
    (card,) = messages(lark)
    inbox.store([click("e1", where, next(buttons(card["content"])), BOSS)])
    assert approval().execute(start(resumed=True))["message_id"] == where
    (card,) = messages(lark)
    assert not list(buttons(card["content"]))


def test_where_all_is_sent_elsewhere_everybody_there_may_answer(
    lark: Emulator, inbox: Inbox, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", connection(lark, extra={"redirect_all_to": CHAT}))
    with pytest.raises(TaskDeferred):
        approval(receiver_id=BOSS, approvers=BOSS).execute(start())
    (card,) = messages(lark)
    value = next(buttons(card["content"]))
    inbox.store([click("e1", card["message_id"], value, BOB)])
    assert approval(receiver_id=BOSS, approvers=BOSS).execute(start())["operator"]["open_id"] == BOB


def test_only_clicks_on_cards_of_the_app_that_is_named(inbox: Inbox, context: Context) -> None:
    sensor = LarkCardCallbackSensor(task_id="t", message_id="om_1", app_id=APP)
    inbox.store([click("e1", app_id="cli_another")])
    assert not poke(sensor, context()).is_done
    inbox.store([click("e2")])
    assert poke(sensor, context()).xcom_value["event_id"] == "e2"  # type: ignore[index]  # it is a dict


@pytest.mark.parametrize("never_fail", [False, True])
def test_a_rejection_is_for_on_reject_to_judge(
    never_fail: bool, lark: Emulator, inbox: Inbox, start: Start
) -> None:
    options = {"soft_fail": not never_fail, "never_fail": never_fail}
    with pytest.raises(TaskDeferred):
        approval(**options).execute(start())
    (card,) = messages(lark)
    rejecting = next(value for value in buttons(card["content"]) if value["action"] == "reject")
    inbox.store([click("e1", card["message_id"], rejecting)])
    resumed = {"event": {"status": "answered"}}
    with pytest.raises(AirflowFailException, match="answered 'reject'"):
        approval(**options).resume_execution("execute_complete", resumed, start(resumed=True))
    with pytest.raises(AirflowSkipException):
        approval(on_reject="skip").resume_execution("execute_complete", resumed, start(resumed=True))
    told = approval(on_reject="return").resume_execution("execute_complete", resumed, start(resumed=True))
    assert told["decision"] == "reject"
    updates = {name: count for name, count in lark.state()["by_endpoint"].items() if name.startswith("PATCH")}
    assert list(updates.values()) == [3]  # the card was changed once for each


# --- what sensors' arguments mean, deferred or not ---


def deferred(sensor: LarkCardCallbackSensor, given: Any) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as found:
        sensor.execute(given)
    return found.value


def sensor(**options: Any) -> LarkCardCallbackSensor:
    return LarkCardCallbackSensor(task_id="t", message_id="om_1", deferrable=True, **options)


End = tuple[str, dict[str, Any]]
TIMED_OUT: End = ("__fail__", {"error": "Trigger timeout"})
ANSWERED: End = ("execute_complete", {"event": {"status": "answered"}})
REFUSED: End = (
    "execute_complete",
    {"event": {"status": "error", "message": "Another database. Next: …"}},
)


@pytest.mark.parametrize("end", [TIMED_OUT, ANSWERED, REFUSED])
def test_an_answer_counts_however_the_wait_has_ended(end: End, inbox: Inbox, start: Start) -> None:
    deferred(sensor(), start())
    inbox.store([click("e1")])
    assert sensor().resume_execution(*end, start(resumed=True))["event_id"] == "e1"


@pytest.mark.parametrize(
    ("end", "expected"),
    [(TIMED_OUT, AirflowSensorTimeout), (ANSWERED, AirflowFailException), (REFUSED, AirflowFailException)],
)
@pytest.mark.parametrize("option", [None, "soft_fail", "never_fail", "silent_fail"])
def test_a_wait_that_ends_without_an_answer(
    option: str | None, end: End, expected: type[Exception], inbox: Inbox, start: Start
) -> None:
    options: dict[str, Any] = {} if option is None else {option: True}
    skips = option in {"soft_fail", "never_fail"}
    with pytest.raises(AirflowSkipException if skips else expected):
        sensor(**options).resume_execution(*end, start(resumed=True))


class TestWithoutADatabase:
    """What a look that fails means, before and after the wait in the triggerer."""

    @pytest.fixture(autouse=True)
    def _away(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW__LARK__DATABASE_URL", "postgresql://lark@127.0.0.1:1/lark")

    def test_the_task_is_tried_again(self, start: Start) -> None:
        with pytest.raises(StorageError, match="cannot be used"):
            sensor().execute(start())
        with pytest.raises(StorageError, match="cannot be used"):
            sensor(soft_fail=True).resume_execution(*ANSWERED, start(resumed=True))

    def test_never_fail_skips(self, start: Start) -> None:
        with pytest.raises(AirflowSkipException):
            sensor(never_fail=True).execute(start())
        with pytest.raises(AirflowSkipException):
            sensor(never_fail=True).resume_execution(*ANSWERED, start(resumed=True))

    def test_silent_fail_goes_on_for_the_time_that_is_left(self, start: Start) -> None:
        """What is waited for is not recorded, so there is nothing yet that a trigger could wait for."""
        with pytest.raises(AirflowRescheduleException):
            sensor(silent_fail=True, timeout=90).execute(start())
        with pytest.raises(AirflowRescheduleException):
            sensor(silent_fail=True, soft_fail=True, timeout=90).resume_execution(
                "execute_complete", {"event": {"status": "answered", "wait_id": "w"}}, start(resumed=True)
            )
        with pytest.raises(AirflowSensorTimeout):
            sensor(silent_fail=True, timeout=90).resume_execution(*TIMED_OUT, start(resumed=True))


def test_each_mapped_task_and_each_clearing_is_a_wait_of_its_own(inbox: Inbox, start: Start) -> None:
    cleared = {"map_index": 1, "max_tries": 4, "try_number": 3}
    starts: list[dict[str, Any]] = [{"map_index": 0}, {"map_index": 1}, cleared]
    retried = {"map_index": 1, "try_number": 2}
    ids = [
        deferred(sensor(), start(**one)).trigger.serialize()[1]["wait_id"]
        for one in (*starts[:2], retried, cleared)
    ]
    assert len(set(ids)) == 3
    assert ids[1] == ids[2]


def test_the_broker_of_airflows_configuration_is_pumped(
    inbox: Inbox, rabbitmq: str, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RABBITMQ_URL", "amqp://nobody@127.0.0.1:1/")
    monkeypatch.setenv("AIRFLOW__LARK__RABBITMQ_URL", rabbitmq)
    mq.send(rabbitmq, "card.cli_1", mq.card("e1"))
    assert sensor(app_id=sender.APP).execute(start())["event_id"] == "e1"
