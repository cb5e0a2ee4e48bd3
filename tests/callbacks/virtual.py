"""An event loop whose time jumps to the next timer as soon as nothing else is to be done."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    slept = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Select without blocking; count the timeout as time that was skipped."""
        ready = super().select(None if timeout is None else 0)
        if not ready and timeout:
            self.slept += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its clock starts at 0 and stands still while code runs."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Return the seconds that were skipped since the loop was made."""
        return self._virtual.slept


def run_to_end(work: Callable[[], Awaitable[T]]) -> tuple[T, float]:
    """Run to the end.

    Returns:
        The result, and how many seconds it took by the loop's clock.
    """

    async def run() -> tuple[T, float]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        return await work(), loop.time() - began

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(run())


def never(*_: Any) -> asyncio.Future[Any]:
    """Return a future that is never resolved."""
    return asyncio.get_running_loop().create_future()
