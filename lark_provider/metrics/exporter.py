"""Render and serve the metrics of this process, or of all that share `PROMETHEUS_MULTIPROC_DIR`."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

import prometheus_client
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from lark_provider.metrics.server import Server
from lark_provider.metrics.sink import PrometheusSink
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.support import measured
from lark_provider.support.meters import Gauge

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
GaugeReading: TypeAlias = tuple[Gauge, tuple[str, ...], float]
Collect: TypeAlias = Callable[[], Iterable[GaugeReading]]
_COLLECTED = frozenset(
    metric.name
    for metric in (
        measured.QUEUE_MESSAGES,
        measured.QUEUE_CONSUMERS,
        measured.WAITS_OPEN,
        measured.WAITS_OVERDUE,
        measured.OUTBOX_DUE,
        measured.OUTBOX_AGE,
        measured.COLLECTED,
    )
)


class Exporter:
    """Counts, renders and serves.

    Raises:
        ConfigurationError: `PROMETHEUS_MULTIPROC_DIR` is not a folder, or was set after prometheus_client was
            imported.
    """

    def __init__(self) -> None:
        self._folder = os.environ.get(FOLDER, "").strip()
        if self._folder and not Path(self._folder).is_dir():
            raise ConfigurationError(
                f"{FOLDER} must be a folder that exists, got {self._folder!r}. Next: make it, empty, before "
                "the program starts."
            )
        self._registry = prometheus_client.REGISTRY
        self.sink = PrometheusSink(self._registry, _COLLECTED, is_merged=bool(self._folder))
        self._collected = _Collected()
        self._registry.register(self._collected)
        self._servers: list[Server] = []
        self._rendering = threading.Lock()
        # As for the sink: a fork waits until no thread holds the locks of the registry.
        os.register_at_fork(
            before=self._rendering.acquire,
            after_in_parent=self._rendering.release,
            after_in_child=self._rendering.release,
        )

    def collect(self, source: Collect) -> None:
        """Add values that are collected at each scrape."""
        self._collected.sources.append(source)

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return the metrics and their content type, for an `Accept` header."""
        encode, content_type = choose_encoder(accept)
        self._collected.refresh()  # Outside of the lock, for it may wait for a broker.
        with self._rendering:
            return encode(self._choose_registry()), content_type

    def _choose_registry(self) -> CollectorRegistry:
        if not self._folder:
            return self._registry
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=self._folder)  # type: ignore[no-untyped-call]  # it has no types
        registry.register(self._collected)
        return registry

    def serve(self, host: str, port: int) -> int:
        """Serve `/metrics`, and return the port.

        Raises:
            ConfigurationError: The port is taken.
        """
        server = Server(host, port, self.render)
        self._servers.append(server)
        return server.port

    def close(self) -> None:
        """Close the ports, and take the metrics out of the registry."""
        while self._servers:
            self._servers.pop().close()
        self.sink.unregister()
        self._registry.unregister(self._collected)


class _Collected(Collector):
    """What is collected at a scrape."""

    def __init__(self) -> None:
        self.sources: list[Collect] = []
        self._readings: list[GaugeReading] = []

    def refresh(self) -> None:
        """Ask all sources."""
        self._readings = [reading for source in self.sources for reading in source()]

    def describe(self) -> list[GaugeMetricFamily]:
        """Return no metrics, so that registering the collector does not collect."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return what the last `refresh` has read."""
        families: dict[str, GaugeMetricFamily] = {}
        for gauge, labels, value in self._readings:
            family = families.get(gauge.name)
            if family is None:
                family = families[gauge.name] = GaugeMetricFamily(gauge.name, gauge.help, labels=gauge.labels)
            family.add_metric(labels, value)
        yield from families.values()
