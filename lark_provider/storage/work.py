"""Blocking work on a database, awaited with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from lark_provider.protocol.errors import TransportError
from lark_provider.support import threads
from lark_provider.support.futures import consume_exception

T = TypeVar("T")


class DatabaseWork:
    """Run blocking work in threads, one at a time, each awaited with a deadline.

    A statement on a frozen database does not return, and the thread that waits for it cannot be stopped.
    Therefore no second thread starts before the first one has returned: a frozen database holds one thread.

    Args:
        seconds: The deadline of a caller, including the time for an earlier attempt that still runs.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._running: Future[Any] | None = None

    async def run(self, work: Callable[[], T]) -> T:
        """Run work in a thread and return its result.

        Args:
            work: May block. It is not interrupted at the deadline, and may still succeed.

        Raises:
            TransportError: It did not return in time.
            Exception: The work raised it.
        """
        try:
            async with asyncio.timeout(self._seconds):
                if self._running is not None and not self._running.done():
                    earlier = asyncio.wrap_future(self._running)
                    earlier.add_done_callback(consume_exception)
                    await asyncio.wait({earlier})
                running = self._running = threads.start(work)
                return await asyncio.wrap_future(running)
        except TimeoutError:
            raise TransportError(
                f"The database has not answered within {self._seconds:g} s. Next: check that it runs, and "
                "that it is not frozen, overloaded or locked."
            ) from None
