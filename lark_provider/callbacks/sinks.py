"""Where what came in is kept: several places, of which the first to keep it decides."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from lark_provider.protocol.callbacks import Delivery

AGAIN = 0.25


class Sink(Protocol):
    """A place where clicks and events are safe, such as a queue or a table."""

    @property
    def name(self) -> str:
        """What it is called in logs and in `/readyz`."""

    @property
    def is_up(self) -> bool:
        """Whether it is worth a try now, as far as that is known without asking."""

    async def store(self, delivery: Delivery) -> None:
        """Keep a click or an event, and return when it is safe.

        May be cancelled, and may be called again with what it has kept already.

        Raises:
            Exception: It has not kept it, as far as it knows.
        """


class NotStoredError(Exception):
    """No sink has said in time that it has kept it. One may have."""


async def store_first(sinks: Sequence[Sink], delivery: Delivery, *, patience: float, deadline: float) -> str:
    """Keep a delivery in one of several sinks.

    They are begun in order, those that are down last: the next one when one fails, or has not kept it after
    a while. One that failed is tried again until the deadline, since a connection may come back, unless its
    error says that nothing will change. Whichever keeps it first decides; the others are given up.

    Args:
        sinks: At least one.
        delivery: The click or the event.
        patience: Seconds until the next one is begun as well.
        deadline: By the event loop's clock. It holds even if a sink does not let itself be cancelled.

    Returns:
        The name of the one that kept it.

    Raises:
        NotStoredError: None did.
    """
    loop = asyncio.get_running_loop()
    untried = sorted(sinks, key=lambda sink: not sink.is_up)
    next_at = now = loop.time()
    again: list[tuple[float, Sink]] = []
    running: dict[asyncio.Task[None], Sink] = {}
    failures: dict[str, BaseException | None] = {sink.name: None for sink in sinks}
    try:
        while now < deadline:
            begin = [sink for when, sink in again if when <= now]
            again = [one for one in again if one[0] > now]
            if untried and next_at <= now:
                begin.append(untried.pop(0))
                next_at = now + patience
            running |= {loop.create_task(sink.store(delivery)): sink for sink in begin}
            wake = min([deadline, *(when for when, _ in again), *([next_at] if untried else [])])
            done = await _wait(running, wake - now)
            now = loop.time()
            for task in done:
                sink = running.pop(task)
                error = asyncio.CancelledError() if task.cancelled() else task.exception()
                if error is None:
                    return sink.name
                failures[sink.name] = error
                next_at = now
                if getattr(error, "retryable", True):
                    again.append((now + AGAIN, sink))
            if not (running or untried or again):
                break
        said = "; ".join(f"{name}: {error or 'no answer in time'}" for name, error in failures.items())
        raise NotStoredError(said)
    finally:
        for task in running:
            task.cancel()
            task.add_done_callback(forget)


def forget(done: asyncio.Future[None]) -> None:
    """Take note of how something given up has ended, so that asyncio does not complain.

    Args:
        done: As a callback gets it.
    """
    if not done.cancelled():
        done.exception()


async def _wait(running: dict[asyncio.Task[None], Sink], seconds: float) -> set[asyncio.Task[None]]:
    if not running:
        await asyncio.sleep(seconds)
        return set()
    done, _ = await asyncio.wait(running, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    return done
