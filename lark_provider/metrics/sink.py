"""Give values to prometheus_client, with a bounded number of series."""

from __future__ import annotations

import logging
import os
import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any, TypeAlias

import prometheus_client
from prometheus_client import CollectorRegistry

from lark_provider.protocol.codes import TABLE
from lark_provider.protocol.tokens import REFUSAL_CODES
from lark_provider.support import meters
from lark_provider.support.measured import ALL
from lark_provider.support.meters import Metric
from lark_provider.support.throttle import Throttle

logger = logging.getLogger(__name__)

OTHER = "other"
"""The value of a label whose values are too many, or of a code that is not in the table."""
MAX_VALUES = {"app": 100, "operation": 300}
"""Values of a label that a process tells apart; `MAX_OTHER_VALUES` of a label that is not named here."""
MAX_OTHER_VALUES = 50
MAX_SERIES = 2000
"""How many combinations of labels a metric has; further ones have `other` for each label."""
_MAX_VALUE_LENGTH, _APP = 100, "app"
_CODES = frozenset(
    {"0", "none", *map(str, (*TABLE, *REFUSAL_CODES)), *(f"http_{hundreds}xx" for hundreds in range(1, 6))}
)
_Child: TypeAlias = Any  # prometheus_client types no base of its children
_MERGED = {"sum": "livesum", "min": "livemin"}


class PrometheusSink:
    """Counts in a registry.

    Args:
        registry: The registry of prometheus_client that gets the metrics.
        collected: Metrics that are collected at a scrape instead.
        is_merged: Whether the values of several processes are merged in files.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        collected: frozenset[str] = frozenset(),
        *,
        is_merged: bool = False,
    ) -> None:
        self._registry, self._is_merged = registry, is_merged
        self._families = {
            metric.name: _make_family(metric, registry) for metric in ALL if metric.name not in collected
        }
        self._children: dict[tuple[str, tuple[str, ...]], _Child] = {}
        self._values: dict[str, set[str]] = defaultdict(set)
        self._series: dict[str, set[tuple[str, ...]]] = defaultdict(set)
        self._failures = Throttle()
        # Held while a value is changed, and by a fork: prometheus_client's own locks would stay locked in a
        # child that is forked meanwhile.
        self._lock = threading.Lock()
        for metric in ALL:
            if isinstance(metric, meters.Counter) and metric.labels and metric.labels[0] != _APP:
                for values in metric.values:
                    self._get_child(metric, values)
        os.register_at_fork(
            before=self._lock.acquire, after_in_parent=self._lock.release, after_in_child=self._lock.release
        )

    def add(self, metric: meters.Counter, amount: int, labels: tuple[str, ...]) -> None:
        """Increase a counter."""
        self._change(metric, labels, lambda child: child.inc(amount))

    def set(self, metric: meters.Gauge, value: float, labels: tuple[str, ...]) -> None:
        """Set a gauge."""
        self._change(metric, labels, lambda child: child.set(value))

    def remove(self, metric: meters.Gauge, labels: tuple[str, ...]) -> None:
        """Remove a gauge's series; in multiprocess mode, where none can be removed, it is 0."""
        if self._is_merged:
            self._change(metric, labels, lambda child: child.set(0))
            return
        with self._lock:
            if self._children.pop((metric.name, labels), None) is not None:  # That of `other` is shared.
                self._series[metric.name].discard(labels)
                self._families[metric.name].remove(*labels)

    def observe(self, metric: meters.Histogram, value: float, labels: tuple[str, ...]) -> None:
        """Count a value in a histogram."""
        self._change(metric, labels, lambda child: child.observe(value))

    def unregister(self) -> None:
        """Take the metrics out of the registry."""
        for family in self._families.values():
            self._registry.unregister(family)

    def _change(self, metric: Metric, labels: tuple[str, ...], change: Callable[[_Child], object]) -> None:
        try:
            with self._lock:
                change(self._get_child(metric, labels))
        except Exception as error:  # noqa: BLE001 - a full disk in multiprocess mode must not stop a message
            text = f"{type(error).__name__}: {error}"

            self._failures.log(
                logger.warning,
                "Failed to record a metric",
                extra={"metric": metric.name, "error": text},
            )

    def _get_child(self, metric: Metric, labels: tuple[str, ...]) -> _Child:
        child = self._children.get((metric.name, labels))
        return self._make_child(metric, labels) if child is None else child

    def _make_child(self, metric: Metric, labels: tuple[str, ...]) -> _Child:
        family = self._families[metric.name]
        bounded = self._limit_labels(metric, labels)
        child = family.labels(*bounded) if bounded else family
        if bounded == labels:  # Others would fill the table, for they are unlimited.
            self._children[metric.name, labels] = child
        if isinstance(metric, meters.Counter) and metric.labels[:1] == (_APP,):
            for values in metric.values:
                family.labels(bounded[0], *values)  # Once for each app, or again: it is there then.
        return child

    def _limit_labels(self, metric: Metric, labels: tuple[str, ...]) -> tuple[str, ...]:
        values = tuple(
            self._limit_value(name, value) for name, value in zip(metric.labels, labels, strict=True)
        )
        series = self._series[metric.name]
        if values not in series and len(series) >= MAX_SERIES:
            return (OTHER,) * len(values)
        series.add(values)
        return values

    def _limit_value(self, label: str, value: str) -> str:
        if label == "code":
            return value if value in _CODES else OTHER
        value, known = value[:_MAX_VALUE_LENGTH], self._values[label]
        if value not in known:
            if len(known) >= MAX_VALUES.get(label, MAX_OTHER_VALUES):
                return OTHER
            known.add(value)
        return value


def _make_family(metric: Metric, registry: CollectorRegistry) -> _Child:
    if isinstance(metric, meters.Histogram):
        return prometheus_client.Histogram(
            metric.name, metric.help, metric.labels, registry=registry, buckets=metric.buckets
        )
    if isinstance(metric, meters.Gauge):
        mode: Any = _MERGED[metric.merge]
        return prometheus_client.Gauge(
            metric.name, metric.help, metric.labels, registry=registry, multiprocess_mode=mode
        )
    return prometheus_client.Counter(metric.name, metric.help, metric.labels, registry=registry)
