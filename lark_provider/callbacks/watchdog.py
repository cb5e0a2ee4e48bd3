"""A process that is watched from outside: asked for signs of life, and replaced when they stop.

The two speak over a pair of sockets. The watchdog sends the settings as one line, and nothing after it: when
its end is closed, for whatever reason, the watched process is to leave. That one sends a line for each sign.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from lark_provider.protocol.errors import ConfigurationError

logger = logging.getLogger(__name__)

UP, DOWN, LOST, REFUSED = "up", "down", "lost", "refused"
"""It works; it lives, and tries to work; it has given up; it cannot work as things are configured."""
_LONGEST_TEXT = 1000


@dataclass(frozen=True, slots=True)
class Patience:
    """For how long a process is waited for, in seconds.

    Attributes:
        begin: For its first sign.
        silence: For each one after that.
        leave: For its end, when it was told to leave or has given up.
        first_pause: Before it is started anew for the first time; then twice as long each time,
        last_pause: up to this,
        steady: until one has worked for so long.
    """

    begin: float = 60.0
    silence: float = 20.0
    leave: float = 6.0
    first_pause: float = 1.0
    last_pause: float = 60.0
    steady: float = 60.0


class Watched:
    """The watched process's side.

    Attributes:
        settings: The line that the watchdog has sent.
    """

    def __init__(self, settings: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.settings, self._reader, self._writer = settings, reader, writer

    @classmethod
    async def attach(cls, number: int) -> Self:
        """Begin to be watched.

        Args:
            number: The file descriptor of the socket: the last argument of this process.
        """
        ours = socket.socket(fileno=number)
        ours.set_inheritable(False)  # or a process that a handler starts would keep it open when we are gone
        reader, writer = await asyncio.open_connection(sock=ours)
        return cls(await reader.readline(), reader, writer)

    def say(self, sign: str, why: str = "") -> None:
        """Give a sign.

        Args:
            sign: `UP`, `DOWN`, `LOST` or `REFUSED`.
            why: Why it is one of the last two.
        """
        line = " ".join([sign, *why.split()])[:_LONGEST_TEXT]
        self._writer.write(line.encode() + b"\n")

    async def told_to_leave(self) -> None:
        """Return when it is time to leave."""
        with suppress(ConnectionError):
            await self._reader.read()


class Watchdog:
    """Keeps a process running.

    Args:
        command: Starts it; the number of a file descriptor is added to it, for `Watched.attach`.
        settings: One line.
        patience: For how long to wait.
    """

    def __init__(self, command: Sequence[str], settings: bytes, patience: Patience) -> None:
        self._command, self._settings, self._patience = command, settings, patience
        self._was_up = False
        self._up_since: float | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Start the process, and start another whenever need be.

        Args:
            stop: Ends this when the process has left.

        Raises:
            ConfigurationError: The process says that it cannot work, and never has.
        """
        stopped = asyncio.ensure_future(stop.wait())
        pauses = self._pauses()
        try:
            while (why := await self._one(stopped)) is not None:
                if self._up_since is not None and time.monotonic() - self._up_since >= self._patience.steady:
                    pauses = self._pauses()
                pause = next(pauses)
                logger.warning("%s Starting anew in %.1f s.", why, pause)
                await asyncio.wait({stopped}, timeout=pause)
                if stopped.done():
                    return
        finally:
            stopped.cancel()

    def _pauses(self) -> Iterator[float]:
        pause = self._patience.first_pause
        while True:
            yield pause * random.uniform(0.5, 1.5)  # noqa: S311 - so that many do not come back at once
            pause = min(2 * pause, self._patience.last_pause)

    async def _one(self, stopped: asyncio.Future[Any]) -> str | None:
        """Start a process, and stay with it to its end.

        Returns:
            Why it ended, in a sentence; None if it was to.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                str(theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # an interrupt from the keyboard is for us, who tell it to leave
            )
        reader, writer = await asyncio.open_connection(sock=ours)
        self._up_since = None
        try:
            writer.write(self._settings + b"\n")
            why = await self._followed(process, reader, stopped)
        finally:
            writer.close()
            await self._ended(process)
        return f"The process ended with {process.returncode}." if why == "" else why

    async def _followed(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, stopped: asyncio.Future[Any]
    ) -> str | None:
        """Take signs as long as they are good; return as `_one`, or an empty text when they ended."""
        seconds, state = self._patience.begin, DOWN
        while True:
            reading = asyncio.ensure_future(reader.readline())
            waited: set[asyncio.Future[Any]] = {reading, stopped}
            await asyncio.wait(waited, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if stopped.done() or not reading.done():
                reading.cancel()
                if stopped.done():
                    return None
                _kill(process)  # it would not hear that it is to leave
                return f"There was no sign of life for {seconds:g} s."
            try:
                sign, _, why = reading.result().decode().rstrip("\n").partition(" ")
            except ConnectionError:
                sign, why = "", ""
            if sign not in {UP, DOWN}:
                if sign == REFUSED and not self._was_up:
                    raise ConfigurationError(why)
                return why
            if sign == UP and self._up_since is None:
                self._was_up, self._up_since = True, time.monotonic()
            if sign != state:
                logger.info("The long connection is %s.", sign)
            state, seconds = sign, self._patience.silence

    async def _ended(self, process: asyncio.subprocess.Process) -> None:
        try:
            async with asyncio.timeout(self._patience.leave):
                await process.wait()
        except TimeoutError:
            _kill(process)
            await process.wait()


def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
