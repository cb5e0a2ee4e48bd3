"""Triggers that wait for native approvals: events, brokers, outages, and triggerers that are killed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import (
    AirflowFailException,
)
from lark_emulator import Emulator

from lark_provider.callbacks import CallbackKeys, Endpoint, Gateway
from lark_provider.callbacks.http.app import application
from lark_provider.callbacks.http.stores import configured_sinks
from lark_provider.triggers import native_approval
from tests.airflow.conftest import AirflowHome, connection
from tests.airflow.native_approvals.approval_tasks import (
    approval,
    count_reads,
    decide,
    defer,
    first_event,
    instances,
)
from tests.airflow.triggerer import Triggerer
from tests.callbacks.parts import KnownKeys
from tests.callbacks.serving import serve
from tests.failures.waiting import wait_until

KEY, TOKEN = "the app's key", "the app's token"
START_SECONDS = 300
"""For a triggerer on a busy machine."""


def test_the_trigger_outlasts_an_outage_and_ends_on_what_no_retry_helps(
    lark: Emulator, code: str, start: Any, outcomes: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    trigger = defer(approval(code), start())
    lark.fault("GET", "/open-apis/approval/v4/instances/*", status=502, times=8)
    decide(lark, "approve", "approve")
    assert asyncio.run(first_event(trigger))["status"] == "APPROVED"
    assert caplog.text.count("not read; still waiting for it") == 1
    lark.change_app(scopes=["im:message"])
    event = asyncio.run(first_event(trigger))
    assert (event["status"], "PermissionDeniedError" in event["message"]) == ("error", True)
    with pytest.raises(AirflowFailException, match="PermissionDeniedError"):
        approval(code).execute_complete(start(), event)
    assert outcomes == ["failed"]


@pytest.fixture
def events(lark: Emulator, rabbitmq: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Start a gateway that publishes Lark's events to RabbitMQ, as in production."""
    monkeypatch.setenv("RABBITMQ_URL", rabbitmq)
    monkeypatch.setattr(native_approval, "_subscribed", set())
    keys = KnownKeys(CallbackKeys(lark.app_id, KEY, TOKEN))
    sinks, background = configured_sinks(broker_url=rabbitmq)
    gateway = Gateway(keys, sinks, endpoint=Endpoint())
    with serve(application(gateway, background=background)) as address:
        lark.set_callback(
            f"{address}/lark/callbacks/{lark.app_id}", encrypt_key=KEY, verification_token=TOKEN
        )
        yield


@pytest.mark.parametrize(
    "switches",
    [{}, {"approval_events": "reversed", "approval_event_copies": 2}],
    ids=["in order", "reversed and doubled"],
)
def test_an_event_makes_all_triggers_look_at_once(
    lark: Emulator, code: str, start: Any, events: None, switches: dict[str, Any]
) -> None:
    triggers = [defer(approval(code, poll_interval=3600), start(run_id=f"r{n}")) for n in range(3)]
    lark.settings(**switches)

    async def work() -> list[dict[str, Any]]:
        running = [asyncio.create_task(first_event(trigger)) for trigger in triggers]
        # Each trigger has looked once, and would not look again for an hour.
        await asyncio.to_thread(wait_until, lambda: count_reads(lark) >= 2 * len(triggers), 60)
        await asyncio.to_thread(wait_until, lambda: lark.approvals()["subscriptions"], 60)
        # Its queue is bound: only then is an event for it.
        await asyncio.to_thread(wait_until, is_connected, 60)
        for instance in instances(lark):
            for _ in range(2):
                await asyncio.to_thread(lark.decide_approval, instance["code"])
        return list(await asyncio.gather(*running))

    assert {payload["status"] for payload in asyncio.run(work())} == {"APPROVED"}
    assert len(lark.approvals()["subscriptions"]) == 1


def is_connected() -> bool:
    from lark_provider.callbacks import approvals

    return any(broadcast.is_connected for broadcast in approvals._broadcasts.values())


def test_events_that_are_lost_are_found_by_polling(
    lark: Emulator, code: str, start: Any, events: None
) -> None:
    lark.settings(approval_events="lost")
    trigger = defer(approval(code), start())
    decide(lark, "approve", "approve")
    assert asyncio.run(first_event(trigger))["status"] == "APPROVED"


def test_a_broker_that_is_unavailable_stops_no_wait(
    lark: Emulator, code: str, start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:9/")
    trigger = defer(approval(code), start())
    decide(lark, "approve", "approve")
    assert asyncio.run(first_event(trigger))["status"] == "APPROVED"


@pytest.fixture
def triggerer(lark: Emulator, airflow_home: AirflowHome, tmp_path: Path) -> Iterator[Triggerer]:
    settings = {"AIRFLOW_CONN_LARK_DEFAULT": connection(lark)}
    triggerer = Triggerer(airflow_home, tmp_path / "airflow", settings)
    yield triggerer
    triggerer.kill()


@pytest.mark.parametrize("seen", [True, False], ids=["seen, and not stored", "decided without a triggerer"])
def test_a_triggerer_that_is_killed_lets_the_task_go_on_once(
    lark: Emulator, code: str, start: Any, triggerer: Triggerer, outcomes: list[str], *, seen: bool
) -> None:
    context = start()
    trigger = defer(approval(code, poll_interval=0.5), context)
    triggerer.defer_triggers([trigger.serialize()])
    triggerer.start()
    wait_until(lambda: count_reads(lark) > 2, START_SECONDS)
    if seen:
        triggerer.freeze()  # the part that runs triggers goes on, and nobody stores what it fires
        decide(lark, "approve", "approve")
        before = count_reads(lark)
        wait_until(lambda: count_reads(lark) > before, START_SECONDS)
    triggerer.kill()
    assert triggerer.task()[0] == "deferred"
    assert triggerer.waiting() == 1
    if not seen:
        decide(lark, "approve", "approve")
    triggerer.start()
    wait_until(lambda: triggerer.task()[0] == "scheduled", START_SECONDS)
    # What has fired goes with its trigger: then nothing can let the task go on again.
    wait_until(lambda: triggerer.waiting() == 0, START_SECONDS)
    state, next_kwargs = triggerer.task()
    triggerer.kill()
    shown = triggerer.heartbeats()  # those that were killed at once have shown none
    triggerer.start()
    wait_until(lambda: triggerer.heartbeats() == shown + 1, START_SECONDS)
    assert triggerer.task() == (state, next_kwargs)
    (instance,) = instances(lark)
    event = {"instance_code": instance["code"], "status": "APPROVED", "reverted": False}
    for part in event.values():
        assert json.dumps(part) in next_kwargs
    assert approval(code).execute_complete(context, event)["status"] == "APPROVED"
    assert (instance["status"], instance["reverted"]) == ("APPROVED", False)
    assert outcomes == ["approved"]
