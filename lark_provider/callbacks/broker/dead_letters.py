"""Dead letters: look at them, requeue them, purge them, and lose none when killed in between.

Messages are taken and not acknowledged; when the visit ends, for whatever reason, RabbitMQ
returns them to the queue in their order. Meanwhile no other visit sees them. One that is requeued is
acknowledged only when RabbitMQ has confirmed its copy: a kill in between leaves both, and the inbox stores
them once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from pika.channel import Channel

from lark_provider.callbacks.broker.amqp import Broker, make_broker_error
from lark_provider.callbacks.broker.confirms import Confirms
from lark_provider.callbacks.broker.dead_letter import DeadLetter, clean_headers
from lark_provider.callbacks.broker.link import Deliveries, declare, open_channel
from lark_provider.callbacks.broker.topology import DEAD
from lark_provider.protocol.callbacks import BrokerError

_STEP_SECONDS, _IDLE_SECONDS, _ALONE_SECONDS = 15.0, 0.5, 3.0
_MAX_PREFETCH = 65_535  # AMQP's largest prefetch
_CHUNK = 100
"""How many copies may be unconfirmed at a time, and so how many a kill may double."""


class _Visit:
    """A walk over the dead letters, the oldest first.

    Args:
        channel: The channel; nothing else uses it.
        broker: The broker.
        total: How many there are, as far as RabbitMQ says: those that it is just returning do not count.
        limit: How many may be taken and neither requeued nor removed.
    """

    def __init__(self, channel: Channel, broker: Broker, total: int, limit: int) -> None:
        self._channel, self.total = channel, total
        self._confirms = Confirms(channel, str(broker))
        # A consumer, since what basic.get takes is not returned in order after a kill.
        self._deliveries = Deliveries(channel, DEAD, limit)
        self._most, self._held = limit, 0

    async def iterate_letters(self) -> AsyncIterator[DeadLetter]:
        """Yield each one, until no more come."""
        visited = 0
        while self._held < self._most:
            try:
                async with asyncio.timeout(_STEP_SECONDS if visited < self.total else _IDLE_SECONDS):
                    delivered = await self._deliveries.arrived.get()
            except TimeoutError:
                return
            visited, self._held = visited + 1, self._held + 1
            self.total = max(self.total, visited)
            yield DeadLetter.read(delivered)

    async def leave(self) -> None:
        """Return all that were taken, now and not only when RabbitMQ has noticed the end."""
        async with asyncio.timeout(_STEP_SECONDS):
            await self._deliveries.give_back()

    async def requeue(self, letters: Iterable[DeadLetter], done: Callable[[DeadLetter], object]) -> None:
        """Publish copies to the queues that they came from, and acknowledge what is confirmed.

        Args:
            letters: Those to requeue; each has a `target`.
            done: Called with each that is requeued.

        Raises:
            BrokerError: One was not confirmed; it stays a dead letter.
            TimeoutError: One was not confirmed in time; likewise.
        """
        copies = {asyncio.ensure_future(self._copy(letter)): letter for letter in letters}
        if not copies:
            return
        ended, pending = await asyncio.wait(copies, timeout=_STEP_SECONDS)
        for copy in pending:
            copy.cancel()
        for copy, letter in copies.items():
            if copy in ended and copy.exception() is None:
                self.remove(letter)
                done(letter)
        for copy in ended:
            copy.result()
        if pending:
            raise TimeoutError

    async def _copy(self, letter: DeadLetter) -> None:
        body, name = letter.delivered.body, letter.delivered.properties.message_id or ""
        await self._confirms.publish("", letter.target or "", body, name, clean_headers(letter))

    def remove(self, letter: DeadLetter) -> None:
        """Acknowledge one, which is gone then."""
        self._channel.basic_ack(letter.delivered.tag)
        self._held -= 1


async def _check_alone(channel: Channel, broker: Broker) -> None:
    """Check that no other command looks at the queue: neither of the two would see all of it.

    Quorum queues know no exclusive consumers. One that was killed is counted for a moment longer.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _ALONE_SECONDS
    while True:
        answered: asyncio.Future[Any] = loop.create_future()
        channel.queue_declare(DEAD.name, passive=True, callback=answered.set_result)
        async with asyncio.timeout(_STEP_SECONDS):
            consumers = (await answered).method.consumer_count
        if consumers <= 1:
            return
        if loop.time() > deadline:
            raise BrokerError(
                f"{broker}: queue {DEAD.name!r} has {consumers - 1} other consumer(s), and one command "
                "reads it at a time. Next: run this again when the other one has ended."
            )
        await asyncio.sleep(_IDLE_SECONDS)


