"""Every accepted click stands in `card_callbacks` exactly once, whatever happens between here and there."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import URL

from lark_provider.callbacks.broker.pump import Pump
from lark_provider.callbacks.broker.topology import CARDS
from lark_provider.errors import BrokerError
from lark_provider.protocol.callbacks import CardClick
from lark_provider.storage import urls
from lark_provider.storage.errors import StorageError
from lark_provider.storage.inbox import Inbox
from tests.callbacks import mq
from tests.callbacks.pumping import NAMES, Watched, cards, pumping, read_stored
from tests.failures.waiting import wait_until
from tests.services.processes import HOST, free_port
from tests.services.proxy import Proxy
from tests.services.rabbitmq import OwnRabbit


@pytest.fixture
def inbox(database: URL) -> Inbox:
    return Inbox(database)


# --- once ---


def test_once_takes_what_is_there_and_no_more_than_it_may(
    rabbitmq: str, inbox: Inbox, database: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine, a tenth of a second passes between two messages that are both in the queue.
    monkeypatch.setattr("lark_provider.callbacks.broker.pump._IDLE_SECONDS", 3.0)
    pump = Pump(mq.at(rabbitmq), inbox)
    assert pump.run_once(seconds=60) == 0
    mq.send(rabbitmq, "card.cli_1", *cards(1201))
    assert pump.run_once(limit=7, seconds=60) == 7
    assert read_stored(database) == NAMES[:7]
    assert pump.run_once(seconds=60) == 500
    assert len(read_stored(database)) == 507  # which of them is open: the broker may still be requeueing
    assert pump.run_once(limit=1000, seconds=60) == 694
    assert sorted(read_stored(database)) == NAMES[:1201]
    assert pump.run_once(seconds=60) == 0
    assert mq.drain(rabbitmq, CARDS) == []


def test_once_takes_no_longer_than_it_may(rabbitmq: str, database: URL) -> None:
    mq.send(rabbitmq, "card.cli_1", *cards(3))
    release = threading.Event()
    pump = Pump(mq.at(rabbitmq), Watched(database, lambda _: release.wait()))
    assert pump.run_once(seconds=5) == 0  # A busy machine takes seconds until it begins to write.
    assert mq.list_ids(mq.drain(rabbitmq, CARDS)) == NAMES[:3]  # given back, all of them
    release.set()
    wait_until(lambda: read_stored(database) == NAMES[:3])  # and written later, which does no harm


def test_once_says_that_the_broker_is_unavailable_or_frozen(node: OwnRabbit, inbox: Inbox) -> None:
    with pytest.raises(BrokerError, match="ConnectionRefusedError"):
        Pump(mq.at(f"amqp://{HOST}:{free_port()}"), inbox).run_once(seconds=60)
    node.pause()
    with pytest.raises(BrokerError, match=r"did not answer within 0.3 s"):
        Pump(mq.at(node.url), inbox).run_once(seconds=0.3)
    node.resume()
    assert Pump(mq.at(node.url), inbox).run_once(seconds=60) == 0


class Distant(Proxy):
    """A proxy before a server that is far away."""

    _ONE_WAY_SECONDS = 0.06

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                loop.call_later(self._ONE_WAY_SECONDS, writer.write, data)
        loop.call_later(self._ONE_WAY_SECONDS, writer.transport.abort)


def test_once_waits_for_the_first_message_from_a_broker_that_is_far_away(
    rabbitmq: str, inbox: Inbox, database: URL
) -> None:
    mq.send(rabbitmq, "card.cli_1", *cards(1))
    broker = mq.at(rabbitmq)
    with Distant(broker.parameters.port) as proxy:
        broker.parameters.port = proxy.port
        assert Pump(broker, inbox).run_once(seconds=mq.LIMIT) == 1
    assert read_stored(database) == NAMES[:1]


def test_once_says_that_the_database_is_not_fit(rabbitmq: str, database_url: str) -> None:
    mq.send(rabbitmq, "card.cli_1", *cards(3))
    with pytest.raises(StorageError, match="behind on migrations"):
        Pump(mq.at(rabbitmq), Inbox(urls.parse(database_url, "test"))).run_once(seconds=60)
    assert mq.list_ids(mq.drain(rabbitmq, CARDS)) == NAMES[:3]


def test_once_where_a_loop_runs_already(rabbitmq: str, inbox: Inbox, database: URL) -> None:
    mq.send(rabbitmq, "card.cli_1", *cards(1))

    async def work() -> int:
        return Pump(mq.at(rabbitmq), inbox).run_once(seconds=60)

    assert mq.run(work()) == 1
    assert read_stored(database) == NAMES[:1]


def test_sqlite_as_well(rabbitmq: str, tmp_path: Path) -> None:
    url = urls.parse(f"sqlite:///{tmp_path}/lark.db", "test")
    mq.send(rabbitmq, "card.cli_1", *cards(500))
    assert Pump(mq.at(rabbitmq), Inbox(url)).run_once(seconds=60) == 500
    assert read_stored(url) == NAMES[:500]


# --- run ---


def test_clicks_go_through_as_they_come_and_twice_is_once(rabbitmq: str, inbox: Inbox, database: URL) -> None:
    mq.send(rabbitmq, "card.cli_1", *cards(1000))
    with pumping(rabbitmq, inbox):
        wait_until(lambda: len(read_stored(database)) == 1000)
        mq.send(rabbitmq, "card.cli_2", *cards(1001))
        wait_until(lambda: len(read_stored(database)) == 1001)
    # The pump may have ended between a commit and its acknowledgement: that batch comes again, and is known.
    while Pump(mq.at(rabbitmq), inbox).run_once(seconds=60):
        pass
    assert read_stored(database) == NAMES[:1001]
    assert mq.drain(rabbitmq, CARDS) == []


def test_a_pump_that_waits_ends_when_told_to(rabbitmq: str, inbox: Inbox) -> None:
    with pumping(rabbitmq, inbox):
        pass
    with pumping(f"amqp://{HOST}:{free_port()}", inbox):
        pass


def test_a_frozen_name_server_does_not_hold_a_pump_that_is_to_end(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookup_began, answers = threading.Event(), threading.Event()

    def block(*_: object) -> list[Any]:
        lookup_began.set()
        answers.wait()
        return []

    monkeypatch.setattr("socket.getaddrinfo", block)
    try:
        with pumping("amqp://broker.example", inbox):
            assert lookup_began.wait(mq.LIMIT)
    finally:
        answers.set()


def test_several_pumps_at_once(rabbitmq: str, database: URL) -> None:
    mq.send(rabbitmq, "card.cli_1", *cards(2000), *cards(1000))
    with contextlib.ExitStack() as started:
        for _ in range(4):
            started.enter_context(pumping(rabbitmq, Inbox(database)))
        wait_until(lambda: len(read_stored(database)) == 2000)
    assert sorted(read_stored(database)) == NAMES[:2000]


def test_the_same_clicks_from_two_sides_do_not_wait_for_each_other_in_a_circle(database: URL) -> None:
    inbox, both_ready = Inbox(database), threading.Barrier(2)

    def store(batch: list[CardClick]) -> int:
        both_ready.wait()
        return inbox.store(batch)

    with ThreadPoolExecutor(2) as pool:
        for n in range(20):
            clicks = [mq.click(f"{n}-{name}") for name in NAMES[:500]]
            assert sum(pool.map(store, [clicks, clicks[::-1]])) == 500
