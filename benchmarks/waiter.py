"""Triggers that wait, in a process of their own, as a triggerer runs them: `python -m benchmarks.waiter URL`.

The URL is the database's; `[lark]` names it, and the broker, in the environment. It reads jobs as a worker
does, the first of them `wait`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit

import sqlalchemy as sa

from benchmarks.processes import LIFE_SECONDS
from lark_provider.callbacks import waiting
from lark_provider.protocol.waits import Wait
from lark_provider.storage import urls
from lark_provider.storage.engine import get_engine
from lark_provider.storage.inbox import Inbox
from lark_provider.triggers import LarkCardCallbackTrigger

_PATIENCE, _QUIET_SECONDS = 60.0, 10.0
_ESTABLISHED = "01"


class Waiter:
    """The triggers of a process.

    Args:
        database: The URL of the database.
        broker: The URL of RabbitMQ.
    """

    def __init__(self, database: str, broker: str) -> None:
        url = urls.parse(database, "the benchmark's database")
        self._ports = [urlsplit(address).port for address in (broker, database)]
        self._here = Inbox(url).read_database_id()
        self._hub = waiting.get_hub(database, broker)
        self._fired: dict[str, float] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._statements = 0
        sa.event.listen(get_engine(url), "before_cursor_execute", self._count)

    def _count(self, *_: object) -> None:
        self._statements += 1

    async def _run(self, number: int) -> None:
        message = f"om_{number}"
        trigger = LarkCardCallbackTrigger(asdict(Wait(f"k{number}", (message,))), self._here)
        async for _ in trigger.run():
            self._fired[message] = time.monotonic()

    async def wait(self, count: int) -> dict[str, float]:
        """Let triggers wait, and look on while nothing happens.

        Returns:
            `kb` of memory for each, the `queries` of all in a second, and the process's connections to the
            broker and to the database.
        """
        await self._begin(1)  # with what is loaded for any number
        before = _resident()
        await self._begin(count)
        kb = (_resident() - before) / count / 1024
        statements, started = self._statements, time.monotonic()
        await asyncio.sleep(_QUIET_SECONDS)
        queries = (self._statements - statements) / (time.monotonic() - started)
        amqp, sql = (_connections(port) for port in self._ports)
        return {"kb": kb, "queries": queries, "amqp": amqp, "sql": sql}

    async def _begin(self, count: int) -> None:
        first = len(self._tasks)
        self._tasks += [asyncio.ensure_future(self._run(number)) for number in range(first, first + count)]
        await _until(lambda: len(self._hub._pending) == len(self._tasks))  # noqa: SLF001 - how many wait is told to nobody
        asked_for_all = self._statements + 2  # one may have been under way
        await _until(lambda: self._statements >= asked_for_all)

    async def wait_until_fired(self, count: int) -> dict[str, float]:
        """Wait until so many triggers have fired, and return when each fired, by message id."""
        await _until(lambda: len(self._fired) >= count)
        return self._fired

    async def leave(self) -> None:
        """Cancel all triggers."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(_PATIENCE):
        while not done():  # noqa: ASYNC110 - what is looked at sets no event
            await asyncio.sleep(0.01)


def _resident() -> int:
    """Return the resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _connections(port: int | None) -> int:
    """Return how many TCP connections this process has to a port."""
    files = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the listing's own
            files.add(str(descriptor.readlink()))
    count = 0
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/self/net", table).read_text(encoding="ascii").splitlines()[1:]:
            row = line.split()
            remote, state, inode = row[2], row[3], row[9]
            is_ours = state == _ESTABLISHED and f"socket:[{inode}]" in files
            count += is_ours and int(remote.rpartition(":")[2], 16) == port
    return count


async def work(database: str, broker: str) -> None:
    """Answer jobs until there are no more."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # Airflow logs to the standard output
    waiter = Waiter(database, broker)
    while line := await asyncio.to_thread(sys.stdin.readline):
        job, count = line.split()
        answer = await {"wait": waiter.wait, "fired": waiter.wait_until_fired}[job](int(count))
        answers.write(json.dumps(answer) + "\n")
    await waiter.leave()


if __name__ == "__main__":
    signal.alarm(LIFE_SECONDS)  # whatever becomes of the run, this ends
    asyncio.run(work(*sys.argv[1:]))
