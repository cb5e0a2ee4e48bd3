"""An inbox into which tests put clicks, a task that starts, and a DAG run that asks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider.protocol.callbacks import CardClick
from lark_provider.storage import urls
from lark_provider.storage.inbox import Inbox
from tests.airflow.card_callbacks.clicks_and_cards import CONNECTION, Context, Start, buttons, click, messages
from tests.airflow.conftest import CHAT, AirflowHome
from tests.storage import prepared


@pytest.fixture(params=["sqlite", "postgresql"])
def inbox(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inbox:
    if request.param == "sqlite":
        text = f"sqlite:///{tmp_path}/lark.db"
    else:
        text = request.getfixturevalue("database_url")
    url = urls.parse(text, "url")
    prepared.upgrade(url)
    monkeypatch.setenv("AIRFLOW__LARK__DATABASE_URL", text)
    if "lark" not in request.fixturenames:
        monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", CONNECTION)
    return Inbox(url)


@pytest.fixture
def start(context: Context) -> Start:
    xcoms: dict[str, Any] = {}
    kept: dict[str, Any] = {}

    def begin(*, resumed: bool = False, **changes: Any) -> Any:
        if not resumed:
            xcoms.clear()
        task_context = context(**changes)

        def push(key: str, value: Any) -> None:
            xcoms[key] = value

        known = {"start_date": datetime.now(UTC), "get_first_reschedule_date": lambda _: None}
        reached = {"xcom_pull": lambda key, **_: xcoms.get(key), "xcom_push": push}
        task_context["ti"] = SimpleNamespace(**(known | reached | vars(task_context["ti"])))
        return task_context | {"task_state_store": SimpleNamespace(get=kept.get, set=kept.__setitem__)}

    return begin


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
                    [self.make_click(cards[0], number, *answer) for number, answer in enumerate(self.clicks)]
                )
                return

    def make_click(self, card: dict[str, Any], number: int, decision: str, open_id: str) -> CardClick:
        button = next(value for value in buttons(card["content"]) if value["action"] == decision)
        return click(f"e{number}-{card['message_id']}", card["message_id"], button, open_id)


@pytest.fixture
def approve(
    lark: Emulator, database_url: str, airflow_home: AirflowHome, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., str]]:
    url = urls.parse(database_url, "url")
    prepared.upgrade(url)
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
