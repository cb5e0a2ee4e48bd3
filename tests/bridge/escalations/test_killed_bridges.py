"""Bridges that are killed or meet an unavailable Lark repeat no step of an escalation."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta

import pytest
from sqlalchemy.engine import URL

from lark_provider.storage import migrate
from lark_provider.storage.bridge_tables import outbox
from lark_provider.storage.engine import hold_transaction
from tests.bridge.escalations.scene import STEPS, Scene
from tests.failures.waiting import wait_until


def test_two_bridges_take_a_step_once(scene: Scene) -> None:
    scene.fail()
    scene.pass_minutes(10)
    taken, _ = scene.steps.claim(scene.key, timedelta(seconds=90))
    assert taken is not None
    assert scene.steps.begin(taken, "alice") is not None
    assert scene.steps.begin(taken, "alice") is None


BRIDGE = """
import asyncio, sys
from lark_provider.bridge.escalating import Escalator
from lark_provider.bridge.incident_apps import IncidentApps
from lark_provider.bridge.lark import BridgeClients
from lark_provider.storage import urls
from lark_provider.storage import escalations

url = urls.parse(sys.argv[1], "test")
if sys.argv[3] == "before":
    begin = escalations.Escalations.begin
    def hang(*given):
        found = begin(*given)
        print("committed", flush=True)
        import time; time.sleep(600)
    escalations.Escalations.begin = hang

async def work():
    clients = BridgeClients(sys.argv[1])
    await Escalator(url, IncidentApps(url, clients, sys.argv[2]), clients).work()

asyncio.run(work())
"""


@pytest.mark.parametrize("at", ["before", "during"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_bridge_that_is_killed_at_a_step_repeats_none_and_the_next_is_on_time(
    scene: Scene, postgres: URL, at: str, number: int
) -> None:
    if scene.url != postgres:
        pytest.skip("a process that is killed tells the same on one database")
    scene.fail()
    for _ in range(number - 1):
        scene.pass_minutes(10)
        scene.work()
    scene.pass_minutes(10)
    if at == "during":
        scene.lark.fault(path="*/urgent_*", delay_ms=300_000)
    command = [sys.executable, "-c", BRIDGE, scene.text, scene.app.app_id, at]
    with subprocess.Popen(command, env=dict(os.environ)) as process:  # noqa: S603 - ours
        wait_until(lambda: scene.states[number - 1] == "started", seconds=120)
        if at == "during":
            wait_until(lambda: len(scene.urgents) >= number, seconds=120)
        process.send_signal(signal.SIGKILL)
    scene.work()
    assert scene.states[number - 1] == "started"  # Its process could still be alive.
    before = scene.urgents
    scene.pass_minutes(2)
    scene.work()
    assert scene.states[number - 1] == "unknown"
    assert scene.urgents == before
    assert "outcome unknown, and not repeated" in scene.card
    if number < 3:
        assert scene.states[number:] == ["due"] * (3 - number)
        scene.pass_minutes(8)
        scene.work()
        assert scene.states[number] == "done"
    kinds = [kind for kind, _ in scene.urgents]
    assert len(kinds) == len(set(kinds))


def test_a_lost_answer_is_shown_and_not_repeated(scene: Scene) -> None:
    scene.fail()
    scene.lark.fault(path="*/urgent_app", drop="after")
    scene.pass_minutes(10)
    scene.work()
    assert scene.states == ["unknown", "due", "due"]
    assert len(scene.urgents) == 1
    assert "outcome unknown" in scene.card
    scene.pass_minutes(10)
    scene.work()
    assert scene.states == ["unknown", "done", "due"]


@pytest.mark.parametrize("path", ["*/batch_get_id", "*/messages"])
def test_the_last_step_after_an_outage_of_all_bridges_is_tried_again_too(scene: Scene, path: str) -> None:
    """Its 15 minutes had passed before the first attempt: a card that was not sent yet was the end of it."""
    scene.lark.fault(path=path, status=500, body="{}", times=100)
    scene.fail(STEPS[:1])
    scene.pass_minutes(40)
    scene.work()
    assert scene.states == ["due"]
    scene.lark.clear_faults()
    with hold_transaction(migrate.prepare_engine(scene.url)) as connection:
        connection.execute(outbox.update().values(next_at=outbox.c.created_at))
    scene.deliver()
    scene.pass_minutes(1)
    scene.work()
    assert scene.states == ["done"]
    assert scene.urgents == [("app", ["alice"])]


def test_what_lark_has_not_performed_is_tried_again_until_the_next_step(scene: Scene) -> None:
    scene.fail()
    scene.lark.fault(path="*/batch_get_id", status=500, body="{}", times=100)
    scene.pass_minutes(10)
    scene.work()
    assert scene.states[0] == "due"
    scene.pass_minutes(1)
    scene.work()
    assert scene.states[0] == "due"
    scene.lark.clear_faults()
    scene.pass_minutes(1)
    scene.work()
    assert scene.states == ["done", "due", "due"]
    assert scene.urgents == [("app", ["alice"])]
