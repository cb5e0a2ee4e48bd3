"""Tasks that are resumed without an answer to their own question, as after their DAG file was edited."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider.sensors import LarkCardCallbackSensor
from lark_provider.storage.waits import Waits
from lark_provider.triggers import LarkCardCallbackTrigger
from tests.airflow.card_callbacks.clicks_and_cards import buttons, messages
from tests.airflow.questions.question_tasks import Start, approval, defer, read_question, run_until_fired

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
    assert read_question(url).state == "open"


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
    event = answer_first(lark, defer(approval(), start()))
    sensor = LarkCardCallbackSensor(task_id="t", message_id="om_of_another_card", deferrable=True)
    with pytest.raises(TaskDeferred):
        sensor.resume_execution("execute_complete", {"event": event}, start())


def test_a_click_for_a_sensor_is_no_decision_of_an_approval_that_takes_its_place(
    lark: Emulator, gateway: None, url: URL, start: Start
) -> None:
    defer(approval(), start(task_id="other"))
    (card,) = messages(lark)
    sensor = LarkCardCallbackSensor(task_id="t", message_id=card["message_id"], deferrable=True)
    event = answer_first(lark, defer(sensor, start()))
    with pytest.raises(TaskDeferred):
        approval().resume_execution("execute_complete", {"event": event}, start())
    assert list(buttons(messages(lark)[1]["content"]))


def answer_first(lark: Emulator, trigger: LarkCardCallbackTrigger) -> dict[str, Any]:
    """Click `Approve` as alice on the first card, and return the event that the trigger fires."""
    assert lark.click(messages(lark)[0]["message_id"], "alice", "Approve")["toast"]["type"] == "success"
    return run_until_fired(trigger)
