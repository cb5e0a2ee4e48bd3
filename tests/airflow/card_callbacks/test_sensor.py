"""Which clicks answer what a sensor or trigger waits for; clicks are put straight into the inbox here."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from airflow.sdk.exceptions import (
    AirflowFailException,
    TaskDeferred,
)

from lark_provider.sensors import LarkCardCallbackSensor
from lark_provider.storage.inbox import Inbox
from lark_provider.triggers import LarkCardCallbackTrigger
from tests.airflow.card_callbacks.clicks_and_cards import APP, Context, Start, click, defer, poke, sensor
from tests.callbacks import mq
from tests.protocol.callbacks import sender


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
    assert [answer["event_id"] for answer in poke(sensor, context()).xcom_value or ()] == ["e1", "e2"]


def test_a_correlation_instead_of_a_message(inbox: Inbox, context: Context) -> None:
    sensor = LarkCardCallbackSensor(task_id="t", correlation_id="w-1")
    inbox.store([click("e1", None, {"lark_wait": "w-1", "lark_allowed": ["ou_2"], "x": 1})])
    assert not poke(sensor, context()).is_done  # clicked by a stranger
    inbox.store([click("e2", None, {"lark_wait": "w-1", "lark_allowed": ["ou_2"], "x": 1}, "ou_2")])
    answer = poke(sensor, context()).xcom_value
    assert isinstance(answer, dict)
    assert answer["action"]["value"] == {"x": 1}


def test_no_database_is_an_error_at_once(context: Context) -> None:
    with pytest.raises(AirflowFailException, match=r"No database is configured.*POSTGRES_HOST"):
        LarkCardCallbackSensor(task_id="t", message_id="om_1").poke(context())


def test_nothing_to_wait_for_is_an_error_at_once(inbox: Inbox, context: Context) -> None:
    with pytest.raises(AirflowFailException, match="must have a message id or a correlation id"):
        LarkCardCallbackSensor(task_id="t", message_id="").poke(context())


def test_it_looks_before_it_defers_and_keeps_the_sensors_timeout(inbox: Inbox, context: Context) -> None:
    sensor = LarkCardCallbackSensor(task_id="t", message_id="om_1", deferrable=True, timeout=90)
    task_context = context()
    task_context["ti"].get_first_reschedule_date = lambda _: None
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute(task_context)
    assert deferred.value.timeout is not None
    assert 60 < deferred.value.timeout.total_seconds() <= 90
    assert deferred.value.method_name == "execute_complete"
    path, kwargs = deferred.value.trigger.serialize()
    assert path == "lark_provider.triggers.card_callback.LarkCardCallbackTrigger"
    assert json.loads(json.dumps(kwargs)) == kwargs
    inbox.store([click("e1")])
    assert sensor.execute(task_context)["event_id"] == "e1"


def first_event(trigger: LarkCardCallbackTrigger) -> Any:
    async def run() -> Any:
        async for event in trigger.run():
            return event.payload
        return None

    return run()


def test_many_triggers_fire_for_their_own_clicks(inbox: Inbox, context: Context) -> None:
    triggers = []
    for number in range(40):
        task_context = context(task_id=f"t{number}")
        task_context["ti"].get_first_reschedule_date = lambda _: None
        sensor = LarkCardCallbackSensor(task_id="t", message_id=f"om_{number}", deferrable=True)
        with pytest.raises(TaskDeferred) as deferred:
            sensor.execute(task_context)
        triggers.append(LarkCardCallbackTrigger(**deferred.value.trigger.serialize()[1]))

    async def all_of_them() -> list[Any]:
        waiting = [asyncio.create_task(first_event(trigger)) for trigger in triggers]
        await asyncio.sleep(0)
        inbox.store([click(f"e{number}", f"om_{number}") for number in range(40)])
        done = await asyncio.gather(*waiting)
        looking = [thread for thread in threading.enumerate() if thread.name == "lark-waits"]
        assert len(looking) <= 1
        return done

    assert [event["status"] for event in asyncio.run(all_of_them())] == ["answered"] * 40


def test_another_database_is_told_at_once(inbox: Inbox, context: Context) -> None:
    trigger = LarkCardCallbackTrigger({"key": "k", "message_ids": ["om_1"]}, "another-database")
    event = asyncio.run(first_event(trigger))
    assert event["status"] == "error"
    assert "not the database where the wait began" in event["message"]
    with pytest.raises(AirflowFailException, match="not the database where the wait began"):
        LarkCardCallbackSensor(task_id="t", message_id="om_1").execute_complete(context(), event)


def test_only_clicks_on_cards_of_the_app_that_is_named(inbox: Inbox, context: Context) -> None:
    sensor = LarkCardCallbackSensor(task_id="t", message_id="om_1", app_id=APP)
    inbox.store([click("e1", app_id="cli_another")])
    assert not poke(sensor, context()).is_done
    inbox.store([click("e2")])
    assert poke(sensor, context()).xcom_value["event_id"] == "e2"  # type: ignore[index]  # it is a dict


def test_each_mapped_task_and_each_clearing_is_a_wait_of_its_own(inbox: Inbox, start: Start) -> None:
    cleared = {"map_index": 1, "max_tries": 4, "try_number": 3}
    starts: list[dict[str, Any]] = [{"map_index": 0}, {"map_index": 1}, cleared]
    retried = {"map_index": 1, "try_number": 2}
    ids = [
        defer(sensor(), start(**changes)).trigger.serialize()[1]["wait_id"]
        for changes in (*starts[:2], retried, cleared)
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
