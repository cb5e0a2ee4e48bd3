"""RabbitMQ as the tests of this package use it: from outside, with pika's blocking connection."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import orjson
from pika.spec import BasicProperties

from lark_provider.callbacks.broker import link
from lark_provider.callbacks.broker.amqp import Broker, read_broker
from lark_provider.callbacks.broker.confirms import Confirms, UnroutableError
from lark_provider.callbacks.broker.link import open_channel
from lark_provider.callbacks.broker.pump import Pump
from lark_provider.callbacks.broker.topology import CARDS, DEAD, EVENTS, EXCHANGE, Queue, list_declarations
from lark_provider.protocol.callbacks import CardClick, read
from lark_provider.storage.inbox import Inbox
from lark_provider.support import threads
from tests.protocol.callbacks import sender
from tests.services.rabbitmq import connect

T = TypeVar("T")
LIMIT = 15.0


def at(url: str, *, heartbeat: int | None = None) -> Broker:
    """Return the broker at a URL, whatever the environment says."""
    parsed = read_broker(url, {})
    if heartbeat is not None:
        parsed.parameters.heartbeat = heartbeat
    return parsed


def card(
    event_id: str, *, message_id: str = "om_1", value: Any = None, open_id: str = "ou_1"
) -> dict[str, Any]:
    """Make a click on a card, as the gateway publishes it."""
    content = sender.card({"value": value or {}, "tag": "button", "name": "approve"})
    content["header"] |= {"event_id": event_id}
    content["header"].pop("token")
    content["event"]["context"]["open_message_id"] = message_id
    content["event"]["operator"]["open_id"] = open_id
    return content


def click(event_id: str, **parts: Any) -> CardClick:
    """Return a click, as it is read from Lark's JSON."""
    delivery = read(card(event_id, **parts))
    assert isinstance(delivery, CardClick)
    return delivery


def declare(url: str) -> None:
    """Make exchange and queues."""
    with connect(url) as connection:
        channel = connection.channel()
        for method, arguments in list_declarations("quorum"):
            getattr(channel, method)(**arguments)


def purge(url: str) -> None:
    """Empty the queues."""
    declare(url)
    with connect(url) as connection:
        channel = connection.channel()
        for queue in (CARDS, EVENTS, DEAD):
            channel.queue_purge(queue.name)


def send(url: str, routing_key: str, *bodies: object) -> None:
    """Publish JSON, or raw bytes, confirmed."""

    async def publish(confirms: Confirms, number: int, body: bytes) -> None:
        try:
            await confirms.publish(EXCHANGE, routing_key, body, f"m{number}")
        except UnroutableError:  # Another connection was just binding the queue.
            await link.declare(confirms.channel, at(url).queue_type)
            await confirms.publish(EXCHANGE, routing_key, body, f"m{number}")

    async def work() -> None:
        async with open_channel(at(url)) as channel:
            confirms = Confirms(channel, url)
            raw = [body if isinstance(body, bytes) else orjson.dumps(body) for body in bodies]
            await asyncio.gather(*(publish(confirms, number, body) for number, body in enumerate(raw)))

    threads.start(lambda: asyncio.run(work())).result()  # This thread may have a running loop.


def drain(url: str, queue: Queue) -> list[tuple[BasicProperties, Any]]:
    """Take all messages of a queue: properties, and the JSON content, or the raw bytes."""
    messages: list[tuple[BasicProperties, Any]] = []
    with connect(url) as connection:
        channel = connection.channel()
        for method, properties, body in channel.consume(queue.name, inactivity_timeout=0.3):
            if method is None:
                break
            assert body is not None
            assert properties is not None
            channel.basic_ack(method.delivery_tag or 0)
            try:
                messages.append((properties, orjson.loads(body)))
            except orjson.JSONDecodeError:
                messages.append((properties, body))
    return messages


def peek(url: str, queue: Queue) -> list[tuple[BasicProperties, Any]]:
    """Return the messages that no consumer holds, and leave them in the queue."""
    messages: list[tuple[BasicProperties, Any]] = []
    with connect(url) as connection:
        channel = connection.channel()  # When it closes, its messages return.
        while (got := channel.basic_get(queue.name))[0] is not None:
            _, properties, body = got
            assert properties is not None
            assert body is not None
            messages.append((properties, orjson.loads(body)))
    return messages


def pump_all(url: str, inbox: Inbox, count: int) -> None:
    """Pump so many messages; on a busy machine they do not all arrive without a pause."""
    pump, done = Pump(at(url), inbox), 0
    while done < count:
        pumped = pump.run_once(seconds=LIMIT)
        assert pumped
        done += pumped
    assert done == count


def list_ids(drained: list[tuple[BasicProperties, Any]]) -> list[str]:
    """Return the event ids of messages that were drained."""
    return [content["header"]["event_id"] for _, content in drained]


def run(work: Coroutine[Any, Any, T], seconds: float = 4 * LIMIT) -> T:
    """Run a coroutine for so long at most; asyncio must report no error, then or when it is collected."""
    reported: list[Any] = []

    async def run_watched() -> T:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: reported.append(context))
        try:
            async with asyncio.timeout(seconds):
                return await work
        finally:
            gc.collect()
            await asyncio.sleep(0)

    freeze_existing()
    try:
        return asyncio.run(run_watched())
    finally:
        gc.collect()
        assert not reported, reported


def freeze_existing() -> None:
    """Collect garbage, then freeze all remaining objects.

    They are never unfrozen: a full collection takes a second of CPU, and on a busy machine longer than the
    deadlines under test.
    """
    gc.collect()
    gc.freeze()


async def wait_until_async(condition: Callable[[], object], seconds: float = LIMIT) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - nothing tells when
            await asyncio.sleep(0.005)
