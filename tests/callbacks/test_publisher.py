"""What is confirmed stands in a queue, whatever happens to the broker; and nothing holds the loop up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from pika.heartbeat import HeartbeatChecker

from lark_provider.callbacks.broker import confirms
from lark_provider.callbacks.broker.amqp import Broker, make_persistent_properties
from lark_provider.callbacks.broker.link import Delivered, open_channel
from lark_provider.callbacks.broker.publisher import Publisher
from lark_provider.callbacks.broker.topology import CARDS, DEAD, EXCHANGE
from lark_provider.errors import BrokerError
from tests.callbacks import mq
from tests.services.plugin import StartServer
from tests.services.rabbitmq import OwnRabbit, connect


@asynccontextmanager
async def running(where: Broker) -> AsyncIterator[Publisher]:
    publisher = Publisher(where)
    task = asyncio.ensure_future(publisher.run())
    try:
        await mq.wait_until_async(lambda: publisher.is_up)
        yield publisher
    finally:
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        assert not publisher.is_up


def make_body(event_id: str) -> bytes:
    return orjson.dumps(mq.card(event_id))


async def outcome(publisher: Publisher, event_id: str, key: str = "card.cli_1") -> bool:
    try:
        await publisher.publish(key, event_id, make_body(event_id))
    except BrokerError:
        return False
    return True


async def ticks(count: int) -> None:
    """Sleep for 1 ms so many times, which completes only if nothing blocks the event loop."""
    for _ in range(count):
        await asyncio.sleep(0.001)


def test_what_is_confirmed_stands_in_the_queue(rabbitmq: str) -> None:
    async def work() -> None:
        async with running(mq.at(rabbitmq)) as publisher:
            assert await asyncio.gather(*(outcome(publisher, f"e{n}") for n in range(2000))) == [True] * 2000

    mq.run(work())
    drained = mq.drain(rabbitmq, CARDS)
    assert sorted(mq.list_ids(drained)) == sorted(f"e{n}" for n in range(2000))
    properties = drained[0][0]
    assert properties.message_id == drained[0][1]["header"]["event_id"]
    assert (properties.delivery_mode, properties.content_type) == (2, "application/json")


def test_before_it_is_connected_and_after_it_has_ended_nothing_is_published(rabbitmq: str) -> None:
    async def work() -> None:
        publisher = Publisher(mq.at(rabbitmq))
        assert not publisher.is_up
        with pytest.raises(BrokerError, match="Not connected to"):
            await publisher.publish("card.cli_1", "e1", b"{}")
        async with running(mq.at(rabbitmq)) as publisher:
            pass
        with pytest.raises(BrokerError, match="Not connected to"):
            await publisher.publish("card.cli_1", "e1", b"{}")

    mq.run(work())


def test_what_no_queue_takes_is_an_error_of_its_own_alone(rabbitmq: str) -> None:
    """Also where the same event is published twice at once, and once to where it belongs."""

    async def work() -> None:
        async with running(mq.at(rabbitmq)) as publisher:
            keys = ["nowhere", "card.cli_1", "nowhere", "card.cli_1"]
            results = await asyncio.gather(*(outcome(publisher, "e1", key) for key in keys))
            assert results == [False, True, False, True]
            with pytest.raises(BrokerError, match=r"no queue is bound for the message\. Next: find out"):
                await publisher.publish("nowhere", "e2", b"{}")
            assert await outcome(publisher, "e2")

    mq.run(work())
    assert mq.list_ids(mq.drain(rabbitmq, CARDS)) == ["e1", "e1", "e2"]


def test_what_the_queue_refuses_is_an_error(rabbitmq: str) -> None:
    with connect(rabbitmq) as connection:
        channel = connection.channel()
        full = {"x-queue-type": "classic", "x-max-length": 1, "x-overflow": "reject-publish"}
        channel.exchange_declare(EXCHANGE, "topic", durable=True)
        channel.queue_declare("full", durable=True, arguments=full)
        channel.queue_bind("full", EXCHANGE, "full")

    async def work() -> None:
        async with running(mq.at(rabbitmq)) as publisher:
            assert await outcome(publisher, "e1", "full")
            with pytest.raises(BrokerError, match="rejected the message"):
                await publisher.publish("full", "e2", b"{}")

    mq.run(work())


def test_a_caller_may_give_up(rabbitmq: str) -> None:
    async def work() -> None:
        async with running(mq.at(rabbitmq)) as publisher:
            tasks = [asyncio.ensure_future(outcome(publisher, f"e{n}")) for n in range(200)]
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            await asyncio.wait(tasks)
            assert [task.result() for task in tasks[1::2]] == [True] * 100
            assert await outcome(publisher, "last")

    mq.run(work())
    assert len(mq.drain(rabbitmq, CARDS)) == 201  # the message that the caller gave up on arrived as well


def test_a_frozen_broker_holds_nobody_up_and_confirms_when_it_thaws(
    node: OwnRabbit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confirms, "_MAX_UNCONFIRMED", 100)

    async def work() -> None:
        async with running(mq.at(node.url)) as publisher:
            assert await outcome(publisher, "before")
            node.pause()
            waiting = [asyncio.ensure_future(outcome(publisher, f"e{n}")) for n in range(100)]
            await ticks(50)
            assert not [task for task in waiting if task.done()]
            await mq.wait_until_async(lambda: not publisher.is_up)  # it confirms nothing
            with pytest.raises(BrokerError, match="has not confirmed 100 messages"):
                await publisher.publish("card.cli_1", "one too many", b"{}")
            node.resume()
            assert await asyncio.gather(*waiting) == [True] * 100
            assert publisher.is_up

    mq.run(work())
    assert len(mq.drain(node.url, CARDS)) == 101


def test_a_broker_that_stays_frozen_is_left(node: OwnRabbit, monkeypatch: pytest.MonkeyPatch) -> None:
    start_timer = vars(HeartbeatChecker)["_start_check_timer"]

    def impatient(checker: Any) -> None:
        checker._check_interval = 1  # and not 6
        start_timer(checker)

    monkeypatch.setattr(HeartbeatChecker, "_start_check_timer", impatient)

    async def work() -> None:
        async with running(mq.at(node.url, heartbeat=1)) as publisher:
            node.pause()
            lost = r"was lost before it confirmed the message\. Next: send it again"
            with pytest.raises(BrokerError, match=lost):
                await publisher.publish("card.cli_1", "e1", make_body("e1"))
            assert not publisher.is_up
            node.resume()
            await mq.wait_until_async(lambda: publisher.is_up)
            assert await outcome(publisher, "e2")

    mq.run(work())


def test_a_killed_broker_fails_what_waits_and_keeps_what_it_confirmed(node: OwnRabbit) -> None:
    confirmed: list[str] = []

    async def work() -> None:
        async with running(mq.at(node.url)) as publisher:
            failed = asyncio.Event()

            async def keep_on(name: str) -> None:
                for n in range(100_000):
                    if not await outcome(publisher, f"{name}-{n}"):
                        failed.set()
                        return
                    confirmed.append(f"{name}-{n}")

            tasks = [asyncio.ensure_future(keep_on(f"t{n}")) for n in range(20)]
            await mq.wait_until_async(lambda: len(confirmed) > 200)
            await asyncio.to_thread(node.kill)
            await asyncio.gather(*tasks)
            assert failed.is_set()
            assert not publisher.is_up
            await asyncio.to_thread(node.start)
            await mq.wait_until_async(lambda: publisher.is_up)
            assert await outcome(publisher, "after")

    mq.run(work())
    assert {*confirmed, "after"} <= set(mq.list_ids(mq.drain(node.url, CARDS)))


def test_a_broker_short_of_disk_is_known_to_be_no_place_now(start_rabbitmq: StartServer[OwnRabbit]) -> None:
    node = start_rabbitmq({"disk_free_limit.absolute": "1PB"})

    async def work() -> None:
        async with running(mq.at(node.url)) as publisher:
            task = asyncio.ensure_future(outcome(publisher, "e1"))
            await mq.wait_until_async(lambda: not publisher.is_up)
            await mq.wait_until_async(lambda: publisher._is_blocked)
            assert not task.done()
            task.cancel()
            await asyncio.wait({task})

    mq.run(work())


def test_the_dead_carry_the_reason_and_what_they_had(rabbitmq: str) -> None:
    async def work() -> None:
        async with open_channel(mq.at(rabbitmq)) as channel:
            confirmer = confirms.Confirms(channel, "here")
            message = Delivered(
                1, make_persistent_properties("e1", {"from": "there"}), b"[1]", queue=CARDS.name
            )
            await confirmer.dead_letter(message, "w" * 2000)

    mq.run(work())
    [(properties, content)] = mq.drain(rabbitmq, DEAD)
    assert (properties.message_id, content) == ("e1", [1])
    headers: dict[str, Any] = dict(properties.headers or {})
    assert abs(headers.pop("dead_lettered_at") - time.time()) < 60
    assert headers == {"from": "there", "reason": "w" * 1000, "queue": CARDS.name}


def test_a_message_counts_and_is_logged_as_dead_lettered_once_it_is(
    rabbitmq: str, caplog: pytest.LogCaptureFixture
) -> None:
    def list_dead_lettered() -> list[str]:
        return [
            record.__dict__["event_id"]
            for record in caplog.records
            if record.message == "Message dead-lettered"
        ]

    async def work() -> None:
        async with open_channel(mq.at(rabbitmq)) as channel:
            confirmer = confirms.Confirms(channel, "here")
            with connect(rabbitmq) as connection:
                connection.channel().queue_delete(DEAD.name)
            with pytest.raises(confirms.UnroutableError):
                await confirmer.dead_letter(
                    Delivered(1, make_persistent_properties("e1"), b"[1]", queue=CARDS.name), "why"
                )
        assert list_dead_lettered() == []
        async with open_channel(mq.at(rabbitmq)) as channel:
            confirmer = confirms.Confirms(channel, "here")
            await confirmer.dead_letter(
                Delivered(1, make_persistent_properties("e2"), b"[1]", queue=CARDS.name), "why"
            )
        assert list_dead_lettered() == ["e2"]

    mq.run(work())
