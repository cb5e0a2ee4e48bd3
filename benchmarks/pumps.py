"""What a pump carries: clicks that wait in RabbitMQ, until they are committed in PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator

import sqlalchemy as sa

from benchmarks.processes import Lab, Series
from benchmarks.table import Row
from lark_provider.storage import migrate, urls
from lark_provider.storage.engine import get_engine
from lark_provider.storage.tables import card_callbacks
from tests.callbacks import mq
from tests.protocol.callbacks import sender
from tests.services import postgres, rabbitmq

_CLICKS, _AT_ONCE, _ROUNDS = 20_000, 2_000, 3
_LIMIT_SECONDS = 120
_LOOK_SECONDS = 0.02


def pumps(lab: Lab) -> Iterator[Row]:
    """Measure how fast one `lark-provider callbacks pump` stores clicks that are already in the queue."""
    a_second = Series()
    with postgres.find(os.environ).server.databases() as databases:
        for measured in range(-1, _ROUNDS):
            database = databases.make()
            migrate.upgrade(urls.parse(database, "the benchmark's database"))
            with rabbitmq.find(os.environ).server.vhost() as broker:
                seconds = _time_pump(lab, broker, database)
            if measured >= 0:
                a_second.add("ours", _CLICKS / seconds)
    yield Row("clicks a second, RabbitMQ → pump → PostgreSQL", a_second)


def _time_pump(lab: Lab, broker: str, database: str) -> float:
    """Return the seconds from the start of consuming to the last commit."""
    for start in range(0, _CLICKS, _AT_ONCE):
        mq.send(broker, f"card.{sender.APP}", *(mq.card(f"e{start + n}") for n in range(_AT_ONCE)))
    env = lab.env | {"RABBITMQ_URL": broker, "LARK_DATABASE_URL": database}
    command = [str(lab.environments.python("gateway")), "-m", "lark_provider.cli", "callbacks", "pump"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as pump:  # noqa: S603 - ours
        try:
            assert pump.stdout is not None  # noqa: S101 - asked for above
            pump.stdout.readline()
            started = time.monotonic()
            _wait_until_stored(database)
            return time.monotonic() - started
        finally:
            pump.terminate()
            pump.wait()


def _wait_until_stored(database: str) -> None:
    end = time.monotonic() + _LIMIT_SECONDS
    count = sa.select(sa.func.count()).select_from(card_callbacks)
    connecting = get_engine(urls.parse(database, "the benchmark's database"))
    while time.monotonic() < end:
        with connecting.connect() as connection:
            if connection.execute(count).scalar_one() == _CLICKS:
                return
        time.sleep(_LOOK_SECONDS)
    raise RuntimeError("The pump has not stored all clicks.")
