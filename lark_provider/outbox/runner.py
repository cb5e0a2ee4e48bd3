"""Deliver the outbox until stopped: in the pump, and as `lark-provider outbox run`."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from threading import Event as Stop
from typing import Any

from lark_provider.outbox.apps import OutboxApps
from lark_provider.outbox.delivering import Deliverer, replaces_cards
from lark_provider.protocol.errors import LarkError
from lark_provider.storage.outbox import Outbox
from lark_provider.support import threads
from lark_provider.support.backoff import Backoff
from lark_provider.support.throttle import Throttle

logger = logging.getLogger(__name__)

_IDLE_SECONDS = 1.0
_FIRST_PAUSE, _LAST_PAUSE = 0.5, 10.0
_DRAIN_SECONDS = 10.0
"""How long what is in flight may still be delivered when it is stopped."""


class OutboxRunner:
    """Deliver what is due, for all apps that this process knows. Any number may run at once.

    Args:
        idle_seconds: How long to wait when nothing is due.

    Raises:
        ConfigurationError: No database is configured, or `LARK_OUTBOX_NEW_CARD` is invalid.
    """

    def __init__(self, *, idle_seconds: float = _IDLE_SECONDS) -> None:
        replaces_cards()  # An invalid setting is an error now, and not when the first card is gone.
        self._outbox, self._apps = Outbox.from_config(), OutboxApps()
        self._idle, self._throttle = idle_seconds, Throttle()

    def run(self, stop: Stop) -> None:
        """Deliver until stopped, through every loss of the database or of Lark. Blocks.

        Args:
            stop: Stops it when set; what is in flight is delivered within some seconds.
        """
        asyncio.run(self.arun(stop))

    async def arun(self, stop: Stop) -> None:
        """Deliver until stopped, in the caller's event loop; see `run`."""
        stopped: asyncio.Future[bool] = asyncio.wrap_future(threads.start(stop.wait))
        delivering = asyncio.ensure_future(self._run_forever(stopped))
        either: set[asyncio.Future[Any]] = {delivering, stopped}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait([delivering], timeout=_DRAIN_SECONDS)
        delivering.cancel()
        with suppress(asyncio.CancelledError):
            await delivering

    async def _run_forever(self, stopped: asyncio.Future[bool]) -> None:
        deliverer, pauses = Deliverer(self._outbox, self._apps), Backoff(_FIRST_PAUSE, _LAST_PAUSE)
        try:
            while not stopped.done():
                try:
                    begun = await deliverer.begin_due()
                except (LarkError, TimeoutError) as error:
                    self._warn(error)
                    pause = pauses.draw_pause()
                except Exception as error:  # noqa: BLE001 - nothing restarts this alone: the pump runs it in a thread
                    self._log_unexpected(error)
                    pause = pauses.draw_pause()
                else:
                    pauses = Backoff(_FIRST_PAUSE, _LAST_PAUSE)
                    pause = 0.0 if begun else self._idle
                await asyncio.wait([stopped], timeout=pause)
            await deliverer.finish()
        finally:
            deliverer.cancel()

    def _log_unexpected(self, error: Exception) -> None:
        self._throttle.log(
            logger.error,
            "Outbox failed unexpectedly; retrying",
            extra={"error": repr(error)},
            exc_info=error,
            kind=type(error).__name__,
        )

    def _warn(self, error: Exception) -> None:
        reason = str(error) or "no answer in time"
        self._throttle.log(
            logger.warning,
            "Outbox unavailable; messages wait in the database",
            extra={"error": reason},
        )
