"""Collect keys that arrive while a query runs, and query them together next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from lark_provider.support.futures import consume_exception

T = TypeVar("T")


class Batches(Generic[T]):
    """Runs one piece of work at a time, for all keys that arrived since the last one. For one event loop.

    Args:
        work: Awaited with the keys of a batch; its result, or its error, is that of each of them.
    """

    def __init__(self, work: Callable[[list[str]], Awaitable[T]]) -> None:
        self._work = work
        self._next: tuple[list[str], asyncio.Future[T]] | None = None
        self._running: asyncio.Task[None] | None = None

    async def join(self, key: str) -> T:
        """Add a key to the next batch, and return the result of that batch.

        A waiter that is cancelled does not cancel the batch.

        Args:
            key: The key.

        Raises:
            Exception: What the work raised.
        """
        if self._next is None:
            self._next = ([], asyncio.get_running_loop().create_future())
            self._next[1].add_done_callback(consume_exception)  # Its waiters may all be cancelled.
        keys, result = self._next
        keys.append(key)
        if self._running is None or self._running.done():
            self._running = asyncio.ensure_future(self._run())
        return await asyncio.shield(result)

    async def _run(self) -> None:
        while self._next is not None:
            (keys, result), self._next = self._next, None
            try:
                result.set_result(await self._work(keys))
            except Exception as error:  # noqa: BLE001 - the waiters get it
                result.set_exception(error)
