"""Benchmark of waiting for clicks: how soon a click is known by gateway, RabbitMQ, PostgreSQL and trigger."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator

from benchmarks.clicker import PACES
from benchmarks.clicks import gateway
from benchmarks.processes import Lab, Process, Series
from benchmarks.table import Goal, Row
from lark_provider.storage import migrate, urls
from tests.services import postgres, rabbitmq

_WAITS, _CLICKS = 10_000, 400


def waits(lab: Lab) -> Iterator[Row]:
    """Measure ten thousand triggers in one process, which also consumes the queue; some are answered."""
    with (
        rabbitmq.find(os.environ).server.vhost() as broker,
        postgres.find(os.environ).server.databases() as databases,
        gateway(lab, RABBITMQ_URL=broker) as (url, _),
    ):
        database = databases.make()
        migrate.upgrade(urls.parse(database, "the benchmark's database"))
        settings = {"AIRFLOW__LARK__DATABASE_URL": database, "AIRFLOW__LARK__RABBITMQ_URL": broker}
        with (
            Process(
                lab.env | settings, "waiter", database, broker, python=lab.environments.python("airflow")
            ) as waiter,
            Process(lab.env, "clicker", url) as people,
        ):
            cost = waiter.ask("wait", _WAITS)
            clicked = people.ask("aim", _CLICKS)
            fired = waiter.ask("fired", _CLICKS)
    took = sorted(fired[message] - moment for message, moment in clicked.items())
    what = f"{_WAITS:,} triggers wait in one process: queries a second"
    yield Row(what, _once(cost["queries"]), [Goal(11)])
    yield Row("… connections to RabbitMQ", _once(cost["amqp"]), [Goal(1)])
    yield Row("… connections to PostgreSQL", _once(cost["sql"]))
    yield Row("… memory a wait, KB", _once(cost["kb"]))
    yield Row(f"… click to event at {PACES['aim']} clicks a second, p50, s", _once(statistics.median(took)))
    yield Row("… p99, s", _once(took[len(took) * 99 // 100]), [Goal(2)])


def _once(value: float) -> Series:
    return Series({"ours": [value]})
