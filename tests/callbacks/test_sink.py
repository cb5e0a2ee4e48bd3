"""What the gateway hands on is in RabbitMQ or in the database, or it says that it is not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.callbacks.broker.publisher import Publisher
from lark_provider.callbacks.broker.pump import Pump
from lark_provider.callbacks.broker.topology import CARDS, EVENTS
from lark_provider.callbacks.http import writer
from lark_provider.callbacks.http.sinks import NotStoredError, Sink, store_first
from lark_provider.callbacks.http.stores import BrokerSink, InboxSink, configured_sinks
from lark_provider.callbacks.http.writer import InboxWriter
from lark_provider.errors import ConfigurationError, TransportError
from lark_provider.protocol.callbacks import Delivery, Event, read
from lark_provider.protocol.tokens import App
from lark_provider.storage import engine as engines
from lark_provider.storage import urls
from lark_provider.storage.errors import StorageError
from lark_provider.storage.inbox import Inbox
from lark_provider.storage.tables import card_callbacks
from lark_provider.storage.token_store import TokenStore
from tests.callbacks import mq
from tests.failures.waiting import wait_until
from tests.protocol.callbacks import sender
from tests.services.postgres import OwnPostgres
from tests.services.rabbitmq import OwnRabbit


def read_stored(url: URL) -> list[str]:
    with engines.get_engine(url).connect() as connection:
        return list(connection.scalars(sa.select(card_callbacks.c.event_id).order_by(card_callbacks.c.id)))


def make_event(**content: Any) -> Event:
    raw = sender.make_event_1(**content)
    del raw["token"]
    delivery = read(raw)
    assert isinstance(delivery, Event)
    return delivery


async def keep(sinks: list[Sink], delivery: Delivery, seconds: float = 2.5) -> str:
    """Store a delivery as the gateway does, and return the name of the sink that stored it."""
    deadline = asyncio.get_running_loop().time() + seconds
    return await store_first(sinks, delivery, sink_timeout=0.8, deadline=deadline)


@asynccontextmanager
async def connect_sink(url: str) -> AsyncIterator[BrokerSink]:
    publisher = Publisher(mq.at(url))
    running = asyncio.ensure_future(publisher.run())
    await mq.wait_until_async(lambda: publisher.is_up)
    try:
        yield BrokerSink(publisher)
    finally:
        running.cancel()
        await asyncio.wait({running})


class Counting(Inbox):
    """An inbox that says how it was asked, and may do something first."""

    def __init__(self, url: URL, before: Callable[[], object] = bool) -> None:
        super().__init__(url)
        self.batches: list[int] = []
        self._before = before

    def store(self, deliveries: Iterable[Delivery]) -> int:
        batch = list(deliveries)
        self.batches.append(len(batch))
        self._before()
        return super().store(batch)


# --- RabbitMQ ---


def test_clicks_and_events_go_to_their_queues_as_lark_sent_them(rabbitmq: str) -> None:
    click, sent_event = mq.click("c1", value={"text": "你好 \0"}), make_event()

    async def work() -> None:
        async with connect_sink(rabbitmq) as sink:
            assert sink.is_up
            assert await keep([sink], click) == "rabbitmq"
            assert await keep([sink], sent_event) == "rabbitmq"

    mq.run(work())
    assert [read(content) for _, content in mq.drain(rabbitmq, CARDS)] == [click]
    assert [read(content) for _, content in mq.drain(rabbitmq, EVENTS)] == [sent_event]


def test_a_broker_that_is_unavailable_costs_no_time(database: URL) -> None:
    inbox = InboxSink(InboxWriter(Inbox(database)))
    down = BrokerSink(Publisher(mq.at("amqp://127.0.0.1:1")))

    async def work() -> None:
        assert not down.is_up
        assert await keep([down, inbox], mq.click("c1")) == "database"

    mq.run(work())
    assert read_stored(database) == ["c1"]


def test_what_a_frozen_broker_does_not_confirm_is_written_and_comes_once(
    node: OwnRabbit, database: URL
) -> None:
    url = node.url
    names = [f"c{n:03}" for n in range(200)]

    async def work() -> None:
        async with connect_sink(url) as broker:
            sinks: list[Sink] = [broker, InboxSink(InboxWriter(Inbox(database)))]
            assert await keep(sinks, mq.click("before")) == "rabbitmq"
            node.pause()
            places = await asyncio.gather(*(keep(sinks, mq.click(name)) for name in names[:100]))
            assert set(places) == {"database"}
            assert not broker.is_up  # so that the next ones do not wait for it
            places = await asyncio.gather(*(keep(sinks, mq.click(name)) for name in names[100:]))
            assert set(places) == {"database"}
            node.resume()
            await mq.wait_until_async(lambda: broker.is_up)
            assert await keep(sinks, mq.click("after")) == "rabbitmq"

    mq.run(work())
    assert sorted(read_stored(database)) == names
    pump = Pump(mq.at(url), Inbox(database))
    assert sum(iter(pump.run_once, 0)) == 102  # the frozen broker had got the first hundred all the same
    assert sorted(read_stored(database)) == sorted([*names, "before", "after"])


def test_neither_is_there(rabbitmq: str) -> None:
    async def work() -> None:
        sinks: list[Sink] = [
            BrokerSink(Publisher(mq.at("amqp://127.0.0.1:1"))),
            InboxSink(InboxWriter(Inbox(urls.parse("postgresql://127.0.0.1:1/none", "test")))),
        ]
        with pytest.raises(
            NotStoredError, match=r"rabbitmq: .*Not connected to.*database: .*Connection refused"
        ):
            await keep(sinks, mq.click("c1"))
        assert [sink.is_up for sink in sinks] == [False, False]

    mq.run(work())


# --- the database ---


def test_many_clicks_are_written_in_few_transactions(database: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_STORE_SECONDS", 60.0)  # thousands at once, on a busy machine
    inbox = Counting(database)

    async def work() -> None:
        sink = InboxSink(InboxWriter(inbox))
        clicks = [mq.click(f"c{n % 1500}") for n in range(2000)]
        assert set(await asyncio.gather(*(keep([sink], click, 60.0) for click in clicks))) == {"database"}
        assert sink.is_up

    mq.run(work())
    assert len(read_stored(database)) == 1500
    assert sum(inbox.batches) == 2000
    assert len(inbox.batches) <= 5


def test_sqlite_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_STORE_SECONDS", 60.0)
    url = urls.parse(f"sqlite:///{tmp_path}/lark.db", "test")

    async def work() -> None:
        sink = InboxSink(InboxWriter(Inbox(url)))
        await asyncio.gather(*(keep([sink], mq.click(f"c{n}"), 60.0) for n in range(300)))

    mq.run(work())
    assert len(read_stored(url)) == 300


def test_what_cannot_be_stored_fails_alone(database: URL) -> None:
    async def work() -> None:
        sink = InboxSink(InboxWriter(Inbox(database)))
        clicks = [replace(mq.click("x"), event_id=name) for name in ("a", "b\0", "c", "d" * 300, "e")]
        results = await asyncio.gather(*(sink.store(click) for click in clicks), return_exceptions=True)
        assert [type(result) for result in results] == [type(None), StorageError] * 2 + [type(None)]
        assert sink.is_up

    mq.run(work())
    assert read_stored(database) == ["a", "c", "e"]


def test_a_database_that_comes_back_is_tried_again(
    server: OwnPostgres, own_database: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_UNAVAILABLE_SECONDS", 0.3)
    url = own_database

    async def work() -> None:
        sink = InboxSink(InboxWriter(Inbox(url)))
        await sink.store(mq.click("a"))
        await asyncio.to_thread(server.stop)
        with pytest.raises(StorageError):
            await sink.store(mq.click("b"))
        assert not sink.is_up
        await asyncio.to_thread(server.start)
        await mq.wait_until_async(lambda: sink.is_up)
        await sink.store(mq.click("b"))

    mq.run(work())
    assert read_stored(url) == ["a", "b"]


def test_a_frozen_database_holds_a_thread_and_not_the_next_click(
    database: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_STORE_SECONDS", 0.2)
    release, first = threading.Event(), iter([True])
    inbox = Counting(database, lambda: release.wait() if next(first, False) else None)

    async def work() -> None:
        sink = InboxSink(InboxWriter(inbox))
        frozen = asyncio.ensure_future(sink.store(mq.click("a")))
        await mq.wait_until_async(lambda: inbox.batches)
        given_up = asyncio.ensure_future(sink.store(mq.click("x")))
        later = asyncio.ensure_future(sink.store(mq.click("b")))
        await asyncio.sleep(0)
        given_up.cancel()
        with pytest.raises(TransportError, match=r"The database did not answer within 0\.2 s"):
            await frozen
        await later
        assert sink.is_up

    mq.run(work())
    assert read_stored(database) == ["b"]  # nobody waits any more for what was given up
    release.set()
    wait_until(lambda: read_stored(database) == ["b", "a"])


# --- events ---


def test_events_without_a_broker_are_refused(database: URL) -> None:
    async def work() -> None:
        with pytest.raises(
            NotStoredError,
            match=r"Events need RabbitMQ, and only a database is configured\. Next: set RABBITMQ_URL",
        ):
            await keep([InboxSink(InboxWriter(Inbox(database)))], make_event())

    mq.run(work())


@pytest.mark.parametrize("to", ["broker", "database"])
def test_a_ticket_goes_to_the_clients_and_to_no_queue(
    rabbitmq: str, database_url: str, database: URL, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    monkeypatch.setenv("LARK_APP_ID", sender.APP)
    monkeypatch.setenv("LARK_APP_SECRET", "secret")
    monkeypatch.setenv("LARK_BASE_URL", "https://lark.example.com")
    pushed = make_event(type="app_ticket", app_ticket="ticket-1")
    none = make_event(type="app_ticket")

    async def work() -> None:
        async with connect_sink(rabbitmq) as sink:
            broker = BrokerSink(sink._publisher, database_url)
            inbox = InboxSink(InboxWriter(Inbox(database)), database_url)
            place: Sink = broker if to == "broker" else inbox
            await keep([place], pushed)
            with pytest.raises(NotStoredError, match="app_ticket must be a non-empty string"):
                await keep([place], none)

    mq.run(work())
    app = App("https://lark.example.com", sender.APP, "secret")
    token = TokenStore(database, sender.APP, "secret").get(app.make_cache_key("ticket"), now=0)
    assert token is not None
    assert token.value == "ticket-1"
    assert mq.drain(rabbitmq, EVENTS) == []


# --- settings ---


def list_names(sinks: list[Sink]) -> list[str]:
    return [sink.name for sink in sinks]


def test_what_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert configured_sinks() == ([], [])
    monkeypatch.setenv("RABBITMQ_HOST", "mq")
    sinks, background = configured_sinks()
    assert list_names(sinks) == ["rabbitmq"]
    assert len(background) == 1
    monkeypatch.setenv("LARK_DATABASE_URL", "postgresql://db/lark")
    assert list_names(configured_sinks()[0]) == ["rabbitmq", "database"]
    monkeypatch.delenv("RABBITMQ_HOST")
    assert list_names(configured_sinks()[0]) == ["database"]
    assert list_names(configured_sinks("amqp://mq", "sqlite:///lark.db")[0]) == ["rabbitmq", "database"]
    with pytest.raises(ConfigurationError, match="the broker's URL must be an AMQP URL"):
        configured_sinks("http://mq")


def test_what_runs_in_the_background_connects(rabbitmq: str) -> None:
    async def work() -> None:
        sinks, background = configured_sinks(rabbitmq)
        running = [asyncio.ensure_future(run()) for run in background]
        await mq.wait_until_async(lambda: sinks[0].is_up)
        for task in running:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    mq.run(work())
