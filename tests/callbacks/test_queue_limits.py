"""Queues that nothing reads do not fill the broker, and what is accepted is never dropped for that."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import pytest
from pika.spec import BasicProperties
from sqlalchemy.engine import URL

from lark_provider.callbacks.broker import publisher as publishers
from lark_provider.callbacks.broker.amqp import read_broker
from lark_provider.callbacks.broker.confirms import Confirms
from lark_provider.callbacks.broker.dead_letters import find
from lark_provider.callbacks.broker.limits import QueueDepths, QueueFullError
from lark_provider.callbacks.broker.link import Delivered, open_channel
from lark_provider.callbacks.broker.publisher import Publisher
from lark_provider.callbacks.broker.topology import CARDS, DEAD, EVENTS, QueueLimits
from lark_provider.callbacks.http.endpoint import RECEIVED
from lark_provider.callbacks.http.sinks import Sink, store_first
from lark_provider.callbacks.http.stores import BrokerSink, InboxSink
from lark_provider.callbacks.http.writer import InboxWriter
from lark_provider.errors import BrokerError, ConfigurationError
from lark_provider.storage.inbox import Inbox
from tests.callbacks import mq
from tests.callbacks.commands import gateway, ready
from tests.callbacks.consuming import make_event
from tests.callbacks.logs import read_lines
from tests.callbacks.pumping import read_stored
from tests.callbacks.test_probes import render_url
from tests.failures.waiting import wait_until
from tests.protocol.callbacks import sender
from tests.services.processes import HOST, free_port
from tests.services.rabbitmq import RabbitServer, connect


@asynccontextmanager
async def publishing(url: str, **limits: int) -> AsyncIterator[Publisher]:
    publisher = Publisher(replace(mq.at(url), limits=QueueLimits(**limits)))
    task = asyncio.ensure_future(publisher.run())
    try:
        await mq.wait_until_async(lambda: publisher.is_up)
        await publisher.probe()  # it knows what is in the queues then
        yield publisher
    finally:
        task.cancel()
        await asyncio.wait({task})


async def is_accepted(publisher: Publisher, key: str, name: str) -> bool:
    content = mq.card(name) if key.startswith("card.") else make_event(name)
    try:
        await publisher.publish(key, name, orjson.dumps(content))
    except QueueFullError as error:
        assert not error.retryable  # noqa: PT017 - the other outcome is none
        return False
    return True


# --- the publishers' own limits ---


def test_more_than_the_limit_is_rejected_and_nothing_accepted_is_dropped(
    rabbitmq: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(publishers, "_REPORT_SECONDS", 0.05)

    async def work() -> None:
        async with publishing(rabbitmq, events=5, clicks=3) as publisher:
            events = [await is_accepted(publisher, "event.cli_1", f"e{n}") for n in range(8)]
            assert events == [True] * 5 + [False] * 3
            clicks = [await is_accepted(publisher, "card.cli_1", f"c{n}") for n in range(5)]
            assert clicks == [True] * 3 + [False] * 2
            with pytest.raises(
                QueueFullError, match=r"'lark.card_callbacks' is full: 3 messages, the limit is 3"
            ):
                await publisher.probe()  # so that readiness says so
            assert mq.list_ids(mq.drain(rabbitmq, CARDS)) == ["c0", "c1", "c2"]
            async with asyncio.timeout(mq.LIMIT):
                while not await is_accepted(publisher, "card.cli_1", "later"):  # noqa: ASYNC110 - nothing tells
                    await asyncio.sleep(0.01)
            await publisher.probe()

    mq.run(work())
    assert mq.list_ids(mq.drain(rabbitmq, EVENTS)) == [f"e{n}" for n in range(5)]
    assert mq.list_ids(mq.drain(rabbitmq, CARDS)) == ["later"]
    said = read_lines(caplog)
    assert "Queue full; rejecting deliveries queue=lark.events.inbox messages=5 limit=5 suppressed=0" in said
    assert said.count("queue=lark.card_callbacks") == 1  # once a minute


def test_what_waited_before_the_publisher_began_counts(rabbitmq: str) -> None:
    mq.declare(rabbitmq)
    mq.send(rabbitmq, "event.cli_1", *(make_event(f"e{n}") for n in range(5)))

    async def work() -> None:
        async with publishing(rabbitmq, events=6) as publisher:
            assert [await is_accepted(publisher, "event.cli_1", name) for name in ("e5", "e6")] == [
                True,
                False,
            ]

    mq.run(work())


def test_where_dead_letters_pile_up_events_are_rejected_and_clicks_are_not(rabbitmq: str) -> None:
    mq.declare(rabbitmq)
    with connect(rabbitmq) as connection:
        for _ in range(3):
            connection.channel().basic_publish("", DEAD.name, b"{}")

    async def work() -> None:
        async with publishing(rabbitmq, dead_letters=3) as publisher:
            assert not await is_accepted(publisher, "event.cli_1", "e1")
            assert await is_accepted(publisher, "card.cli_1", "c1")

    wait_until(lambda: len(mq.peek(rabbitmq, DEAD)) == 3)
    mq.run(work())


def test_none_is_no_limit(rabbitmq: str) -> None:
    async def work() -> None:
        async with publishing(rabbitmq, events=0, clicks=0, dead_letters=0) as publisher:
            assert all([await is_accepted(publisher, "event.cli_1", f"e{n}") for n in range(20)])

    mq.run(work())


def test_the_settings() -> None:
    url = "amqp://mq"
    assert read_broker(url, {}).limits == QueueLimits(clicks=1_000_000, events=100_000, dead_letters=100_000)
    environ = {"RABBITMQ_MAX_CLICKS": "7", "RABBITMQ_MAX_EVENTS": " 8 ", "RABBITMQ_MAX_DEAD_LETTERS": "0"}
    assert read_broker(url, environ).limits == QueueLimits(7, 8, 0)
    for wrong in ("-1", "many", "1.5", "9" * 13):
        with pytest.raises(
            ConfigurationError, match=r"RABBITMQ_MAX_EVENTS must be a number .*Next: set it to a number"
        ):
            read_broker(url, {"RABBITMQ_MAX_EVENTS": wrong})


def click(url: str, event_id: str) -> bytes:
    content = sender.card(now=time.time())
    content["header"]["event_id"] = event_id
    return post(url, content).content


def post(url: str, content: dict[str, Any]) -> httpx.Response:
    body = sender.seal_body(content)
    return httpx.post(url, content=body, headers=sender.make_headers(body, timestamp=str(int(time.time()))))


def test_a_gateway_stores_clicks_in_the_database_and_has_lark_repeat_events(
    tmp_path: Path, rabbitmq: str, database: URL
) -> None:
    limits = {"RABBITMQ_MAX_CLICKS": "2", "RABBITMQ_MAX_EVENTS": "1"}
    command = gateway(
        tmp_path / "log",
        port := free_port(),
        RABBITMQ_URL=rabbitmq,
        LARK_DATABASE_URL=render_url(database),
        **limits,
    )
    command.start()
    base = f"http://{HOST}:{port}"
    url = f"{base}/lark/callbacks/{sender.APP}"
    try:
        wait_until(lambda: ready(url))
        assert [click(url, f"c{n}") for n in range(4)] == [RECEIVED] * 4
        events = [
            post(url, sender.make_event()).status_code,
            post(url, sender.make_event() | other()).status_code,
        ]
        assert events == [200, 503]
        wait_until(
            lambda: (
                httpx.get(f"{base}/readyz", timeout=mq.LIMIT).json()
                == {"status": "ready", "sinks": {"rabbitmq": False, "database": True}}
            )
        )
    finally:
        command.end()
    assert mq.list_ids(mq.drain(rabbitmq, CARDS)) == ["c0", "c1"]
    assert read_stored(database) == ["c2", "c3"]
    assert len(mq.drain(rabbitmq, EVENTS)) == 1


def other() -> dict[str, Any]:
    return {"header": {**sender.make_event()["header"], "event_id": "another"}}


# --- beside other versions ---

VERSION_0_1 = [
    ("lark.events.dead", {}),
    *(
        (name, {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "lark.events.dead"})
        for name in ("lark.card_callbacks", "lark.events.inbox")
    ),
]


@pytest.mark.parametrize("older_first", [True, False])
def test_queues_are_declared_as_they_always_were(rabbitmq: str, older_first: bool) -> None:
    """A queue that one version declares with other arguments shuts the other version out."""

    def older() -> None:
        with connect(rabbitmq) as connection:
            for name, arguments in VERSION_0_1:
                queue_args = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000, **arguments}
                connection.channel().queue_declare(name, durable=True, arguments=queue_args)

    if older_first:
        older()
    mq.send(rabbitmq, "card.cli_1", mq.card("e1"))
    older()
    assert mq.list_ids(mq.drain(rabbitmq, CARDS)) == ["e1"]


def count_accepted(depths: QueueDepths) -> int:
    """Count messages until the queue of clicks is full."""
    accepted = 0
    with suppress(QueueFullError):
        while True:
            depths.take(CARDS)
            accepted += 1
    return accepted


def test_a_report_on_its_way_does_not_make_a_full_queue_look_emptier() -> None:
    depths = QueueDepths(QueueLimits(clicks=3), "here")
    for _ in range(2):
        depths.take(CARDS)
        depths.settle(CARDS)
    depths.take(CARDS)  # not confirmed when the report is requested
    depths.begin_report()
    depths.report({CARDS.name: 2})
    assert count_accepted(depths) == 0
    depths.settle(CARDS)
    depths.begin_report()
    depths.report({CARDS.name: 2})  # one was consumed
    assert count_accepted(depths) == 1
    depths.begin_report()
    depths.report({CARDS.name: 0})  # all were, but for the one that is not confirmed
    assert count_accepted(depths) == 2
    depths.begin_report()
    depths.report({CARDS.name: 9})  # another publisher filled it
    assert count_accepted(depths) == 0


# --- limits in bytes and in time, by a policy of the broker's ---


def policy(name: str) -> tuple[str, dict[str, Any]]:
    """Return the pattern and the definition of a policy, as docs/en/how-to/running.md has its command."""
    page = (Path(__file__).parents[2] / "docs" / "en" / "how-to" / "running.md").read_text()
    [line] = [line for line in page.splitlines() if line.startswith(f"rabbitmqctl set_policy {name} ")]
    pattern, definition = line.split("'")[1], line.split("'")[3]
    return pattern, orjson.loads(definition)


def set_policy(server: RabbitServer, url: str, name: str, **changes: object) -> None:
    pattern, definition = policy(name)
    assert changes.keys() <= definition.keys()
    server.vhosts.set_policy(urlsplit(url).path[1:], name, pattern, definition | changes)


def test_a_full_queue_rejects_and_drops_nothing(
    rabbitmq_server: RabbitServer, rabbitmq: str, database: URL
) -> None:
    mq.declare(rabbitmq)  # a policy holds for queues that are there already
    set_policy(rabbitmq_server, rabbitmq, "lark-clicks", **{"max-length-bytes": 20_000})

    async def work() -> tuple[list[str], list[str]]:
        publisher = Publisher(mq.at(rabbitmq))
        task = asyncio.ensure_future(publisher.run())
        await mq.wait_until_async(lambda: publisher.is_up)
        confirmed, refused = list[str](), list[str]()
        while len(refused) < 10:
            name = f"e{len(confirmed) + len(refused)}"
            try:
                await publisher.publish("card.cli_1", name, orjson.dumps(mq.card(name)))
            except BrokerError as error:
                assert "rejected the message. Next: see whether a policy limits its queue" in str(error)  # noqa: PT017 - may not come
                refused.append(name)
            else:
                confirmed.append(name)
            assert len(confirmed) < 1000
        sinks: list[Sink] = [BrokerSink(publisher), InboxSink(InboxWriter(Inbox(database)))]
        deadline = asyncio.get_running_loop().time() + mq.LIMIT
        assert await store_first(sinks, mq.click("last"), sink_timeout=0.8, deadline=deadline) == "database"
        task.cancel()
        await asyncio.wait({task})
        return confirmed, refused

    confirmed, refused = mq.run(work())
    assert read_stored(database) == ["last"]
    queued = mq.list_ids(mq.drain(rabbitmq, CARDS))
    assert queued[: len(confirmed)] == confirmed
    assert set(queued) <= {*confirmed, *refused, "last"}
    assert mq.drain(rabbitmq, DEAD) == []


def test_events_that_nothing_reads_expire_as_dead_letters(
    rabbitmq_server: RabbitServer, rabbitmq: str
) -> None:
    mq.declare(rabbitmq)
    set_policy(rabbitmq_server, rabbitmq, "lark-events", **{"message-ttl": 200})
    mq.send(rabbitmq, "event.cli_1", make_event("old"))
    wait_until(lambda: len(mq.peek(rabbitmq, DEAD)) == 1)
    [letter], total = find(mq.at(rabbitmq), 10)
    assert total == 1
    assert (letter.kind, letter.queue, letter.target) == ("event", EVENTS.name, EVENTS.name)
    assert letter.reason == "RabbitMQ dead-lettered it: expired."
    assert letter.at is not None
    assert abs(letter.at.timestamp() - time.time()) < 60


def test_dead_letters_expire_too(rabbitmq_server: RabbitServer, rabbitmq: str) -> None:
    """Those that come after the policy: RabbitMQ notes when a message expires as it takes it."""
    mq.declare(rabbitmq)
    set_policy(rabbitmq_server, rabbitmq, "lark-dead-letters", **{"message-ttl": 200})
    with connect(rabbitmq) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("", DEAD.name, b"{}", mandatory=True)  # raises unless it is in the queue
    wait_until(lambda: mq.peek(rabbitmq, DEAD) == [])


def test_dead_letters_that_no_operator_needs_expire(rabbitmq: str) -> None:
    async def work() -> None:
        async with open_channel(mq.at(rabbitmq)) as channel:
            confirms = Confirms(channel, rabbitmq)
            for name, expires in (("unwanted", 0.2), ("wanted", None)):
                message = Delivered(1, BasicProperties(message_id=name), b"{}", queue=EVENTS.name)
                await confirms.dead_letter(message, "no trigger matched", expires)

    mq.run(work())
    wait_until(lambda: [properties.message_id for properties, _ in mq.peek(rabbitmq, DEAD)] == ["wanted"])
