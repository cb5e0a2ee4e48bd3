"""Store a click or an event in one of several sinks: the first that stores it decides."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from operator import attrgetter
from typing import Protocol

from lark_provider.protocol.callbacks import Delivery
from lark_provider.support.futures import consume_exception

RETRY_SECONDS = 0.25


class Sink(Protocol):
    """A place where clicks and events are safe, such as a queue or a table."""

    @property
    def name(self) -> str:
        """What it is called in logs and in `/readyz`."""

    @property
    def is_up(self) -> bool:
        """Whether it is worth a try now, as far as that is known without I/O."""

    async def probe(self) -> None:
        """Prove that a click could be stored now, without leaving anything behind.

        May be cancelled.

        Raises:
            Exception: It could not, as far as it knows.
        """

    async def store(self, delivery: Delivery) -> None:
        """Store a click or an event, and return when it is safe.

        May be cancelled, and may be called again with a delivery that it has stored already.

        Raises:
            Exception: It has not stored it, as far as it knows.
        """


class NotStoredError(Exception):
    """No sink has confirmed in time that it has stored the delivery. One may have."""


async def store_first(
    sinks: Sequence[Sink], delivery: Delivery, *, sink_timeout: float, deadline: float
) -> str:
    """Store a delivery in one of several sinks.

    Sinks are tried in order, those that are down last. The next one is started when one fails, or has not
    stored the delivery within `sink_timeout`. A sink that failed is tried again until the deadline, since a
    connection may come back, unless its error is permanent. Once one has stored it, the others are cancelled.

    Args:
        sinks: The sinks in the order of preference; at least one.
        delivery: The click or the event.
        sink_timeout: Seconds after which the next sink is tried as well.
        deadline: By the event loop's clock. It holds even if a sink does not let itself be cancelled.

    Returns:
        The name of the sink that stored it.

    Raises:
        NotStoredError: No sink has stored it in time.
    """
    loop = asyncio.get_running_loop()
    untried = deque(sorted(sinks, key=attrgetter("is_up"), reverse=True))
    due: deque[tuple[float, Sink]] = deque()  # Sinks to start, each with its time; the earliest first.
    next_at = now = loop.time()
    running: dict[asyncio.Task[None], Sink] = {}
    failures: dict[str, BaseException] = {}
    try:
        while now < deadline and (running or untried or due):
            if untried and next_at <= now:
                due.appendleft((now, untried.popleft()))
                next_at = now + sink_timeout
            while due and due[0][0] <= now:
                _, sink = due.popleft()
                running[loop.create_task(sink.store(delivery))] = sink
            wake = min(deadline, next_at if untried else deadline, due[0][0] if due else deadline)
            if running:
                done, _ = await asyncio.wait(running, timeout=wake - now, return_when=asyncio.FIRST_COMPLETED)
            else:  # All sinks that were started have failed.
                await asyncio.sleep(wake - now)
                done = set()
            now = loop.time()
            for task in done:
                sink = running.pop(task)
                error = asyncio.CancelledError() if task.cancelled() else task.exception()
                if error is None:
                    return sink.name
                failures[sink.name] = error
                next_at = now
                if getattr(error, "retryable", True):
                    due.append((now + RETRY_SECONDS, sink))
        reasons = {sink.name: failures.get(sink.name) or "no answer in time" for sink in sinks}
        raise NotStoredError("; ".join(f"{name}: {reason}" for name, reason in reasons.items()))
    finally:
        for task in running:
            task.cancel()
            task.add_done_callback(consume_exception)
