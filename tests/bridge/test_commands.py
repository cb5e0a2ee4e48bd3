"""Chat commands in the database and in texts; what an app lacks to hear them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
import sqlalchemy as sa
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider.airflow_check.lark_apps import check_commands
from lark_provider.api.routes.commands import CommandRule
from lark_provider.bridge.airflow_api import AirflowApi
from lark_provider.bridge.command_check import SUBSCRIPTION
from lark_provider.bridge.command_texts import defuse_mentions, format_end, format_help
from lark_provider.bridge.commands import (
    GIVEN_UP_SECONDS,
    TOO_OLD_SECONDS,
    WATCH_SECONDS,
    ChatCommandWork,
)
from lark_provider.bridge.lark import BridgeClients
from lark_provider.bridge.routes import RoutesFile
from lark_provider.bridge.service import Bridge
from lark_provider.bridge.settings import BridgeSettings, Credentials
from lark_provider.client import LarkServiceClient
from lark_provider.protocol.commands.message import CommandMessage, MentionedPerson
from lark_provider.protocol.hitl.proof import BridgeSecrets
from lark_provider.storage import migrate
from lark_provider.storage.bridge_tables import chat_commands
from lark_provider.storage.chat_commands import ChatCommands, record
from lark_provider.storage.engine import hold_transaction
from lark_provider.storage.purging import purge
from lark_provider.storage.retention import Retention
from lark_provider.support.secret import Secret
from tests.bridge.stand_in import serving
from tests.services.processes import free_port

MESSAGE = CommandMessage(
    "cli_a", "om_1", "own", "ou_ann", "oc_1", False, "@_user_1 /run \x00",
    (MentionedPerson("@_user_1", "ou_bot", "Bot \x00"),), datetime.max.replace(tzinfo=UTC),
)  # fmt: skip
"""A message that `stored` takes as one of 90 seconds ago."""


def store_commands(url: URL, *messages: CommandMessage) -> int:
    # Not when this module was imported, which may be an hour ago.
    sent_at = datetime.now(UTC) - timedelta(seconds=90)
    recent = [replace(message, sent_at=min(message.sent_at, sent_at)) for message in messages]
    with hold_transaction(migrate.prepare_engine(url)) as connection:
        return record(connection, recent)


def test_a_command_goes_through_its_states_once(url: URL) -> None:
    store = ChatCommands(url)
    assert store_commands(url, MESSAGE, replace(MESSAGE, app_id="cli_b")) == 2
    assert store_commands(url, MESSAGE) == 0
    taken = store.claim(("due",), 10, 60)
    assert [command.message.app_id for command in taken] == ["cli_a", "cli_b"]
    assert store.claim(("due",), 10, 60) == []
    first, second = taken
    assert (first.attempts, first.message.text) == (1, "@_user_1 /run \N{REPLACEMENT CHARACTER}")
    assert 90 <= first.sent_ago < 3600
    store.postpone(second, 0)
    assert [command.attempts for command in store.claim(("due",), 10, 60)] == [2]
    assert store.decide(first, "started", "yes", dag_id="etl", run_id="lark__om_1")
    assert not store.decide(first, "invalid", "no")
    assert store.decide(second, "ignored", "")
    (decided,) = store.claim(("decided",), 10, 60)
    assert (decided.text, decided.run_id) == ("yes", "lark__om_1")
    assert store.record_answered(decided)
    assert not store.record_answered(decided)
    (running,) = store.claim(("running",), 10, 60)
    assert store.count_by_state() == {"running": 1}
    assert store.record_ended(running, "over")
    assert not store.record_ended(running, "again")
    (ended,) = store.claim(("ended",), 10, 60)
    assert ended.text == "over"
    assert store.record_answered(ended)
    assert store.count_by_state() == {}


def test_commands_that_are_over_are_purged(url: URL) -> None:
    store = ChatCommands(url)
    store_commands(url, MESSAGE, replace(MESSAGE, app_id="cli_b"))
    store.decide(store.claim(("due",), 1, 60)[0], "ignored", "")
    with hold_transaction(migrate.prepare_engine(url)) as connection:
        old = datetime.now(UTC) - timedelta(days=91)
        connection.execute(chat_commands.update().values(updated_at=old))
    assert purge(url, Retention())["chat_commands"] == 1
    with hold_transaction(migrate.prepare_engine(url), reading=True) as connection:
        assert connection.scalars(sa.select(chat_commands.c.state)).all() == ["due"]


def work(url: URL, name: str, airflow: str = "", routes: Path | None = None) -> None:
    """Run the step `name` of a bridge, by default with an unreachable Airflow and no routes."""
    credentials = Credentials(airflow or f"http://127.0.0.1:{free_port()}", token=Secret("t"))
    file = RoutesFile(None if routes is None else str(routes))
    bridge = Bridge(BridgeSettings(credentials, BridgeSecrets("s" * 32)), url, str, file)

    async def work() -> None:
        bridge.api, bridge.apps = AirflowApi(credentials), BridgeClients()
        try:
            steps = {step.name: step for step in ChatCommandWork(bridge, file).list_steps()}
            await steps[name].work()
        finally:
            await bridge.api.close()

    asyncio.run(work())


def states(url: URL) -> dict[str, tuple[str, str | None]]:
    columns = chat_commands.c
    with hold_transaction(migrate.prepare_engine(url), reading=True) as connection:
        rows = connection.execute(sa.select(columns.message_id, columns.state, columns.outcome))
        return {row.message_id: (row.state, row.outcome) for row in rows}


def test_a_command_of_an_app_that_is_gone_is_not_tried_indefinitely(sqlite: URL) -> None:
    old = datetime.now(UTC) - timedelta(seconds=GIVEN_UP_SECONDS + 90)
    store_commands(sqlite, MESSAGE, replace(MESSAGE, message_id="om_2", sent_at=old))
    work(sqlite, "commands")
    assert states(sqlite) == {"om_1": ("due", None), "om_2": ("done", "too_old")}


@pytest.mark.parametrize("is_started", [True, False])
def test_a_run_that_was_started_before_airflow_was_unreachable_is_told_as_such(
    sqlite: URL, lark: Emulator, *, is_started: bool
) -> None:
    store = ChatCommands(sqlite)
    old = datetime.now(UTC) - timedelta(seconds=TOO_OLD_SECONDS + 90)
    typed = replace(MESSAGE, app_id=lark.app_id, is_direct=True, text="/run etl", mentions=(), sent_at=old)
    store_commands(sqlite, typed)
    (claimed,) = store.claim(("due",), 1, 60)
    store.postpone(claimed, 0)  # The answer of the plugin was lost.
    with serving() as airflow:
        airflow.started = frozenset({("etl", "lark__om_1")} if is_started else ())
        work(sqlite, "commands", airflow.url)
    (claimed,) = store.claim(("decided",), 1, 0)
    assert (claimed.dag_id, claimed.run_id) == (("etl", "lark__om_1") if is_started else (None, None))
    assert states(sqlite) == {"om_1": ("decided", "started" if is_started else "too_old")}


@pytest.mark.parametrize(
    ("status", "outcome", "state"),
    [
        (202, "queued", ("decided", "shown")),
        (409, "paused", ("decided", "shown")),
        (403, "forbidden", ("decided", "forbidden")),
        (503, "overloaded", ("due", None)),
        (503, "busy", ("due", None)),
    ],
)
def test_what_a_plugin_of_a_newer_version_answered_is_told(
    sqlite: URL, lark: Emulator, tmp_path: Path, status: int, outcome: str, state: tuple[str, str | None]
) -> None:
    routes = tmp_path / "lark.yaml"
    routes.write_text("defaults: {language: en}\ncommands: [{dag: etl, chat: direct}]\n")
    store_commands(sqlite, replace(MESSAGE, app_id=lark.app_id, is_direct=True, text="/run etl", mentions=()))
    with serving() as airflow:
        airflow.command = (status, {"outcome": outcome, "message": {"en": "in its words"}, "place": 3})
        work(sqlite, "commands", airflow.url, routes)
    assert states(sqlite) == {"om_1": state}
    if state[0] == "decided":
        (claimed,) = ChatCommands(sqlite).claim(("decided",), 1, 0)
        assert claimed.text == "in its words"


def test_a_run_that_cannot_be_read_is_not_watched_indefinitely(sqlite: URL) -> None:
    store = ChatCommands(sqlite)
    store_commands(sqlite, MESSAGE, replace(MESSAGE, message_id="om_2"))
    for command in store.claim(("due",), 2, 0):
        store.decide(command, "started", "yes", dag_id="etl", run_id="r")
    for command in store.claim(("decided",), 2, 0):
        store.record_answered(command)
    with hold_transaction(migrate.prepare_engine(sqlite)) as connection:
        old = datetime.now(UTC) - timedelta(seconds=WATCH_SECONDS + 60)
        is_second = chat_commands.c.message_id == "om_2"
        connection.execute(chat_commands.update().where(is_second).values(updated_at=old))
    work(sqlite, "command runs")
    assert states(sqlite) == {"om_1": ("running", "started"), "om_2": ("ended", "started")}


def test_an_answer_of_an_app_that_is_gone_is_not_tried_indefinitely(
    sqlite: URL, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("LARK_REGISTRY_PATH")
    monkeypatch.chdir(tmp_path)  # where there is no registry
    store = ChatCommands(sqlite)
    store_commands(sqlite, *(replace(MESSAGE, message_id=f"om_{number}") for number in (1, 2, 3)))
    for command in store.claim(("due",), 3, 0):
        run_id = "r" if command.message.message_id == "om_3" else None
        store.decide(command, "started" if run_id else "helped", "yes", dag_id="etl", run_id=run_id)
    with hold_transaction(migrate.prepare_engine(sqlite)) as connection:
        old = datetime.now(UTC) - timedelta(seconds=3660)
        is_old = chat_commands.c.message_id != "om_1"
        connection.execute(chat_commands.update().where(is_old).values(updated_at=old))
    work(sqlite, "command replies")
    assert states(sqlite) == {
        "om_1": ("decided", "helped"),
        "om_2": ("done", "helped"),
        "om_3": ("running", "started"),
    }
    logged = [entry.getMessage() for entry in caplog.records]
    assert sorted(logged) == [
        *["Chat command cannot be answered"] * 2,
        "Chat command not answered; will retry",
    ]
    with hold_transaction(migrate.prepare_engine(sqlite), reading=True) as connection:
        answers = connection.scalars(sa.select(chat_commands.c.answer).order_by(chat_commands.c.message_id))
        problems = [orjson.loads(answer).get("problem", "") for answer in answers]
    assert [problem.partition(":")[0] for problem in problems] == ["", *["No Lark credentials"] * 2]


def test_texts() -> None:
    run = {"start_date": "2026-11-26T12:00:00Z", "end_date": "2026-11-26T12:01:01.6Z"}
    assert format_end("success", "etl", run, "en") == "etl has succeeded after 62 s."
    assert format_end("deleted", "etl", {}, "zh") == "etl 的这次运行已被删除。"
    rule = CommandRule(1, ("direct",), ("etl",), arguments=("day",))
    assert format_help([rule, rule], "en").splitlines()[1:] == ["/run etl [day]", "/status etl", "/runs etl"]
    assert "not allowed to use any command" in format_help([], "en")
    assert "<" not in defuse_mentions('<at user_id="all"></at>')


@pytest.mark.parametrize(
    ("scopes", "lacks"),
    [
        (["im:message"], ["im:message.p2p_msg:readonly", "im:message.group_at_msg:readonly"]),
        (["im:message.p2p_msg"], ["im:message.group_at_msg:readonly"]),
        (["im:message.p2p_msg", "im:message.group_msg"], []),
    ],
)
def test_the_check_names_scopes_and_the_subscription(
    lark: Emulator, scopes: list[str], lacks: list[str]
) -> None:
    lark.change_app(scopes=scopes)
    check = check_commands(LarkServiceClient(), [CommandRule(1, ("oc_a", "direct"), ("*",))])
    assert check.status == ("unhealthy" if lacks else "healthy")
    assert [scope for scope in lacks if scope in check.text] == lacks
    assert SUBSCRIPTION in f"{check.text} {check.details}"
