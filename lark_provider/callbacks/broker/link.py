"""A connection to RabbitMQ on an event loop: pika's callbacks turned into awaitables.

pika's blocking connection would be simpler, but a broker that is frozen holds it for half a minute, and while
a database is waited for nothing answers its heartbeats.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.channel import Channel
from pika.exceptions import AMQPError
from pika.spec import Basic, BasicProperties

from lark_provider.callbacks.broker import amqp
from lark_provider.callbacks.broker.amqp import Broker, make_broker_error
from lark_provider.callbacks.broker.topology import Queue, QueueType, list_declarations
from lark_provider.protocol.callbacks import BrokerError, CallbackRefusedError, Delivery, read
from lark_provider.support import measured
from lark_provider.support.backoff import Backoff
from lark_provider.support.throttle import Throttle

logger = logging.getLogger(__name__)

_OPEN_SECONDS, _LEAVE_SECONDS = 10.0, 1.0
_FIRST_PAUSE, _LAST_PAUSE = 0.25, 10.0


async def keep_connected(
    broker: Broker,
    use: Callable[[Channel], Awaitable[None]],
    failed: Callable[[], None] = lambda: None,
    *,
    role: str,
) -> None:
    """Connect and use the channel, and begin again whenever the connection is lost, until `use` returns.

    Args:
        broker: The broker.
        use: Is cancelled when the connection is lost.
        failed: Called when an attempt to connect has failed, or the connection was lost.
        role: What the connection is for, in a word for metrics.
    """
    pauses, throttle = Backoff(_FIRST_PAUSE, _LAST_PAUSE), Throttle()
    measured.BROKER_CONNECTED.set(0, role)
    while True:
        throttle.flush()
        try:
            async with open_channel(broker) as channel:
                measured.BROKER_CONNECTED.set(1, role)
                throttle.flush(everything=True)  # before the line that says that it is over
                throttle.reset()
                logger.info("Connected to RabbitMQ", extra={"broker": str(broker)})
                pauses = Backoff(_FIRST_PAUSE, _LAST_PAUSE)
                await use(channel)
        except BrokerError as error:
            _warn(throttle, str(error))
        except Exception:
            # Unacknowledged messages are redelivered. No supervisor restarts this loop, so it continues here.
            logger.exception("Broker session failed; reconnecting", extra={"broker": str(broker)})
        else:
            return
        finally:
            measured.BROKER_CONNECTED.set(0, role)
        failed()
        await asyncio.sleep(pauses.draw_pause())


def _warn(throttle: Throttle, error: str) -> None:
    """Log that a connection failed or was lost, once a minute for each reason."""
    throttle.log(
        logger.warning, "RabbitMQ connection failed; reconnecting", extra={"error": error}, kind=error
    )


@asynccontextmanager
async def open_channel(broker: Broker) -> AsyncIterator[Channel]:
    """Open a channel and declare everything; the body is cancelled when the connection is lost.

    Args:
        broker: The broker.

    Raises:
        BrokerError: The broker is unreachable, rejects the login, has a queue of the name with other
            arguments, or the connection is lost.
    """
    link = _Link(broker)
    try:
        async with asyncio.timeout(_OPEN_SECONDS):
            channel = await link.open()
        async with asyncio.timeout(None) as link.scope:
            if link.lost is not None:
                raise link.lost
            yield channel
    except TimeoutError as error:
        if link.lost is None and link.scope is not None:
            raise  # It comes from the body.
        raise link.lost or make_broker_error(broker, TimeoutError("no answer")) from error
    except AMQPError as error:
        raise link.lost or make_broker_error(broker, error) from error
    finally:
        await link.leave()


async def declare(channel: Channel, kind: QueueType) -> dict[str, int]:
    """Declare everything on a channel that is open; what is there already stays as it is.

    Does not return when the connection is lost meanwhile.

    Args:
        channel: The channel; it is closed if a queue of a name exists with other arguments.
        kind: The type of the queues.

    Returns:
        How many messages wait in each queue, by its name; those that a consumer holds do not count.
    """
    loop = asyncio.get_running_loop()
    waiting: dict[str, int] = {}
    for method, arguments in list_declarations(kind):
        answered: asyncio.Future[Any] = loop.create_future()
        getattr(channel, method)(**arguments, callback=partial(_set_result, answered))
        declared = await answered
        if method == "queue_declare":
            waiting[arguments["queue"]] = declared.method.message_count
    return waiting


def _set_result(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


class _Connection(AsyncioConnection):
    def _output_marshaled_frames(self, marshaled_frames: Sequence[bytes]) -> None:
        # pika sends each frame in a packet of its own, three for a message: more work for both sides.
        # A pika that calls this by another name sends as it did, and nothing else changes.
        super()._output_marshaled_frames([b"".join(marshaled_frames)])  # type: ignore[misc]  # not in its stubs


class _Link:
    """One connection with one channel, from the first packet to the last."""

    def __init__(self, broker: Broker) -> None:
        self.lost: BrokerError | None = None
        self.scope: asyncio.Timeout | None = None
        self._broker = broker
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[Any] = self._loop.create_future()
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._services = amqp.make_services(self._loop)
        self._connection = _Connection(
            broker.parameters,
            on_open_callback=self._on_answer,
            on_open_error_callback=self._on_close,
            on_close_callback=self._on_close,
            custom_ioloop=self._services,
        )

    async def open(self) -> Channel:
        """Open a channel and declare everything."""
        await self._answer
        channel: Channel = await self._ask(partial(self._connection.channel, None), "on_open_callback")
        channel.add_on_close_callback(lambda _, error: self._fail(error))
        for method, arguments in list_declarations(self._broker.queue_type):
            await self._ask(partial(getattr(channel, method), **arguments), "callback")
        return channel

    async def leave(self) -> None:
        """Close the connection, or abort it where the broker does not answer."""
        try:
            if self._connection.is_open:
                self._connection.close()
                await asyncio.wait({self._gone}, timeout=_LEAVE_SECONDS)
            if not self._gone.done():
                self._abort()
                await asyncio.wait({self._gone}, timeout=_LEAVE_SECONDS)
        finally:
            self._services.close()

    def _abort(self) -> None:
        # Once there is a stream, pika's `close` waits for an answer, or stumbles while it is logging in.
        if not self._services.abort() and not self._connection.is_closing:
            self._connection.close()

    async def _ask(self, begin: Callable[..., object], callback: str) -> Any:
        self._answer = self._loop.create_future()
        begin(**{callback: self._on_answer})
        return await self._answer

    def _on_answer(self, result: Any) -> None:
        if not self._answer.done():
            self._answer.set_result(result)

    def _on_close(self, _connection: AsyncioConnection, error: BaseException) -> None:
        self._fail(error)
        if not self._gone.done():
            self._gone.set_result(None)

    def _fail(self, error: BaseException) -> None:
        if self.lost is not None:
            return
        self.lost = make_broker_error(self._broker, error)
        if not self._answer.done():
            self._answer.set_exception(self.lost)
        if self.scope is not None:
            with suppress(RuntimeError):  # it is being left already
                self.scope.reschedule(self._loop.time())


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message that was delivered: its tag on the channel, properties, body, queue and routing key."""

    tag: int
    properties: BasicProperties
    body: bytes
    queue: str = ""
    routing_key: str = ""

    def read(self) -> Delivery:
        """Return the click or the event in the message.

        Raises:
            CallbackRefusedError: It holds neither.
        """
        try:
            content = orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise CallbackRefusedError(
                f"The message is not JSON: {error}. Next: find out which client published it."
            ) from None
        if not isinstance(content, dict):
            raise CallbackRefusedError(
                f"The message is not a JSON object but of type {type(content).__name__}. Next: find out "
                "which client published it."
            )
        return read(content)


