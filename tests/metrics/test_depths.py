"""What the pump collects: queues and open questions, from servers that may be frozen."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.engine import URL

from lark_provider import metrics
from lark_provider.callbacks.broker.amqp import Broker
from lark_provider.callbacks.broker.depths import Depths
from lark_provider.callbacks.broker.topology import CARDS, DEAD, EVENTS, make_card_key, make_event_key
from lark_provider.metrics.exporter import GaugeReading
from lark_provider.protocol.questions import Draft, Origin, Question
from lark_provider.storage.inbox import Inbox
from lark_provider.storage.waits import Waits
from tests.callbacks import mq
from tests.callbacks.conftest import (  # noqa: F401 - fixtures
    _closed_engines,
    database,
    node,
    one_node,
)
from tests.callbacks.pumping import pumping, read_stored
from tests.failures.waiting import wait_until
from tests.metrics.conftest import Counted
from tests.protocol.callbacks import sender
from tests.services.rabbitmq import OwnRabbit


def ask(url: URL, name: str, deadline: datetime | None = None, kind: str = "approval") -> str:
    question = Question(options={"approve": "Yes"})
    draft = Draft(Origin("d", "r", name, -1, kind, 1, 1), question, sender.APP, deadline=deadline)
    if kind == "sensor":
        draft = replace(draft, message_ids=("om_1",))
    return Waits(url).claim(draft).question.id


def test_depths_are_those_of_the_queues_and_of_the_table(
    database: URL,  # noqa: F811 - the fixture
    rabbitmq: str,
    counted: Counted,
) -> None:
    mq.declare(rabbitmq)
    mq.send(rabbitmq, make_card_key(sender.APP), *(mq.card(f"e{n}") for n in range(5)))
    mq.send(rabbitmq, make_event_key(sender.APP), sender.make_event(), sender.make_event())
    now = datetime.now(UTC)
    ask(database, "open")
    ask(database, "soon", now + timedelta(hours=1))
    ask(database, "just over", now - timedelta(minutes=1))
    ask(database, "overdue", now - timedelta(minutes=10))
    # A sensor that nobody answered has no card that should have been closed.
    ask(database, '"kind":"approval"', now - timedelta(minutes=10), "sensor")
    Waits(database).close(ask(database, "closed"), "withdrawn")
    metrics.collect(Depths(mq.at(rabbitmq), Waits(database), seconds=0))

    def depth(queue: str) -> float:
        metrics.render()
        return counted("lark_queue_messages", queue=queue)

    wait_until(lambda: [depth(queue.name) for queue in (CARDS, EVENTS, DEAD)] == [5, 2, 0])
    assert counted("lark_waits_open") == 5
    assert counted("lark_waits_overdue") == 1
    assert counted("lark_collected", source="rabbitmq") == counted("lark_collected", source="database") == 1
    assert counted("lark_queue_consumers", queue=CARDS.name) == 0
    with pumping(rabbitmq, Inbox(database)):
        wait_until(lambda: len(read_stored(database)) == 5)
        wait_until(lambda: depth(CARDS.name) == 0 and counted("lark_queue_consumers", queue=CARDS.name) == 1)


def test_a_frozen_broker_delays_a_scrape_by_the_timeout_and_the_pump_not_at_all(
    database: URL,  # noqa: F811 - the fixture
    node: OwnRabbit,  # noqa: F811 - the fixture
    counted: Counted,
) -> None:
    metrics.collect(Depths(mq.at(node.url), Waits(database), seconds=0, timeout=1.0))
    ask(database, "open")
    metrics.render()
    assert counted("lark_collected", source="rabbitmq") == 1
    node.pause()
    try:
        for _ in range(3):
            began = time.monotonic()
            metrics.render()
            assert (
                time.monotonic() - began < 10
            )  # Of a machine that is busy; without the timeout, 15 s and more.
            assert counted("lark_collected", source="rabbitmq") == 0
            assert counted.series("lark_queue_messages") == []
            assert counted("lark_waits_open") == 1
    finally:
        node.resume()

    def has_recovered() -> bool:
        metrics.render()
        return counted("lark_collected", source="rabbitmq") == 1

    wait_until(has_recovered, 60)


def test_a_scrape_every_moment_asks_the_servers_once_in_a_while(
    database: URL,  # noqa: F811 - the fixture
    rabbitmq: str,
    counted: Counted,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from lark_provider.callbacks.broker import depths

    mq.declare(rabbitmq)
    calls, read = list[Broker](), depths._measure_queues

    def counting(broker: Broker) -> list[GaugeReading]:
        calls.append(broker)
        return read(broker)

    monkeypatch.setattr(depths, "_measure_queues", counting)
    now = [0.0]
    metrics.collect(Depths(mq.at(rabbitmq), Waits(database), seconds=5.0, clock=lambda: now[0]))
    for _ in range(20):
        metrics.render()
    assert len(calls) == 1
    now[0] = 5.0
    metrics.render()
    assert len(calls) == 2
