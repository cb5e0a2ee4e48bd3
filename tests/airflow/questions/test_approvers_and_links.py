"""Who may answer is resolved before anybody is asked; links lead to the chat."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from airflow.sdk.exceptions import (
    AirflowFailException,
    TaskDeferred,
)
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider.sensors import LarkCardCallbackSensor
from lark_provider.storage import tables
from lark_provider.storage.engine import get_engine
from lark_provider.storage.inbox import Inbox
from tests.airflow.card_callbacks.clicks_and_cards import BOB, BOSS, buttons, click, messages
from tests.airflow.conftest import CHAT, connection
from tests.airflow.questions.question_tasks import Start, approval, defer, read_question


@pytest.mark.parametrize(
    "name", ["alice@example.com", "+8613800000001", "alice", "boss", "on_emulator_alice", BOSS]
)
def test_approvers_are_resolved_before_anybody_is_asked(
    name: str, lark: Emulator, gateway: None, url: URL, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {"receivers": {"boss": "alice@example.com"}}
    monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", connection(lark, extra=extra))
    users = {user["name"]: user for user in lark.state()["users"]}
    alice = next(user for user in users.values() if user["user_id"] == "alice")
    name = {"alice@example.com": alice["email"], "+8613800000001": alice["mobile"]}.get(name, name)
    extra["receivers"]["boss"] = alice["email"]
    monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", connection(lark, extra=extra))
    defer(approval(approvers=name), start())
    expected = name if name.startswith("on_") else BOSS
    assert read_question(url).question.operators == (expected,)
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
    with get_engine(url).connect() as conn:
        assert conn.scalar(sa.select(sa.func.count()).select_from(tables.waits)) == 0


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
    for task, context in ((approval(), start()), (sensor, start(task_id="s"))):
        task.execute(context)
        assert task.chat_link == page