class Deliveries:
    """Messages of a queue, from when this is made until `give_back`.

    Args:
        channel: The channel; it is closed if the queue is deleted.
        queue: The queue to consume.
        prefetch: How many messages may be unacknowledged at a time.

    Attributes:
        arrived: The queue in memory that delivered messages are put into.
        begun: Resolves when the broker has begun to deliver: what waits in the queue arrives right behind.
    """

    def __init__(self, channel: Channel, queue: Queue, prefetch: int) -> None:
        self._channel = channel
        self.arrived: asyncio.Queue[Delivered] = asyncio.Queue()
        channel.basic_qos(prefetch_count=prefetch)
        self._queue = queue
        channel.add_on_cancel_callback(self._on_gone)
        self.begun: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._consumer = channel.basic_consume(
            queue.name, self._deliver, callback=partial(_set_result, self.begun)
        )

    def _deliver(self, _: Channel, method: Basic.Deliver, properties: BasicProperties, body: bytes) -> None:
        tag, key = method.delivery_tag or 0, method.routing_key or ""
        self.arrived.put_nowait(Delivered(tag, properties, body, self._queue.name, key))

    def _on_gone(self, _: object) -> None:
        if self._channel.is_open:
            self._channel.close(0, f"queue {self._queue.name} is gone")

    async def give_back(self) -> None:
        """Stop consuming, and return every unacknowledged message of the channel to its queue."""
        cancelled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._channel.basic_cancel(
            self._consumer, lambda _: None if cancelled.done() else cancelled.set_result(None)
        )
        await cancelled
        self._channel.basic_nack(0, multiple=True, requeue=True)
