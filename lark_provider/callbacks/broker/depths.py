"""Gauges of shared state: queue depths and open questions; exported by one process only.

Sums over several processes would count them several times. They are read when Prometheus
scrapes, in threads and with a timeout, so that neither the pump nor the scrape waits for a frozen server.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from pika.adapters.blocking_connection import BlockingConnection

from lark_provider.callbacks.broker.amqp import Broker
from lark_provider.callbacks.broker.topology import CARDS, DEAD, EVENTS
from lark_provider.storage.outbox import Outbox
from lark_provider.storage.waits import Waits
from lark_provider.support import measured, threads

if TYPE_CHECKING:
    from lark_provider.metrics.exporter import GaugeReading

CACHE_SECONDS = 5.0
"""How long what was read is used: several Prometheus servers may scrape one pump."""
TIMEOUT_SECONDS = 3.0
_OVERDUE = timedelta(minutes=5)
_SOCKET_SECONDS = 5.0


class Depths:
    """Collects the depths of queues and of the outbox, and the number of open questions.

    Args:
        broker: The broker of the queues.
        waits: The database's questions.
        outbox: The database's outbox.
        seconds: How long collected values are reused, in seconds.
        timeout: How long a scrape waits, in seconds.
        clock: Seconds, of any origin.
    """

    def __init__(
        self,
        broker: Broker,
        waits: Waits,
        outbox: Outbox | None = None,
        *,
        seconds: float = CACHE_SECONDS,
        timeout: float = TIMEOUT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._timeout = timeout
        self._sources = (
            _Source("rabbitmq", lambda: _measure_queues(broker), seconds, clock),
            _Source("database", lambda: _measure_rows(waits, outbox), seconds, clock),
        )

    def __call__(self) -> Iterator[GaugeReading]:
        """Return what was read recently, and whether each source could be read.

        A source that could not be read has no values: none is better than an old one.
        """
        deadline = time.monotonic() + self._timeout
        for source in self._sources:
            source.begin()
        for source in self._sources:
            readings = source.end(max(0.0, deadline - time.monotonic()))
            yield measured.COLLECTED, (source.name,), float(readings is not None)
            yield from readings or ()


class _Source:
    """One server, read by one thread at a time.

    Args:
        name: Its name, a label.
        read: Reads it; may block.
        seconds: How long a reading is used.
        clock: Seconds, of any origin.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[], Sequence[GaugeReading]],
        seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self.name = name
        self._read, self._seconds, self._clock = read, seconds, clock
        self._reading: Future[Sequence[GaugeReading]] | None = None
        self._began = 0.0
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Read in a thread, unless it is being read, or was recently."""
        with self._lock:
            if self._reading is not None:
                is_recent = self._clock() - self._began < self._seconds
                if not self._reading.done() or (is_recent and self._reading.exception() is None):
                    return
            self._began = self._clock()
            self._reading = threads.start(self._read)

    def end(self, seconds: float) -> Sequence[GaugeReading] | None:
        """Return what was read; None if that failed, or takes longer than some seconds."""
        with self._lock:
            reading = self._reading
        if reading is not None:
            with suppress(Exception):  # The gauge says so; the pump itself logs why.
                return reading.result(seconds)
        return None


def _measure_queues(broker: Broker) -> list[GaugeReading]:
    parameters = copy.copy(broker.parameters)
    parameters.blocked_connection_timeout = _SOCKET_SECONDS
    connection = BlockingConnection(parameters)
    readings: list[GaugeReading] = []
    try:
        channel = connection.channel()
        for queue in (CARDS, EVENTS, DEAD):
            method = channel.queue_declare(queue.name, passive=True).method
            readings.append((measured.QUEUE_MESSAGES, (queue.name,), float(method.message_count)))
            readings.append((measured.QUEUE_CONSUMERS, (queue.name,), float(method.consumer_count)))
    finally:
        if connection.is_open:
            connection.close()
    return readings


def _measure_rows(waits: Waits, outbox: Outbox | None) -> list[GaugeReading]:
    is_open, overdue = waits.count_open(_OVERDUE)
    readings: list[GaugeReading] = [
        (measured.WAITS_OPEN, (), float(is_open)),
        (measured.WAITS_OVERDUE, (), float(overdue)),
    ]
    if outbox is None:
        return readings
    due, age = outbox.measure_backlog()
    return [*readings, (measured.OUTBOX_DUE, (), float(due)), (measured.OUTBOX_AGE, (), age)]
