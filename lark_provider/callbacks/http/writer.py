"""Write clicks straight into the database, from an event loop, many in one transaction."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from lark_provider.protocol.callbacks import Delivery
from lark_provider.protocol.errors import LarkError, TransportError
from lark_provider.storage.work import DatabaseWork
from lark_provider.support import threads

if TYPE_CHECKING:
    from lark_provider.storage.inbox import Inbox


_BATCH = 500
_STORE_SECONDS = 2.5  # As long as a click may take; a database that is frozen holds one thread.
_UNAVAILABLE_SECONDS = 5.0


class _Write(NamedTuple):
    """A delivery, and the future that is done once it is committed."""

    delivery: Delivery
    future: asyncio.Future[None]


class InboxWriter:
    """Writes clicks into an inbox, in threads.

    Args:
        inbox: Stores the clicks.
    """

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._waiting: list[_Write] = []
        self._writing: asyncio.Task[None] | None = None
        self._unavailable_until = 0.0
        # A database that takes longer than a click may is not ready.
        self._probes = DatabaseWork(_STORE_SECONDS)

    @property
    def is_up(self) -> bool:
        """Whether the last try succeeded, or is some time ago."""
        return asyncio.get_running_loop().time() >= self._unavailable_until

    async def probe(self) -> None:
        """Prove that the database takes clicks: an insert that is rolled back.

        Raises:
            LarkError: It does not, as far as is known.
        """
        await self._probes.run(self._inbox.check_writable)

    def write(self, delivery: Delivery) -> asyncio.Future[None]:
        """Write a click or a chat command, with others.

        Args:
            delivery: The click or the command.

        Returns:
            It is done when the delivery is committed, and raises a LarkError if that is not in the database,
            as far as is known. If it is cancelled before its transaction begins, nothing is written.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Write(delivery, future))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.ensure_future(self._write())
        return future

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
            await self._store(batch)

    async def _store(self, batch: list[_Write]) -> None:
        deliveries = [write.delivery for write in batch if not write.future.cancelled()]
        if not deliveries:
            return
        error: Exception | None = None
        try:
            await threads.run(partial(self._inbox.store, deliveries), _STORE_SECONDS)
        except TimeoutError:
            error = TransportError(
                f"The database did not answer within {_STORE_SECONDS:g} s. Next: check that it runs."
            )
        except Exception as raised:  # noqa: BLE001 - each writer gets it
            error = raised
        if isinstance(error, LarkError) and getattr(error, "permanent", False):
            if len(deliveries) > 1:
                for write in batch:  # One of them cannot be stored; the others can.
                    await self._store([write])
                return
        elif error is not None:
            self._unavailable_until = asyncio.get_running_loop().time() + _UNAVAILABLE_SECONDS
        else:
            self._unavailable_until = 0.0
        for write in batch:
            if write.future.done():
                continue
            if error is None:
                write.future.set_result(None)
            else:
                write.future.set_exception(error)
