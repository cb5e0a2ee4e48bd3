"""Recognize events that Lark sends again: it repeats one for 7.1 hours if its answer was lost or late."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Collection
from typing import TYPE_CHECKING

from lark_provider import config
from lark_provider.callbacks.broker.dedup import compute_dedup_key
from lark_provider.protocol.callbacks import Event
from lark_provider.storage.work import DatabaseWork
from lark_provider.support.batches import Batches
from lark_provider.support.throttle import Throttle

if TYPE_CHECKING:
    from lark_provider.storage.inbox import Inbox

logger = logging.getLogger(__name__)

KEPT_SECONDS = 8 * 3600.0
CONSUMER = "lark-provider callbacks listen"
"""Under this name the events are in the table `handled_events`."""
_MAX_REMEMBERED = 50_000  # 9 MB
_LOOKUP_TIMEOUT_SECONDS = 0.8
_UNAVAILABLE_SECONDS = 5.0


class StoredEvents:
    """The events that listeners have stored: in a database if there is one, and the last ones in memory.

    Clicks need none of this: Lark does not repeat them, and the table of clicks is unique by app and event.
    A database that is unavailable delays no event: it is stored again then, and consumers that note what they
    have handled recognize it.

    Args:
        inbox: The database; None for memory alone.
    """

    def __init__(self, inbox: Inbox | None) -> None:
        self._inbox = inbox
        self._work = DatabaseWork(2 * _LOOKUP_TIMEOUT_SECONDS)
        self._last: OrderedDict[bytes, float] = OrderedDict()
        self._looks, self._notes = Batches(self._find_handled), Batches(self._write)
        self._unavailable_until = float("-inf")
        self._throttle = Throttle()

    @classmethod
    def from_config(cls) -> StoredEvents:
        """Return those of the configured database, if there is one.

        Raises:
            ConfigurationError: The settings of the database are invalid.
        """
        if not config.has_database():
            return cls(None)
        from lark_provider.storage import inbox, urls

        return cls(inbox.Inbox(urls.database()))

    async def has(self, event: Event) -> bool:
        """Return whether an event is known to be stored.

        Args:
            event: The event.
        """
        key, now = compute_dedup_key(event), asyncio.get_running_loop().time()
        while self._last and next(iter(self._last.values())) <= now:
            self._last.popitem(last=False)
        if _shorten(key) in self._last:
            return True
        return key in (await self._try(self._looks, key, now + _LOOKUP_TIMEOUT_SECONDS) or ())

    async def note(self, event: Event, deadline: float) -> None:
        """Note that an event is stored.

        Args:
            event: The event.
            deadline: When to stop waiting for the database, by the event loop's clock.
        """
        key = compute_dedup_key(event)
        self._last[_shorten(key)] = asyncio.get_running_loop().time() + KEPT_SECONDS
        if len(self._last) > _MAX_REMEMBERED:
            self._last.popitem(last=False)
        await self._try(self._notes, key, deadline)

    async def run(self) -> None:
        """Log counts of suppressed warnings, until cancelled."""
        await self._throttle.run()

    async def _find_handled(self, keys: list[str]) -> Collection[str]:
        assert self._inbox is not None  # noqa: S101 - `_try` sees to it
        inbox = self._inbox
        return await self._work.run(lambda: inbox.are_handled(CONSUMER, keys))

    async def _write(self, keys: list[str]) -> Collection[str]:
        assert self._inbox is not None  # noqa: S101 - `_try` sees to it
        inbox = self._inbox
        await self._work.run(lambda: inbox.note_all_handled(CONSUMER, keys))
        return keys

    async def _try(
        self, batches: Batches[Collection[str]], key: str, deadline: float
    ) -> Collection[str] | None:
        """Add a key to the next query; return None without a database, or if it does not answer in time."""
        loop = asyncio.get_running_loop()
        if self._inbox is None or loop.time() < self._unavailable_until:
            return None
        try:
            async with asyncio.timeout_at(deadline):
                return await batches.join(key)
        except Exception as error:  # noqa: BLE001 - whatever it is, the event must be stored and answered
            self._unavailable_until = loop.time() + _UNAVAILABLE_SECONDS
            self._warn("no answer in time" if isinstance(error, TimeoutError) else str(error))
            return None

    def _warn(self, error: str) -> None:
        self._throttle.log(
            logger.warning,
            "Database unavailable; repeated events are not recognized",
            extra={"error": error},
        )


def _shorten(key: str) -> bytes:
    return hashlib.blake2b(key.encode(), digest_size=16).digest()
