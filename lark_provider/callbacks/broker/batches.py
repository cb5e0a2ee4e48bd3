"""Store the messages of a channel in batches, dead-letter what can never be stored, and acknowledge both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pika.channel import Channel

from lark_provider.callbacks.broker.confirms import Confirms
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


class MessageBatches:
    """Stores, dead-letters and acknowledges the messages of a channel, a batch at a time.

    Args:
        channel: The channel.
        store: Stores the clicks.
        where: Names the broker in errors.
    """

    def __init__(self, channel: Channel, store: InboxWithDeadline, where: str) -> None:
        self._channel, self._store = channel, store
        self._confirms = Confirms(channel, where)
        self._dead_lettered = set[int]()

    async def process(self, batch: Sequence[Delivered]) -> None:
        """Store a batch, dead-letter what cannot be stored, and acknowledge all of it.

        Args:
            batch: As it came, without gaps.

        Raises:
            StorageError: The database cannot be used. What was dead-lettered is acknowledged, and no more.
        """
        self._dead_lettered.clear()
        clicks = [message for delivered in batch if (message := await self._read(delivered)) is not None]
        await self._store_all(clicks)
        # A tag may be acknowledged once only, so the last one that was not is named.
        left = [delivered.tag for delivered in batch if delivered.tag not in self._dead_lettered]
        if left:
            self._channel.basic_ack(left[-1], multiple=True)

    async def _read(self, delivered: Delivered) -> _Message | None:
        try:
            content = delivered.read()
        except CallbackRefusedError as error:
            await self._dead_letter(delivered, str(error))
            return None
        if isinstance(content, Event) and find_command(content) is None:
            await self._dead_letter(
                delivered,
                f"The message is an event of type {content.type}, not a click. Next: remove the binding "
                "that routes events to the click queue.",
            )
            return None
        return _Message(delivered, content)

    async def _dead_letter(self, delivered: Delivered, reason: str) -> None:
        """Dead-letter a message, and acknowledge it at once: it must not be dead-lettered a second time."""
        await self._confirms.dead_letter(delivered, reason)
        self._channel.basic_ack(delivered.tag)
        self._dead_lettered.add(delivered.tag)

    async def _store_all(self, batch: Sequence[_Message]) -> None:
        """Store a batch, and bisect it where the database refuses what is in it, so that the others go on."""
        if not batch:
            return
        try:
            await self._store.store([message.content for message in batch])
        except StorageError as error:
            if not error.permanent:
                raise
            if len(batch) == 1:
                await self._dead_letter(batch[0].delivered, str(error))
                return
        else:
            return
        middle = len(batch) // 2
        await self._store_all(batch[:middle])
        await self._store_all(batch[middle:])
