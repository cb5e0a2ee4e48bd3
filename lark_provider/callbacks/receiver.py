"""Events out of RabbitMQ, by a thread of their own: the connection lives however long a handler takes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from typing import Any

from pika.channel import Channel
from pika.exceptions import AMQPError

from lark_provider.callbacks.amqp import Broker
from lark_provider.callbacks.confirms import Confirms
from lark_provider.callbacks.handled import identity
from lark_provider.callbacks.link import Delivered, deliveries, keep_connected
from lark_provider.callbacks.topology import EVENTS
from lark_provider.core import threads
from lark_provider.protocol.callbacks import BrokerError, CallbackRefusedError, Event

logger = logging.getLogger(__name__)

_PREFETCH = 50
_LEAVE_SECONDS = 5.0


class Receiver:
    """A connection that brings events, in a thread of its own, until `stop`.

    Args:
        broker: Where the queue is.
        deliver: Called with each event that came, in the thread of the connection.
        ended: Called when the thread has ended, whatever the reason.
    """

    def __init__(
        self, broker: Broker, deliver: Callable[[Received], None], ended: Callable[[], None]
    ) -> None:
        self._broker, self._deliver = broker, deliver
        self._begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = Future()
        self._running = threads.start(lambda: asyncio.run(self._run()))
        self._running.add_done_callback(lambda _: ended())

    def stop(self) -> None:
        """Leave the broker; what was delivered and is not acknowledged goes to the next consumer.

        Raises:
            Exception: Why the thread had ended before.
        """
        either: set[Future[Any]] = {self._begun, self._running}
        wait(either, return_when=FIRST_COMPLETED)
        if not self._running.done():
            loop, task = self._begun.result()
            with suppress(RuntimeError):  # it has ended meanwhile
                loop.call_soon_threadsafe(task.cancel)
        with suppress(asyncio.CancelledError, TimeoutError):
            self._running.result(_LEAVE_SECONDS)

    async def _run(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio.run has made it
        self._begun.set_result((asyncio.get_running_loop(), task))
        await keep_connected(self._broker, self._receive)

    async def _receive(self, channel: Channel) -> None:
        confirms = Confirms(channel, str(self._broker))
        arrived = deliveries(channel, EVENTS, _PREFETCH)
        alive = asyncio.get_running_loop().create_future()
        try:
            while True:
                delivered = await arrived.get()
                try:
                    event = _read(delivered)
                except CallbackRefusedError as error:
                    await confirms.bury(delivered, str(error))
                    channel.basic_ack(delivered.tag)
                else:
                    self._deliver(Received(event, delivered, channel, confirms, alive))
        finally:
            alive.cancel()
            confirms.end()


def _read(delivered: Delivered) -> Event:
    event = delivered.read()
    if not isinstance(event, Event):
        raise CallbackRefusedError("It is a click, and no event. Next: look who sent it.")
    return event


class Received:
    """An event that came, and the connection that it came by.

    Args:
        event: The event.
        delivered: The message.
        channel: The channel that it came by.
        confirms: What is published on it.
        alive: Is done when the connection is lost.
    """

    def __init__(
        self,
        event: Event,
        delivered: Delivered,
        channel: Channel,
        confirms: Confirms,
        alive: asyncio.Future[None],
    ) -> None:
        self.event, self.key, self.failures = event, identity(event), 0
        self._delivered, self._channel, self._confirms, self._alive = delivered, channel, confirms, alive

    @property
    def is_ours(self) -> bool:
        """Whether it is still to be dealt with here: a lost connection's messages come again."""
        return not self._alive.done()

    def acknowledge(self) -> None:
        """It is dealt with. From any thread."""
        with suppress(RuntimeError):  # the thread has ended: it comes again
            self._alive.get_loop().call_soon_threadsafe(self._acknowledge)

    def bury(self, reason: str) -> Future[None]:
        """It goes to the dead. From any thread.

        Args:
            reason: Why nobody can use it.

        Returns:
            Is done when it stands there, or will come again.
        """
        work = self._bury(reason)
        try:
            return asyncio.run_coroutine_threadsafe(work, self._alive.get_loop())
        except RuntimeError:  # as above
            work.close()
            ended: Future[None] = Future()
            ended.set_result(None)
            return ended

    def _acknowledge(self) -> None:
        if self.is_ours:
            with suppress(AMQPError):
                self._channel.basic_ack(self._delivered.tag)

    async def _bury(self, reason: str) -> None:
        try:
            await self._confirms.bury(self._delivered, reason)
        except (AMQPError, BrokerError) as error:
            logger.warning("Event %s is not among the dead, and comes again: %s", self.event.event_id, error)
        else:
            self._acknowledge()