@asynccontextmanager
async def _open_visit(broker: Broker, limit: int = _MAX_PREFETCH) -> AsyncIterator[_Visit]:
    try:
        async with open_channel(broker) as channel:
            total = (await declare(channel, broker.queue_type))[DEAD.name]
            visit = _Visit(channel, broker, total, min(limit, _MAX_PREFETCH))
            try:
                await _check_alone(channel, broker)
                yield visit
            finally:
                if channel.is_open:
                    await visit.leave()
    except TimeoutError as error:
        raise make_broker_error(broker, TimeoutError(f"no answer within {_STEP_SECONDS:g} s")) from error


def _accept_all(_: DeadLetter) -> bool:
    return True


def find(
    broker: Broker, limit: int, wanted: Callable[[DeadLetter], bool] = _accept_all
) -> tuple[list[DeadLetter], int]:
    """Look at dead letters, the oldest first, and leave them in the queue.

    Args:
        broker: The broker.
        limit: How many dead letters to return at most.
        wanted: Returns whether a dead letter is to be returned; by default each is.

    Returns:
        Those, and how many dead letters there are in all.

    Raises:
        BrokerError: The broker is unavailable.
    """

    async def work() -> tuple[list[DeadLetter], int]:
        letters: list[DeadLetter] = []
        async with _open_visit(broker, limit if wanted is _accept_all else _MAX_PREFETCH) as visit:
            async for letter in visit.iterate_letters():
                if wanted(letter):
                    letters.append(letter)
                if len(letters) >= limit:
                    break
            return letters, visit.total

    return asyncio.run(work())


def requeue(
    broker: Broker, wanted: Callable[[DeadLetter], bool], done: Callable[[DeadLetter], object]
) -> list[DeadLetter]:
    """Requeue dead letters to where they came from, in their order.

    Args:
        broker: The broker.
        wanted: Returns whether a dead letter is to be requeued.
        done: Called with each dead letter that was requeued.

    Returns:
        Those that cannot be requeued, since nothing tells where they came from. They stay.

    Raises:
        BrokerError: The broker is unavailable, or refuses one. The others are requeued once, or stay.
    """

    async def work() -> list[DeadLetter]:
        stay: list[DeadLetter] = []
        chosen: list[DeadLetter] = []
        copied: set[tuple[str, int]] = set()
        async with _open_visit(broker) as visit:
            async for letter in visit.iterate_letters():
                if (letter.id, letter.requeued) in copied:
                    continue  # It was requeued just now, and has failed again.
                if wanted(letter):
                    (stay if letter.target is None else chosen).append(letter)
                    copied.add((letter.id, letter.requeued + 1))
                if len(chosen) == _CHUNK:
                    await visit.requeue(chosen, done)
                    chosen.clear()
            await visit.requeue(chosen, done)
        return stay

    return asyncio.run(work())


def purge(broker: Broker, wanted: Callable[[DeadLetter], bool], done: Callable[[DeadLetter], object]) -> None:
    """Delete dead letters.

    Args:
        broker: The broker.
        wanted: Returns whether a dead letter is to be deleted.
        done: Called with each dead letter that was deleted.

    Raises:
        BrokerError: The broker is unavailable.
    """

    async def work() -> None:
        async with _open_visit(broker) as visit:
            async for letter in visit.iterate_letters():
                if wanted(letter):
                    visit.remove(letter)
                    done(letter)

    asyncio.run(work())
