"""All that runs at a site, each a process: gateway, pump, triggerer, worker, and what is behind them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.callbacks.broker.topology import CARDS, DEAD
from lark_provider.protocol.waits import Wait
from lark_provider.storage.engine import get_engine
from lark_provider.storage.inbox import Inbox
from lark_provider.storage.tables import card_callbacks
from tests.airflow.conftest import AirflowHome
from tests.airflow.triggerer import Triggerer
from tests.callbacks import mq
from tests.callbacks.commands import Command, gateway, ready
from tests.callbacks.failures import handler
from tests.callbacks.failures.wire import Wire
from tests.callbacks.failures.worker import Worker
from tests.failures.waiting import wait_until
from tests.protocol.callbacks import sender
from tests.services.postgres import OwnPostgres
from tests.services.processes import HOST, free_port
from tests.services.rabbitmq import OwnRabbit

PUMP = "the-pump"
_BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE application_name = :who AND wait_event_type = 'Lock'"


class Site:
    """A gateway, a pump, a worker in which sensors wait, and a triggerer in which waits wait.

    Args:
        node: The broker.
        server: The database's server.
        database: The database, with our tables.
        airflow: An Airflow to be copied.
        waits: Wait in the triggerer, in this order.
        folder: For logs and the like.
    """

    def __init__(
        self,
        node: OwnRabbit,
        server: OwnPostgres,
        database: URL,
        airflow: AirflowHome,
        waits: Sequence[Wait],
        folder: Path,
    ) -> None:
        self.node, self.server, self.database = node, server, database
        self.waits = [wait.key for wait in waits]
        self.text = database.set(drivername="postgresql").render_as_string(hide_password=False)
        self.to_pump, self.to_airflow = Wire(node.port), Wire(node.port)
        port = free_port()
        self.callbacks = f"http://{HOST}:{port}/lark/callbacks/{sender.APP}"
        words = ("--handler", f"{handler.__name__}.{handler.on_click.__name__}")
        self.gateway = gateway(
            folder / "serve.log", port, *words, RABBITMQ_URL=node.url, LARK_DATABASE_URL=self.text
        )
        self.gateway_alone = gateway(folder / "alone.log", port, RABBITMQ_URL=node.url)
        settings = {
            "RABBITMQ_URL": self.to_pump.url,
            "LARK_DATABASE_URL": f"{self.text}?application_name={PUMP}",
        }
        self.pump = Command(folder / "pump.log", "pump", settings=settings)
        settings = {
            "AIRFLOW__LARK__DATABASE_URL": self.text,
            "AIRFLOW__LARK__RABBITMQ_URL": self.to_airflow.url,
            "PYTHONPATH": str(Path(__file__).parents[3]),
        }
        self.triggerer = Triggerer(airflow, folder / "airflow", settings)
        self.triggerer.defer(waits, Inbox(database).read_database_id())
        self.worker = Worker(self.triggerer.airflow.env, folder / "worker.log")

    def start(self) -> None:
        """Start everything."""
        self.triggerer.start()
        self.pump.start()
        self.open(self.gateway)

    def open(self, command: Command) -> None:
        """Start a gateway, and wait until it has found what is behind it."""
        command.start()
        wait_until(lambda: ready(self.callbacks))

    def close(self) -> None:
        """End everything; what is still in the queue was stored before."""
        self.triggerer.kill()
        self.worker.close()
        for command in (self.gateway, self.gateway_alone, self.pump):
            if command.process is not None:
                command.end()
        for wire in (self.to_pump, self.to_airflow):
            wire.close()
        assert set(mq.list_ids(mq.drain(self.node.url, CARDS))) <= set(self.read_stored())
        assert mq.drain(self.node.url, DEAD) == []

    def read_stored(self) -> list[str]:
        """Return the event ids of the clicks in the table."""
        with get_engine(self.database).connect() as connection:
            return list(connection.scalars(sa.select(card_callbacks.c.event_id)))

    def count_delivered(self) -> dict[str, int]:
        """Return how often each click was delivered to a consumer, by event id."""
        return dict(self.to_pump.delivered.copy() + self.to_airflow.delivered.copy())  # they grow meanwhile

    def lock(self) -> sa.Connection:
        """Let nobody store a click until this is closed, which then commits nothing."""
        connection = get_engine(self.database).connect()
        connection.execute(sa.text("LOCK TABLE card_callbacks IN SHARE MODE"))
        return connection

    def pump_is_blocked(self) -> bool:
        """Return whether the pump has clicks in flight that it cannot store because of the lock."""
        with get_engine(self.database).connect() as connection:
            return bool(connection.scalar(sa.text(_BLOCKED), {"who": PUMP}))

    def has_fired(self, key: str) -> bool:
        """Return whether a wait's trigger has fired, so that Airflow resumes its task."""
        state, next_kwargs = self.triggerer.task(self.waits.index(key))
        return state == "scheduled" and "answered" in str(next_kwargs)
