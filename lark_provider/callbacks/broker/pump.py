"""From RabbitMQ into the database: take a batch, commit it, and only then acknowledge it.

A message is acknowledged when its click is in the database, or in the dead-letter queue with the reason.

While the database is unavailable to this pump, it holds no message: it returns all of them to the queue,
where other pumps find them, and consumes again only when an insert has succeeded and was rolled back. So a
pump with a broken path to its database withholds no click from the others.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, suppress
from threading import Event as Stop

from pika.channel import Channel

from lark_provider.callbacks.broker.amqp import Broker
from lark_provider.callbacks.broker.batches import InboxWithDeadline, MessageBatches
from lark_provider.callbacks.broker.checks import ChannelCheck, WorkCheck
from lark_provider.callbacks.broker.link import Delivered, Deliveries, keep_connected, open_channel
from lark_provider.callbacks.broker.topology import CARDS
from lark_provider.callbacks.probes.probes import Probes
from lark_provider.protocol.callbacks import BrokerError
from lark_provider.storage.errors import StorageError
from lark_provider.storage.inbox import Inbox
from lark_provider.support import measured, threads
from lark_provider.support.backoff import Backoff
from lark_provider.support.throttle import Throttle

logger = logging.getLogger(__name__)

BATCH = 500
_IDLE_SECONDS = 0.1
_STOP_SECONDS = 0.1
_GRACE_SECONDS = 5.0
_FIRST_PAUSE, _LAST_PAUSE = 0.5, 10.0
_DRAIN_SECONDS = 10.0
"""How long a batch in flight may still be stored when the pump is stopped."""


class Pump:
    """Takes clicks from the queue into the inbox; any number may run at once.

    Args:
        broker: The broker of the queue.
        inbox: Stores the clicks.
        probes: Answered while it runs.

    Attributes:
        returned: How many deliveries were returned to the queue because the database was unavailable.
    """

    def __init__(self, broker: Broker, inbox: Inbox, probes: Probes | None = None) -> None:
        self._broker, self._probes = broker, probes
        self._store = InboxWithDeadline(inbox)
        self._link = ChannelCheck(broker)
        self._unusable: StorageError | None = None
        self._throttle = Throttle()
        self._is_out = False
        self.returned = 0

    def run(self, stop: Stop) -> None:
        """Pump until stopped, through every loss of the broker or the database.

        When it is stopped, it stores and acknowledges the batch in flight, and returns the other messages.

        Args:
            stop: Stops it when set.

        Raises:
            StorageError: The database takes no clicks, and waiting does not change that: permission denied,
                a missing table. Every message has been returned to the queue.
        """
        self._unusable = None
        asyncio.run(self._run(stop))
        if self._unusable is not None and not stop.is_set():
            raise self._unusable

    def run_once(self, *, limit: int = BATCH, seconds: float = 2.0) -> int:
        """Pump the messages that are in the queue, up to a number and a time.

        Args:
            limit: The number of messages.
            seconds: The time; messages that are not stored by then stay in the queue.

        Returns:
            How many messages were stored or dead-lettered.

        Raises:
            BrokerError: The broker is unavailable, or rejects the login.
            StorageError: The database cannot be used.
        """
        # In a thread of its own: this one may have a loop that runs, and even a name server may be frozen.
        pumping = threads.start(lambda: asyncio.run(self._run_once(limit, seconds)))
        try:
            return pumping.result(seconds + _GRACE_SECONDS)
        except TimeoutError:
            reason = f"{self._broker} did not answer within {seconds + _GRACE_SECONDS:g} s"
            raise BrokerError(f"{reason}. Next: check that it runs.") from None

    async def _run(self, stop: Stop) -> None:
        # Not in `__init__`: each run has its own loop, and a lock serves only the first that waits for it.
        self._in_flight = asyncio.Lock()
        async with AsyncExitStack() as probing:
            if self._probes is not None:
                database = WorkCheck("database", self._store.check, lambda: not self._is_out)
                await probing.enter_async_context(self._probes.serve_probes([self._link, database]))
            pumping = asyncio.ensure_future(keep_connected(self._broker, self._run_forever, role="pump"))
            # Polled: a thread that waits for `stop` would outlive a run that ends by itself.
            while not (stop.is_set() or pumping.done()):
                await asyncio.wait({pumping}, timeout=_STOP_SECONDS)
            await self._drain(pumping)

    async def _drain(self, pumping: asyncio.Future[None]) -> None:
        """Let the batch in flight be stored, begin no other one, and end."""
        if self._probes is not None:
            self._probes.is_draining = True
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS), self._in_flight:
                pumping.cancel()
        pumping.cancel()
        with suppress(asyncio.CancelledError):
            await pumping

    async def _run_forever(self, channel: Channel) -> None:
        with self._link.hold_channel(channel):
            await self._pump(channel)

    async def _pump(self, channel: Channel) -> None:
        """Pump, or wait while the database is unavailable; return when waiting does not change that."""
        batches = MessageBatches(channel, self._store, self._broker)
        pauses = Backoff(_FIRST_PAUSE, _LAST_PAUSE)
        was_refused = False
        while True:
            try:
                await self._store.check()
            except StorageError as error:
                # Checked twice: an error of a connection that is being closed may look permanent as well.
                if was_refused and not error.retryable:
                    self._unusable = error
                    return
                was_refused = not error.retryable
                self._warn(error)
            else:
                was_refused = False
                if self._is_out:
                    self._is_out = False
                    logger.info("Database available again; consuming", extra={"returned": self.returned})
                if await self._consume(channel, batches):
                    pauses = Backoff(_FIRST_PAUSE, _LAST_PAUSE)
            await asyncio.sleep(pauses.draw_pause())

    async def _consume(self, channel: Channel, batches: MessageBatches) -> bool:
        """Store what arrives until the database cannot be used; then return every message to the queue.

        Returns:
            Whether a batch was stored before.
        """
        # Twice a batch: the next one arrives while this one is stored.
        deliveries, batch, is_stored = Deliveries(channel, CARDS, 2 * BATCH), list[Delivered](), False
        while True:
            try:
                batch = await _take_batch(deliveries.arrived, BATCH)
                async with self._in_flight:
                    await batches.process(batch)
                is_stored = True
            except StorageError as error:
                returned = len(batch) + deliveries.arrived.qsize()
                self.returned += returned
                measured.RETURNED.add(amount=returned)
                await deliveries.give_back()
                batches.forget()
                self._warn(error)
                return is_stored

    def _warn(self, error: StorageError) -> None:
        self._is_out = True
        self._throttle.log(
            logger.warning,
            "Database unavailable; clicks stay in the queue for other pumps",
            extra={"returned": self.returned, "error": str(error)},
        )

    async def _run_once(self, limit: int, seconds: float) -> int:
        taken, batches = 0, None
        try:
            async with asyncio.timeout(seconds), open_channel(self._broker) as channel:
                deliveries = Deliveries(channel, CARDS, min(limit, BATCH))
                await deliveries.begun  # Over a slow network, this alone takes longer than `_IDLE_SECONDS`.
                batches = MessageBatches(channel, self._store, self._broker)
                while taken < limit:
                    async with asyncio.timeout(_IDLE_SECONDS):
                        batch = await _take_batch(deliveries.arrived, min(limit - taken, BATCH))
                    taken += len(batch)
                    await batches.process(batch)
        except TimeoutError:
            if batches is None:
                reason = f"{self._broker} did not answer within {seconds:g} s"
                raise BrokerError(f"{reason}. Next: check that it runs.") from None
        return 0 if batches is None else batches.settled


async def _take_batch(arrived: asyncio.Queue[Delivered], limit: int) -> list[Delivered]:
    """Take the messages that have arrived, at least one: the slower the database, the larger the batch."""
    first = await arrived.get()
    return [first, *(arrived.get_nowait() for _ in range(min(limit - 1, arrived.qsize())))]
