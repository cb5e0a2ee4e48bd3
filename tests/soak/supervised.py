"""Processes that are killed and frozen, and are started again as a service manager does."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from tests.services.processes import at_exit

_LOOK_SECONDS, _AGAIN_SECONDS = 0.1, 0.5


class Startable(Protocol):
    """A process that can be started more than once, such as `commands.Command`."""

    process: subprocess.Popen[str] | None

    def start(self) -> str:
        """Start it and return its first line, or raise AssertionError if it ended instead."""


class Supervised:
    """Keeps a process running until told to stop.

    Args:
        name: What it is called.
        command: The process.
        note: Takes what happens to it, in words.

    Attributes:
        may_end: Whether it may end by itself.
        ended: How often it has ended by itself though it may not.
        fails: How often it ended instead of starting.
    """

    def __init__(self, name: str, command: Startable, note: Callable[[str], None]) -> None:
        self.name, self.may_end, self.ended, self.fails = name, False, 0, 0
        self._command, self._note = command, note
        self._stop, self._up, self._killed = asyncio.Event(), asyncio.Event(), False
        self._running: asyncio.Task[None] | None = None
        at_exit(self._kill)

    async def start(self) -> None:
        """Start it, and go on once it runs."""
        self._running = asyncio.create_task(self._run(), name=self.name)
        up = asyncio.create_task(self._up.wait())
        await asyncio.wait({self._running, up}, return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        if self._running.done():
            await self._running

    async def kill(self) -> None:
        """Kill it without a warning, and go on once it runs again."""
        self._killed = True
        self._up.clear()
        self._kill()
        await self._up.wait()

    def freeze(self) -> None:
        """Have it stand still."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        self._signal(signal.SIGCONT)

    async def stop(self) -> None:
        """End it for good. It is not asked first: what counts has been committed."""
        self._stop.set()
        while self._running is not None and not self._running.done():
            self._kill()  # again, since it may be starting just now
            await asyncio.wait({self._running}, timeout=_LOOK_SECONDS)
        self._up.set()
        if self._running is not None:
            await self._running

    async def _run(self) -> None:
        while not self._stop.is_set():
            try:
                await asyncio.to_thread(self._command.start)
            except AssertionError:
                self.fails += not self._killed
                await self._over()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), _AGAIN_SECONDS)
                continue
            self._killed = False
            self._up.set()
            code = await self._over()
            if not (self._killed or self._stop.is_set()):
                self.ended += not self.may_end
                self._note(f"{self.name} ended by itself with {code}")

    async def _over(self) -> int:
        """Wait until it has ended."""
        process = self._command.process
        assert process is not None
        while (code := process.poll()) is None:  # noqa: ASYNC110 - a process sets no event
            await asyncio.sleep(_LOOK_SECONDS)
        assert process.stdout is not None
        process.stdout.close()
        return code

    def _kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        process = self._command.process
        if process is not None and process.poll() is None:
            process.send_signal(number)
