"""Extras of connections are read without blocking a loop: Airflow asks its supervisor to mask them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Connection
from airflow.sdk.execution_time import task_runner
from lark_emulator import Emulator

from lark_provider.hooks import airflow_config
from lark_provider.hooks.lark import LarkHook
from lark_provider.hooks.webhook import LarkWebhookHook
from lark_provider.notifications import LarkNotifier, LarkWebhookNotifier
from tests.airflow.conftest import CHAT, connection

EXTRA = {"owners": {"alice": "ou_emulator0001_alice"}, "receivers": {"team": CHAT}}


class Supervisor:
    """Airflow's supervisor, which starts tasks, as far as it is asked to mask secrets."""

    def __init__(self) -> None:
        self.asked = 0
        self.blocked: list[object] = []

    def send(self, request: object) -> None:
        self.asked += 1
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        self.blocked.append(request)

    async def asend(self, _request: object) -> None:
        self.asked += 1


@pytest.fixture
def supervisor(lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    database = "postgres://lark:pass-word-1@127.0.0.1:9/lark?sslmode=disable"
    monkeypatch.setenv("AIRFLOW__LARK__DATABASE_CONN_ID", "lark_db")
    monkeypatch.setenv("AIRFLOW_CONN_LARK_DB", database)
    monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", connection(lark, extra=EXTRA))
    bot = {"conn_type": "lark_webhook", "password": lark.add_webhook(), "extra": EXTRA}
    monkeypatch.setenv("AIRFLOW_CONN_LARK_WEBHOOK_DEFAULT", json.dumps(bot))
    supervisor = Supervisor()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", supervisor, raising=False)
    return supervisor


@pytest.mark.parametrize("make_hook", [LarkHook, LarkWebhookHook])
def test_the_asynchronous_client_reads_extras_without_blocking(
    supervisor: Supervisor, make_hook: Callable[[], LarkHook | LarkWebhookHook]
) -> None:
    async def read() -> object:
        hook = make_hook()
        await hook.get_async_conn()
        return hook.owners

    assert asyncio.run(read()) == EXTRA["owners"]
    assert supervisor.asked
    assert supervisor.blocked == []


def test_a_connection_without_an_asynchronous_reader_is_read_in_a_thread(
    lark: Emulator, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As before Airflow 3.3.2, and from some secrets backends."""
    monkeypatch.delattr(Connection, "aextra_dejson")
    monkeypatch.delenv("AIRFLOW__LARK__DATABASE_CONN_ID")

    async def read() -> object:
        hook = LarkHook()
        hook.connection = Connection.from_json(connection(lark, extra=EXTRA), "lark_default")
        await hook.get_async_conn()
        return hook.receiver("team").id

    assert asyncio.run(read()) == CHAT
    assert supervisor.asked
    assert supervisor.blocked == []


def test_the_url_of_a_database_is_read_without_blocking(supervisor: Supervisor) -> None:
    url = asyncio.run(airflow_config.aread_database_url())
    assert str(url).endswith("@127.0.0.1:9/lark?sslmode=disable")
    assert supervisor.asked
    assert supervisor.blocked == []


@pytest.mark.parametrize("bot", [False, True])
def test_a_notifier_of_a_triggerer_does_not_block_it(
    lark: Emulator, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch, bot: bool
) -> None:
    monkeypatch.delenv("AIRFLOW__LARK__DATABASE_CONN_ID")
    ti = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=1, state="failed")
    context: Any = {"ti": ti, "task": SimpleNamespace(owner="alice")}
    settings: Any = {"mentions": "owner", "context": context, "deadline": 60}

    async def notify() -> None:
        await (LarkWebhookNotifier(**settings) if bot else LarkNotifier(receiver_id="team", **settings))

    asyncio.run(notify())
    state = lark.state()
    [message] = state["webhooks"][0]["messages"] if bot else state["chats"][0]["messages"]
    assert "ou_emulator0001_alice" in json.dumps(message)
    assert supervisor.asked
    assert supervisor.blocked == []
