"""Write clicks straight into the database, from an event loop: all that came meanwhile in one transaction."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from lark_provider.core import threads
from lark_provider.protocol.callbacks import CardClick
from lark_provider.protocol.errors import LarkError, TransportError

if TYPE_CHECKING:
    from lark_provider.core.storage.inbox import Inbox

logger = logging.getLogger(__name__)

_BATCH = 500
_STORE_SECONDS = 2.5  # as long as anybody waits; a database that is frozen holds a thread, and no more
_AWAY_SECONDS = 5.0


class Writer:
    """Writes clicks into an inbox, in threads.

    Args:
        inbox: Where they go.
    """

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._waiting: list[tuple[CardClick, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._away_until = 0.0

    @property
    def is_up(self) -> bool:
        """Whether the last try succeeded, or is some time ago."""
        return asyncio.get_running_loop().time() >= self._away_until

    async def write(self, click: CardClick) -> None:
        """Write a click, with others; return when it is committed.

        Args:
            click: The click.

        Raises:
            LarkError: It is not in the database, as far as is known.
        """
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((click, written))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.ensure_future(self._write())
        await written

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
            await self._store([one for one in batch if not one[1].done()])  # somebody may have given up

    async def _store(self, batch: list[tuple[CardClick, asyncio.Future[None]]]) -> None:
        if not batch:
            return
        clicks = [click for click, _ in batch]
        error: Exception | None = None
        try:
            async with asyncio.timeout(_STORE_SECONDS):
                await asyncio.wrap_future(threads.start(lambda: self._inbox.store(clicks)))
        except TimeoutError:
            error = TransportError("The database does not answer. Next: check that it runs.")
        except Exception as raised:  # noqa: BLE001 - it belongs to who waits
            error = raised
        if isinstance(error, LarkError) and getattr(error, "unfit", False):
            if len(batch) > 1:
                for one in batch:  # one of them cannot be stored by anybody; the others can
                    await self._store([one])
                return
        elif error is not None:
            self._away_until = asyncio.get_running_loop().time() + _AWAY_SECONDS
        else:
            self._away_until = 0.0
        for _, written in batch:
            if written.done():
                continue
            if error is None:
                written.set_result(None)
            else:
                written.set_exception(error)
