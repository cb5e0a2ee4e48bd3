"""Deliver the outbox until stopped: in the bridge, in the pump, and as `lark-provider outbox run`."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from threading import Event as Stop
from typing import TYPE_CHECKING

from lark_provider.outbox.apps import Apps
from lark_provider.outbox.delivering import Deliverer
from lark_provider.protocol.errors import LarkError
from lark_provider.storage import urls
from lark_provider.support import threads
from lark_provider.support.backoff import Backoff
from lark_provider.support.throttle import Throttle

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

logger = logging.getLogger(__name__)

_IDLE_SECONDS = 1.0
_FIRST_PAUSE, _LAST_PAUSE = 0.5, 10.0
_DRAIN_SECONDS = 10.0
"""For how long what is in flight may still be delivered when it is stopped."""


class OutboxRunner:
    """Delivers what is due, for all apps that this process knows. Any number may run at once.

    Args:
        url: The database.
        apps: The apps; else those of the environment and the registry.
        idle_seconds: How long to wait when nothing is due.
    """

    def __init__(self, url: URL, apps: Apps | None = None, *, idle_seconds: float = _IDLE_SECONDS) -> None:
        self._url, self._idle = url, idle_seconds
        self._apps = apps or Apps(url.render_as_string(hide_password=False))
        self._warnings = Throttle()

    @classmethod
    def configured(cls, database_url: str | None = None) -> OutboxRunner:
        """Return a runner for the configured database.

        Args:
            database_url: Else `LARK_DATABASE_URL` or `POSTGRES_*`.

        Raises:
            ConfigurationError: No database is configured.
        """
        return cls(urls.database(database_url))

    def run(self, stop: Stop) -> None:
        """Deliver until stopped, through every loss of the database or of Lark. Blocks.

        Args:
            stop: Stops it when set; what is in flight is delivered within some seconds.
        """
        asyncio.run(self.arun(stop))

    async def arun(self, stop: Stop) -> None:
        """Deliver until stopped, in the caller's event loop; see `run`."""
        delivering = asyncio.ensure_future(self._forever(stop))
        stopped = asyncio.wrap_future(threads.start(stop.wait))
        await asyncio.wait({delivering, stopped}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({delivering}, timeout=_DRAIN_SECONDS)
        delivering.cancel()
        with suppress(asyncio.CancelledError):
            await delivering

    async def _forever(self, stop: Stop) -> None:
        deliverer, pauses = Deliverer(self._url, self._apps), Backoff(_FIRST_PAUSE, _LAST_PAUSE)
        while not stop.is_set():
            try:
                tried = await deliverer.once()
            except (LarkError, TimeoutError) as error:
                self._warn(error)
                pause = pauses.next()
            else:
                pauses = Backoff(_FIRST_PAUSE, _LAST_PAUSE)
                pause = 0.0 if tried else self._idle
            await _slept(stop, pause)

    def _warn(self, error: Exception) -> None:
        reason = str(error) or "no answer in time"

        def log(suppressed: int) -> None:
            extra = {"error": reason, "suppressed": suppressed}
            logger.warning("Outbox unavailable; messages wait in the database", extra=extra)

        self._warnings.note("unavailable", log)


async def _slept(stop: Stop, seconds: float) -> None:
    """Sleep, and end early when stopped."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while not stop.is_set() and (left := until - loop.time()) > 0:
        await asyncio.sleep(min(left, 0.2))
