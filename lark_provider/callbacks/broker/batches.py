"""Store the messages of a channel in batches, dead-letter what can never be stored, and acknowledge both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pika.channel import Channel

from lark_provider.callbacks.broker.amqp import Broker
from lark_provider.callbacks.broker.confirms import Confirms
from lark_provider.callbacks.broker.dead_lettering import DeadLettering
from lark_provider.callbacks.broker.link import Delivered
from lark_provider.protocol.callbacks import CallbackRefusedError, Delivery, Event
from lark_provider.protocol.commands.message import find_command
from lark_provider.protocol.errors import TransportError
from lark_provider.storage.errors import StorageError
from lark_provider.storage.inbox import Inbox
from lark_provider.storage.work import DatabaseWork

T = TypeVar("T")
_STORE_SECONDS = 5.0
"""How long a batch is held while the database does not answer: as long as it takes to connect at most."""


class InboxWithDeadline:
    """The inbox, used in threads and within a deadline.

    Args:
        inbox: Stores the clicks.
    """

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._work = DatabaseWork(_STORE_SECONDS)

    async def check(self) -> None:
        """Prove that clicks can be stored.

        Raises:
            StorageError: They cannot; or the database has not answered in time, which is `retryable`.
        """
        await self._ask(self._inbox.check_writable)

    async def store(self, deliveries: Sequence[Delivery]) -> None:
        """Store clicks and chat commands.

        Args:
            deliveries: All are stored, or none.

        Raises:
            StorageError: As for `Inbox.store`, or as for `check`.
        """
        await self._ask(lambda: self._inbox.store(deliveries))

    async def _ask(self, work: Callable[[], T]) -> T:
        try:
            return await self._work.run(work)
        except TransportError as error:
            raise StorageError(str(error), retryable=True) from None


@dataclass(frozen=True, slots=True)
class _Message:
    """A message with a click or a chat command in it."""

    delivered: Delivered
    content: Delivery


@dataclass(frozen=True, slots=True)
class _Refused:
    """A message that can never be stored, and why."""

    delivered: Delivered
    reason: str


class MessageBatches:
    """Stores, dead-letters and acknowledges the messages of a channel, a batch at a time.

    Args:
        channel: The channel; nothing else publishes on it.
        store: Stores the clicks.
        broker: The broker of the channel.

    Attributes:
        settled: How many messages were stored or dead-lettered, and acknowledged.
    """

    def __init__(self, channel: Channel, store: InboxWithDeadline, broker: Broker) -> None:
        self._channel, self._store = channel, store
        self._dead_lettering = DeadLettering(Confirms(channel, str(broker)), broker)
        self.settled = 0

    async def process(self, batch: Sequence[Delivered]) -> None:
        """Store a batch, acknowledge what is stored, and then dead-letter what cannot be stored.

        What cannot be dead-lettered either stays unacknowledged, and returns to its queue after a pause.

        Args:
            batch: As it came, without gaps.

        Raises:
            StorageError: The database cannot be used. Nothing is acknowledged or dead-lettered.
        """
        clicks, refused = list[_Message](), list[_Refused]()
        for delivered in batch:
            try:
                clicks.append(_Message(delivered, _read(delivered)))
            except CallbackRefusedError as error:
                refused.append(_Refused(delivered, str(error)))
        refused += await self._store_all(clicks)
        # First what is stored: a broker that takes no dead letters must not hold the clicks.
        self._acknowledge(batch, refused)
        moving = [self._dead_lettering.move(message.delivered, message.reason) for message in refused]
        self.settled += sum(await asyncio.gather(*moving))

    def forget(self) -> None:
        """Forget the messages that are to return to their queue: all of the channel were returned."""
        self._dead_lettering.forget()

    def _acknowledge(self, batch: Sequence[Delivered], refused: Sequence[_Refused]) -> None:
        left_out = {message.delivered.tag for message in refused}
        stored = [delivered.tag for delivered in batch if delivered.tag not in left_out]
        if left_out or self._dead_lettering.holds_any:
            for tag in stored:
                self._channel.basic_ack(tag)
        else:
            self._channel.basic_ack(stored[-1], multiple=True)
        self.settled += len(stored)

    async def _store_all(self, batch: Sequence[_Message]) -> list[_Refused]:
        """Store a batch, and bisect it where the database refuses what is in it; return what it refuses."""
        if not batch:
            return []
        try:
            await self._store.store([message.content for message in batch])
        except StorageError as error:
            if not error.permanent:
                raise
            if len(batch) == 1:
                return [_Refused(batch[0].delivered, str(error))]
        else:
            return []
        middle = len(batch) // 2
        return [*await self._store_all(batch[:middle]), *await self._store_all(batch[middle:])]


def _read(delivered: Delivered) -> Delivery:
    """Return the click or the chat command in a message.

    Raises:
        CallbackRefusedError: It holds neither.
    """
    content = delivered.read()
    if isinstance(content, Event) and find_command(content) is None:
        raise CallbackRefusedError(
            f"The message is an event of type {content.type}, not a click. Next: remove the binding that "
            "routes events to the click queue."
        )
    return content
