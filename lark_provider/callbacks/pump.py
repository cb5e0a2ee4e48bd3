"""From RabbitMQ into the database: take a batch, commit it, and only then acknowledge it.

A message is acknowledged when its click is in the database, or when it stands among the dead with the reason.
While the database is away the messages are held: nothing is given back to the broker to be delivered again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Event as Stop
from typing import Any

from pika.channel import Channel

from lark_provider.callbacks.amqp import Broker
from lark_provider.callbacks.confirms import Confirms
from lark_provider.callbacks.link import Delivered, Pauses, connected, deliveries, keep_connected
from lark_provider.callbacks.topology import CARDS
from lark_provider.core import threads
from lark_provider.core.storage.errors import StorageError
from lark_provider.core.storage.inbox import Inbox
from lark_provider.protocol.callbacks import BrokerError, CallbackRefusedError, CardClick

logger = logging.getLogger(__name__)

BATCH = 500
_IDLE_SECONDS = 0.1
_GRACE_SECONDS = 5.0
_FIRST_PAUSE, _LAST_PAUSE = 0.5, 10.0


class Pump:
    """Takes clicks from the queue into the inbox; any number may run at once.

    Args:
        broker: Where the queue is.
        inbox: Where the clicks go.
    """

    def __init__(self, broker: Broker, inbox: Inbox) -> None:
        self._broker, self._inbox = broker, inbox

    def run(self, stop: Stop) -> None:
        """Pump until told to stop, through every loss of the broker or the database.

        Args:
            stop: Ends it.
        """
        asyncio.run(self._run(stop))

    def once(self, *, most: int = BATCH, seconds: float = 2.0) -> int:
        """Pump what is there, as one who waits does: at most so many, for at most so long.

        Args:
            most: Messages.
            seconds: Time; what is not in the database by then stays in the queue.

        Returns:
            How many messages were dealt with.

        Raises:
            BrokerError: The broker is away, or refuses us.
            StorageError: The database cannot be used.
        """
        # In a thread of its own: this one may have a loop that runs, and even a name server may be frozen.
        pumping = threads.start(lambda: asyncio.run(self._once(most, seconds)))
        try:
            return pumping.result(seconds + _GRACE_SECONDS)
        except TimeoutError:
            raise BrokerError(f"{self._broker} does not answer. Next: check that it runs.") from None

    async def _run(self, stop: Stop) -> None:
        pumping = asyncio.ensure_future(keep_connected(self._broker, self._forever))
        stopped = asyncio.wrap_future(threads.start(stop.wait))
        either: set[asyncio.Future[Any]] = {pumping, stopped}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        pumping.cancel()
        with suppress(asyncio.CancelledError):
            await pumping

    async def _forever(self, channel: Channel) -> None:
        # Twice a batch: the next one arrives while this one is stored.
        arrived = deliveries(channel, CARDS, 2 * BATCH)
        work = _Work(channel, self._inbox, str(self._broker), patient=True)
        while True:
            await work.done(await _batch(arrived, BATCH))

    async def _once(self, most: int, seconds: float) -> int:
        done, is_connected = 0, False
        try:
            async with asyncio.timeout(seconds), connected(self._broker) as channel:
                is_connected = True
                arrived = deliveries(channel, CARDS, min(most, BATCH))
                work = _Work(channel, self._inbox, str(self._broker), patient=False)
                while done < most:
                    async with asyncio.timeout(_IDLE_SECONDS):
                        batch = await _batch(arrived, min(most - done, BATCH))
                    await work.done(batch)
                    done += len(batch)
        except TimeoutError:
            if not is_connected:
                reason = f"{self._broker} did not answer within {seconds} s. Next: check that it runs."
                raise BrokerError(reason) from None
        return done


async def _batch(arrived: asyncio.Queue[Delivered], most: int) -> list[Delivered]:
    """What is there, and at least one: the slower the database, the larger the batch."""
    first = await arrived.get()
    return [first, *(arrived.get_nowait() for _ in range(min(most - 1, arrived.qsize())))]


@dataclass(frozen=True, slots=True)
class _Message:
    """A message with a click in it."""

    delivered: Delivered
    click: CardClick


class _Work:
    """What is done with messages that came on a channel.

    Args:
        channel: The channel.
        inbox: Where the clicks go.
        where: Names the broker in errors.
        patient: Whether a database that is away is waited for.
    """

    def __init__(self, channel: Channel, inbox: Inbox, where: str, *, patient: bool) -> None:
        self._channel, self._inbox, self._patient = channel, inbox, patient
        self._confirms = Confirms(channel, where)

    async def done(self, batch: Sequence[Delivered]) -> None:
        """Store a batch, bury what cannot be stored, and acknowledge all of it.

        Args:
            batch: As it came, without gaps.

        Raises:
            StorageError: The database cannot be used, and is not waited for.
        """
        clicks = [message for delivered in batch if (message := await self._read(delivered)) is not None]
        await self._store(clicks)
        self._channel.basic_ack(batch[-1].tag, multiple=True)

    async def _read(self, delivered: Delivered) -> _Message | None:
        try:
            click = delivered.read()
        except CallbackRefusedError as error:
            await self._confirms.bury(delivered, str(error))
            return None
        if not isinstance(click, CardClick):
            await self._confirms.bury(delivered, f"It is an event of type {click.type}, and no click.")
            return None
        return _Message(delivered, click)

    async def _store(self, batch: Sequence[_Message]) -> None:
        """Bring a batch into the database. What nobody can store is found by halves; the others go on."""
        if not batch:
            return
        error = await self._unfit(batch)
        if error is None:
            return
        if len(batch) == 1:
            await self._confirms.bury(batch[0].delivered, str(error))
            return
        middle = len(batch) // 2
        await self._store(batch[:middle])
        await self._store(batch[middle:])

    async def _unfit(self, batch: Sequence[_Message]) -> StorageError | None:
        """Store a batch, however long that takes; return why not, if what is in it is at fault."""
        pauses, is_held = Pauses(_FIRST_PAUSE, _LAST_PAUSE), False
        clicks = [message.click for message in batch]
        while True:
            try:
                await asyncio.wrap_future(threads.start(lambda: self._inbox.store(clicks)))
            except StorageError as error:
                if error.unfit:
                    return error
                if not self._patient:
                    raise
                if not is_held:
                    is_held = True
                    logger.warning("%d clicks are held until the database is back: %s", len(batch), error)
                await asyncio.sleep(pauses.next())
            else:
                if is_held:
                    logger.info("The database is back: %d clicks that were held are stored.", len(batch))
                return None
