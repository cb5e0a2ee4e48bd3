"""One contender in a process of its own: `python -m benchmarks.worker ours http://127.0.0.1:…`.

It reads jobs, `batch_convert 3`, from its standard input, answers each with what it cost as a line of JSON,
and ends with its input. Contenders share no process: the SDK's 10,000 modules would slow the garbage
collector for all of them.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import flights
from benchmarks.contenders import CONTENDERS, Contender
from benchmarks.processes import LIFE_SECONDS

TASKS = 20
Job = Callable[[int], None]


def peak() -> int:
    """Return this process's peak memory in KB, from /proc: `getrusage` also counts the parent before exec."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


def jobs(contender: Contender, runner: asyncio.Runner) -> dict[str, Job]:
    """Return the jobs that a contender can be asked to do, by name; each takes a count."""
    rows = flights.day()
    plain = [flights.convert_row(row) for row in rows]
    thousand = {False: list(flights.repeat_rows(plain, flights.BATCH))}
    thousand[True] = list(flights.repeat_rows(rows, flights.BATCH))

    def messages(count: int) -> None:
        for number in range(count):
            contender.send_text(f"message {number}")

    def messages_async(count: int) -> None:
        runner.run(_many(contender, count))

    def batch(count: int, *, convert: bool) -> None:
        for _ in range(count):
            contender.insert(thousand[convert], convert=convert)

    def load(count: int, *, convert: bool) -> None:
        contender.insert(_each(rows if convert else plain, count), convert=convert)

    return {
        "messages": messages,
        "messages_async": messages_async,
        "batch": functools.partial(batch, convert=False),
        "batch_convert": functools.partial(batch, convert=True),
        "load": functools.partial(load, convert=False),
        "load_convert": functools.partial(load, convert=True),
    }


def _each(rows: list[dict[str, Any]], count: int) -> Iterator[dict[str, Any]]:
    """Yield `count` rows from a generator, as a cursor or a file would."""
    yield from flights.repeat_rows(rows, count)


async def _many(contender: Contender, count: int) -> None:
    numbers = iter(range(count))

    async def some() -> None:
        for number in numbers:
            await contender.send_text_async(f"message {number}")

    await asyncio.gather(*(some() for _ in range(TASKS)))


def main() -> None:
    """Answer jobs until there are no more."""
    signal.alarm(LIFE_SECONDS)  # whatever becomes of the run, this ends
    name, url = sys.argv[1:]
    with asyncio.Runner() as runner:
        known = jobs(CONTENDERS[name](url), runner)
        for line in sys.stdin:
            job, count = line.split()
            gc.collect()  # what the job before left is not this one's cost
            wall, cpu = time.perf_counter(), time.process_time()
            known[job](int(count))
            cost = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "peak": peak()}
            sys.stdout.write(json.dumps(cost) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
