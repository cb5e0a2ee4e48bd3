"""Receive events from RabbitMQ in a thread of its own: the connection lives however long a handler takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AsyncExitStack, suppress
from typing import Any

from pika.channel import Channel
from pika.exceptions import AMQPError

from lark_provider.callbacks.broker.amqp import Broker
from lark_provider.callbacks.broker.checks import ChannelCheck
from lark_provider.callbacks.broker.confirms import Confirms
from lark_provider.callbacks.broker.dead_lettering import DeadLettering
from lark_provider.callbacks.broker.dedup import compute_dedup_key
from lark_provider.callbacks.broker.link import Delivered, Deliveries, keep_connected
from lark_provider.callbacks.broker.topology import EVENTS
from lark_provider.callbacks.probes.probes import Probes
from lark_provider.callbacks.probes.readiness import Dependency
from lark_provider.protocol.callbacks import CallbackRefusedError, Event
from lark_provider.support import threads

_PREFETCH = 50
_LEAVE_SECONDS = 5.0


class EventReceiver:
    """A connection that brings events, in a thread of its own, until `stop`.

    Args:
        broker: The broker of the queue.
        deliver: Called with each event that came, in the thread of the connection.
        ended: Called when the thread has ended, whatever the reason.
        probes: Answered by the thread of the connection.
        checks: What else has to hold for readiness.
    """

    def __init__(
        self,
        broker: Broker,
        deliver: Callable[[Received], None],
        ended: Callable[[], None],
        probes: Probes | None = None,
        checks: Sequence[Dependency] = (),
    ) -> None:
        self._broker, self._deliver = broker, deliver
        self._probes, self._link = probes, ChannelCheck(broker)
        self._checks = [self._link, *checks]
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
        loop = asyncio.get_running_loop()
        async with AsyncExitStack() as probing:
            if self._probes is not None:
                await probing.enter_async_context(self._probes.serve_probes(self._checks))
            receiving = loop.create_task(keep_connected(self._broker, self._hold, role="consumer"))
            self._begun.set_result((loop, receiving))
            await receiving

    async def _hold(self, channel: Channel) -> None:
        with self._link.hold_channel(channel):
            await self._receive(channel)

    async def _receive(self, channel: Channel) -> None:
        confirms = Confirms(channel, str(self._broker))
        dead_lettering = DeadLettering(confirms, self._broker)
        arrived = Deliveries(channel, EVENTS, _PREFETCH).arrived
        alive = asyncio.get_running_loop().create_future()
        try:
            while True:
                delivered = await arrived.get()
                try:
                    event = _read(delivered)
                except CallbackRefusedError as error:
                    await dead_lettering.move(delivered, str(error))
                else:
                    self._deliver(Received(event, delivered, channel, dead_lettering, alive))
        finally:
            alive.cancel()
            confirms.end()


def _read(delivered: Delivered) -> Event:
    event = delivered.read()
    if not isinstance(event, Event):
        raise CallbackRefusedError(
            "The message is a click, not an event. Next: find out which client published it."
        )
    return event


class Received:
    """An event that came, and the connection that it came by.

    Args:
        event: The event.
        delivered: The message.
        channel: The channel that it came by.
        dead_lettering: Dead-letters the messages of the channel.
        alive: Is done when the connection is lost.
    """

    def __init__(
        self,
        event: Event,
        delivered: Delivered,
        channel: Channel,
        dead_lettering: DeadLettering,
        alive: asyncio.Future[None],
    ) -> None:
        self.event, self.key, self.failures = event, compute_dedup_key(event), 0
        self._delivered, self._channel, self._alive = delivered, channel, alive
        self._dead_lettering = dead_lettering

    @property
    def is_ours(self) -> bool:
        """Whether it is still to be processed here: messages of a lost connection are redelivered."""
        return not self._alive.done()

    def acknowledge(self) -> None:
        """Acknowledge the message. From any thread."""
        with suppress(RuntimeError):  # the thread has ended: it comes again
            self._alive.get_loop().call_soon_threadsafe(self._acknowledge)

    def dead_letter(self, reason: str, expires: float | None = None) -> Future[None]:
        """Dead-letter the message. From any thread.

        Args:
            reason: Why no consumer can use it.
            expires: Seconds after which no operator needs it; None for never.

        Returns:
            Resolves when the message is in the dead-letter queue, or will be redelivered.
        """
        work = self._dead_letter(reason, expires)
        try:
            return asyncio.run_coroutine_threadsafe(work, self._alive.get_loop())
        except RuntimeError:  # the thread has ended: it comes again
            work.close()
            ended: Future[None] = Future()
            ended.set_result(None)
            return ended

    def _acknowledge(self) -> None:
        if self.is_ours:
            with suppress(AMQPError):
                self._channel.basic_ack(self._delivered.tag)

    async def _dead_letter(self, reason: str, expires: float | None) -> None:
        if self.is_ours:
            await self._dead_lettering.move(self._delivered, reason, expires)
