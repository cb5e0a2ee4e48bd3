"""Waiting for a card's answer: sensor, trigger, approval; clicks are put straight into the inbox here."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import PokeReturnValue
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)

from lark_provider.core.storage import migrate, urls
from lark_provider.core.storage.inbox import Inbox
from lark_provider.emulator import Emulator
from lark_provider.operators.approval import LarkApprovalOperator
from lark_provider.protocol.callbacks import CardClick, read
from lark_provider.sensors import LarkCardCallbackSensor
from lark_provider.triggers import LarkCardCallbackTrigger
from tests.airflow.conftest import CHAT, AirflowHome

Context = Callable[..., Any]
BOSS = "ou_emulator0001_alice"


def click(
    event_id: str, message_id: str | None = "om_1", value: Any = None, open_id: str = "ou_1"
) -> CardClick:
    made = read(
        {
            "schema": "2.0",
            "header": {
                "event_id": event_id,
                "event_type": "card.action.trigger",
                "create_time": str(int(time.time() * 1_000_000)),
                "app_id": "cli_1",
            },
            "event": {
                "operator": {"open_id": open_id},
                "token": "c-never-shown",
                "action": {"tag": "button", "value": value or {}},
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
    return Inbox(url)


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


def test_nothing_to_wait_for_and_no_database_are_errors_at_once(context: Context) -> None:
    with pytest.raises(AirflowFailException, match=r"No database is configured.*POSTGRES_HOST"):
        LarkCardCallbackSensor(task_id="t", message_id="om_1").poke(context())
    with pytest.raises(AirflowFailException, match="nothing to wait for"):
        LarkCardCallbackSensor(task_id="t", message_id="").poke(context())


def test_it_looks_before_it_defers_and_keeps_the_sensors_timeout(inbox: Inbox, context: Context) -> None:
    sensor = LarkCardCallbackSensor(task_id="t", message_id="om_1", deferrable=True, timeout=90)
    given = context()
    given["ti"].get_first_reschedule_date = lambda _: None
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute(given)
    assert deferred.value.timeout is not None
    assert deferred.value.timeout.total_seconds() == 90
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

    assert asyncio.run(all_of_them()) == [{"status": "answered"}] * 40


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
    publish(asked.output)
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


def buttons(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        if part.get("tag") == "button":
            yield from (one["value"] for one in part.get("behaviors", ()) if one["type"] == "callback")
        part = list(part.values())
    for one in part if isinstance(part, list) else ():
        yield from buttons(one)


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


def test_a_decision_is_asked_for_waited_for_and_shown(lark: Emulator, approve: Callable[..., str]) -> None:
    printed = approve([("approve", "ou_emulator0001_bob"), ("approve", BOSS), ("reject", BOSS)])
    assert "DECIDED approve ou_emulator0001_alice" in printed
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


def test_nobody_answers_in_time_and_the_card_says_so(lark: Emulator, inbox: Inbox, context: Context) -> None:
    pushed: dict[str, Any] = {}
    given = context()
    given["ti"] = SimpleNamespace(
        **vars(given["ti"]),
        xcom_pull=lambda key, **_: pushed.get(key),
        xcom_push=lambda key, value: pushed.update({key: value}),
    )
    sensor = LarkApprovalOperator(
        task_id="t", receiver_id=CHAT, title="Publish?", timeout=0, poke_interval=0, deferrable=False
    )
    with pytest.raises(AirflowSensorTimeout):
        sensor.execute(given)
    (card,) = messages(lark)
    assert not list(buttons(card["content"]))
    soft = LarkApprovalOperator(
        task_id="t2",
        receiver_id=CHAT,
        title="?",
        timeout=0,
        poke_interval=0,
        deferrable=False,
        soft_fail=True,
    )
    pushed.clear()
    with pytest.raises(AirflowSkipException):
        soft.execute(given)
    assert not list(buttons(messages(lark)[-1]["content"]))
