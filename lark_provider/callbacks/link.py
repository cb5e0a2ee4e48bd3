"""A connection to RabbitMQ on an event loop: pika's callbacks turned into what can be awaited.

pika's blocking connection would be simpler, but a broker that is frozen holds it for half a minute, and while
a database is waited for nobody answers its heartbeats.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from pika.adapters.asyncio_connection import AsyncioConnection, _AsyncioIOServicesAdapter
from pika.channel import Channel
from pika.exceptions import AMQPError
from pika.spec import Basic, BasicProperties

from lark_provider.callbacks.amqp import Broker, failure
from lark_provider.callbacks.topology import Queue, declarations
from lark_provider.protocol.callbacks import BrokerError, CallbackRefusedError, Delivery, read

logger = logging.getLogger(__name__)

_OPEN_SECONDS, _LEAVE_SECONDS = 10.0, 1.0
_FIRST_PAUSE, _LAST_PAUSE = 0.25, 10.0


async def keep_connected(broker: Broker, use: Callable[[Channel], Awaitable[None]]) -> None:
    """Connect and use the channel, and begin again whenever the connection is lost, until cancelled.

    Args:
        broker: Where.
        use: Is cancelled when the connection is lost.
    """
    pauses = Pauses(_FIRST_PAUSE, _LAST_PAUSE)
    while True:
        try:
            async with connected(broker) as channel:
                logger.info("Connected to %s", broker)
                pauses = Pauses(_FIRST_PAUSE, _LAST_PAUSE)
                await use(channel)
        except BrokerError as error:
            logger.warning("No connection: %s", error)
        except Exception:
            # What was being done is not acknowledged, and comes again; nobody is there to start us anew.
            logger.exception("Beginning again with %s", broker)
        await asyncio.sleep(pauses.next())


class Pauses:
    """Seconds between tries: each twice as long as the one before, and never the same for two processes.

    Args:
        first: The first one.
        last: The longest.
    """

    def __init__(self, first: float, last: float) -> None:
        self._now, self._last = first, last

    def next(self) -> float:
        """For how long to pause now."""
        now, self._now = self._now, min(2 * self._now, self._last)
        return now * random.uniform(0.5, 1.5)  # noqa: S311 - jitter


@asynccontextmanager
async def connected(broker: Broker) -> AsyncIterator[Channel]:
    """A channel with everything declared. What runs inside is cancelled when the connection is lost.

    Args:
        broker: Where.

    Raises:
        BrokerError: The broker is away, refuses us, has a queue of the name with other arguments, or is lost.
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
            raise  # of what runs inside
        raise link.lost or failure(broker, TimeoutError("no answer")) from error
    except AMQPError as error:
        raise link.lost or failure(broker, error) from error
    finally:
        await link.leave()


class _Connection(AsyncioConnection):
    def _output_marshaled_frames(self, marshaled_frames: Sequence[bytes]) -> None:
        # pika sends each frame in a packet of its own, three for a message: more work for both sides.
        super()._output_marshaled_frames([b"".join(marshaled_frames)])  # type: ignore[misc]  # not in its stubs


class _Services(_AsyncioIOServicesAdapter):
    """pika's way to the loop. Of a connection that is given up early, pika can lose sight of the socket."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._loop_of_sockets, self._sockets = loop, list[socket.socket]()

    def connect_socket(self, sock: socket.socket, resolved_addr: Any, on_done: Any) -> Any:
        """Connect, and keep the socket in sight."""
        self._sockets.append(sock)
        return super().connect_socket(sock, resolved_addr, on_done)

    def close(self) -> None:
        """Close what is still open."""
        for one in self._sockets:
            if (number := one.fileno()) >= 0:
                self._loop_of_sockets.remove_reader(number)
                self._loop_of_sockets.remove_writer(number)
                one.close()


class _Link:
    """One connection with one channel, from the first packet to the last."""

    def __init__(self, broker: Broker) -> None:
        self.lost: BrokerError | None = None
        self.scope: asyncio.Timeout | None = None
        self._broker = broker
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[Any] = self._loop.create_future()
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._services = _Services(self._loop)
        self._connection = _Connection(
            broker.parameters,
            on_open_callback=self._answered,
            on_open_error_callback=self._closed,
            on_close_callback=self._closed,
            custom_ioloop=self._services,
        )

    async def open(self) -> Channel:
        """Open a channel and declare everything."""
        await self._answer
        channel: Channel = await self._ask(partial(self._connection.channel, None), "on_open_callback")
        channel.add_on_close_callback(lambda _, error: self._failed(error))
        for method, arguments in declarations(self._broker.queue_type):
            await self._ask(partial(getattr(channel, method), **arguments), "callback")
        return channel

    async def leave(self) -> None:
        """Say goodbye, or cut the connection where that is not heard."""
        try:
            if self._connection.is_open:
                self._connection.close()
                await asyncio.wait({self._gone}, timeout=_LEAVE_SECONDS)
            if not self._gone.done():
                # As pika does when heartbeats stop. Its public way waits for an answer, after a handshake.
                self._connection._terminate_stream(AMQPError("given up"))  # type: ignore[attr-defined]  # noqa: SLF001
                await asyncio.wait({self._gone}, timeout=_LEAVE_SECONDS)
        finally:
            self._services.close()

    async def _ask(self, begin: Callable[..., object], callback: str) -> Any:
        self._answer = self._loop.create_future()
        begin(**{callback: self._answered})
        return await self._answer

    def _answered(self, result: Any) -> None:
        if not self._answer.done():
            self._answer.set_result(result)

    def _closed(self, _connection: AsyncioConnection, error: BaseException) -> None:
        self._failed(error)
        if not self._gone.done():
            self._gone.set_result(None)

    def _failed(self, error: BaseException) -> None:
        if self.lost is not None:
            return
        self.lost = failure(self._broker, error)
        if not self._answer.done():
            self._answer.set_exception(self.lost)
        if self.scope is not None:
            with suppress(RuntimeError):  # it is being left already
                self.scope.reschedule(self._loop.time())


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message that came: its number on the channel, its properties, and what it says."""

    tag: int
    properties: BasicProperties
    body: bytes

    def read(self) -> Delivery:
        """The click or the event in it.

        Raises:
            CallbackRefusedError: There is none.
        """
        try:
            content = orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise CallbackRefusedError(f"It is no JSON: {error}. Next: look who sent it.") from None
        if not isinstance(content, dict):
            raise CallbackRefusedError("It is no JSON object. Next: look who sent it.")
        return read(content)


def deliveries(channel: Channel, queue: Queue, prefetch: int) -> asyncio.Queue[Delivered]:
    """Have a queue's messages delivered.

    Args:
        channel: The channel; it is closed if the queue is deleted.
        queue: Which queue.
        prefetch: How many may be unacknowledged at a time.

    Returns:
        Where they arrive.
    """
    arrived: asyncio.Queue[Delivered] = asyncio.Queue()

    def deliver(_: Channel, method: Basic.Deliver, properties: BasicProperties, body: bytes) -> None:
        arrived.put_nowait(Delivered(method.delivery_tag or 0, properties, body))

    channel.basic_qos(prefetch_count=prefetch)
    channel.add_on_cancel_callback(lambda _: channel.close(0, f"queue {queue.name} is gone"))
    channel.basic_consume(queue.name, deliver)
    return arrived
