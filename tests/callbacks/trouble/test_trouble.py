"""No accepted click is lost, and none counts twice, whatever is broken meanwhile.

What became of the clicks is printed at the end of the run.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.callbacks import mq
from tests.callbacks.trouble.crowd import Trial
from tests.services.postgres import OwnPostgres
from tests.services.rabbitmq import OwnRabbit


def stop_and_start(node: OwnRabbit) -> None:
    node.stop()
    node.start()


def kill_and_start(node: OwnRabbit) -> None:
    node.kill()
    node.start()


@pytest.mark.parametrize(
    ("what", "broken"),
    [("RabbitMQ stopped and started", stop_and_start), ("RabbitMQ killed", kill_and_start)],
)
def test_the_broker_goes_and_comes_back(trial: Trial, what: str, broken: Callable[[OwnRabbit], None]) -> None:
    async def work() -> None:
        async with trial.pumping(), trial.throwing(fallback=True):
            await asyncio.to_thread(broken, trial.node)

    mq.run(work())
    trial.account(what)
    assert Counter(trial.accepted.values()).keys() == {"rabbitmq", "database"}


def test_the_broker_is_killed_and_there_is_no_database_behind_the_gateway(trial: Trial) -> None:
    async def work() -> None:
        async with trial.pumping(), trial.throwing(fallback=False):
            await asyncio.to_thread(kill_and_start, trial.node)

    mq.run(work())
    trial.account("RabbitMQ killed, no database behind the gateway")
    assert trial.refused
    assert Counter(trial.accepted.values()).keys() == {"rabbitmq"}


def test_the_broker_freezes_and_thaws(trial: Trial) -> None:
    async def work() -> None:
        async with trial.pumping(), trial.throwing(fallback=True):
            trial.node.pause()
            await trial.some(300)
            trial.node.resume()

    mq.run(work())
    trial.account("RabbitMQ frozen and thawed")
    assert Counter(trial.accepted.values()).keys() == {"rabbitmq", "database"}


def test_the_database_goes_and_comes_back(trial: Trial, server: OwnPostgres) -> None:
    async def work() -> None:
        async with trial.pumping(), trial.throwing(fallback=True):
            await asyncio.to_thread(server.stop, "immediate")
            await trial.some(500)
            await asyncio.to_thread(server.start)

    mq.run(work())
    trial.account("PostgreSQL stopped and started")


PUMP = """
import os, signal, sys, threading
from lark_provider.callbacks.amqp import broker
from lark_provider.callbacks.pump import Pump
from lark_provider.core.storage import urls
from lark_provider.core.storage.inbox import Inbox

class Deadly(Inbox):
    batches = 0

    def store(self, clicks):
        self.batches += 1
        with open(sys.argv[4], "a") as account:
            account.write("".join(click.event_id + "\\n" for click in clicks))
        if self.batches > 2 and sys.argv[3] == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        kept = super().store(clicks)
        if self.batches > 2 and sys.argv[3] == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return kept

Pump(broker(sys.argv[1], {}), Deadly(urls.parse(sys.argv[2], "test"))).run(threading.Event())
"""


def test_pumps_are_killed(trial: Trial, tmp_path: Path) -> None:
    account = tmp_path / "delivered"

    def pump(when: str) -> subprocess.Popen[bytes]:
        url = trial.database.render_as_string(hide_password=False)
        environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
        return subprocess.Popen([sys.executable, "-c", PUMP, trial.node.url, url, when, account], env=environ)  # noqa: S603 - our own interpreter

    async def work() -> None:
        async with trial.throwing(fallback=True):
            for when in ("before", "after"):
                # Two at once: what the one had in hand when it died goes to the other.
                both = pump(when), pump(when)
                for process in both:
                    assert await asyncio.to_thread(process.wait, mq.LIMIT) == -signal.SIGKILL

    mq.run(work())
    delivered = account.read_text().split()
    trial.account("pumps killed before the commit, and between commit and acknowledgement", delivered)
