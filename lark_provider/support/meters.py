"""Counters, gauges and histograms, whose values are dropped until a sink is added.

The code that is measured names a metric of `measured` and a value. Without a sink that is one call with an
empty loop in it, some 0.1 µs, and nothing is imported for it. `lark_provider.metrics` adds a sink for
Prometheus, and `hooks.reporting` one for Airflow's own statistics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

MeterKind: TypeAlias = Literal["counter", "gauge", "histogram"]


class MetricSink(Protocol):
    """Receives values. Its methods must neither block nor raise: they are called in the middle of calls."""

    def add(self, metric: Counter, amount: int, labels: tuple[str, ...]) -> None:
        """Increase a counter."""

    def set(self, metric: Gauge, value: float, labels: tuple[str, ...]) -> None:
        """Set a gauge."""

    def remove(self, metric: Gauge, labels: tuple[str, ...]) -> None:
        """Stop showing a value of a gauge."""

    def observe(self, metric: Histogram, value: float, labels: tuple[str, ...]) -> None:
        """Count a value in a histogram."""


sinks: tuple[MetricSink, ...] = ()
"""The sinks. If there are none, labels and values that are expensive to compute need not be computed."""


def add_sink(sink: MetricSink) -> None:
    """Send values to a sink from now on; one that has been added already is not added again."""
    global sinks  # noqa: PLW0603 - replaced as a whole, so that no lock is needed to read it
    if sink not in sinks:
        sinks = (*sinks, sink)


def remove_sink(sink: MetricSink) -> None:
    """Send no more values to a sink."""
    global sinks  # noqa: PLW0603 - likewise
    sinks = tuple(other for other in sinks if other is not sink)


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric.

    Attributes:
        name: The metric's name in Prometheus, such as `lark_calls_total`.
        help: The metric's meaning, in a sentence without a full stop.
        labels: The names of its labels, in the order in which their values are passed.
    """

    name: str
    help: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Counter(Metric):
    """Counts events; never decreases. Its name ends in `_total`.

    Attributes:
        values: The combinations of values that its labels, but for `app`, can have, where they are few. They
            are shown as 0 before the first event: Prometheus sees no increase from "absent" to 1.
    """

    values: tuple[tuple[str, ...], ...] = ()

    def add(self, *labels: str, amount: int = 1) -> None:
        """Increase it.

        Args:
            labels: The values of the labels, in the order of `Metric.labels`.
            amount: How much is added, 0 or more.
        """
        for sink in sinks:
            sink.add(self, amount, labels)


@dataclass(frozen=True, slots=True)
class Gauge(Metric):
    """A value that goes up and down.

    Attributes:
        merge: How the values of several processes that are scraped as one are merged.
    """

    merge: Literal["sum", "min"] = "sum"

    def set(self, value: float, *labels: str) -> None:
        """Set it.

        Args:
            value: The value.
            labels: The labels' values.
        """
        for sink in sinks:
            sink.set(self, value, labels)

    def remove(self, *labels: str) -> None:
        """Stop showing a value: what it measured is gone, and the last value would stay.

        Args:
            labels: The labels' values.
        """
        for sink in sinks:
            sink.remove(self, labels)


@dataclass(frozen=True, slots=True)
class Histogram(Metric):
    """Counts values in buckets.

    Attributes:
        buckets: Their upper bounds, ascending, in the unit of the name.
    """

    buckets: tuple[float, ...] = ()

    def observe(self, value: float, *labels: str) -> None:
        """Count a value.

        Args:
            value: The value.
            labels: The labels' values.
        """
        for sink in sinks:
            sink.observe(self, value, labels)
