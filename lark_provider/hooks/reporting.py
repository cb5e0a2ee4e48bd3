"""Report metrics in Airflow's own statistics (StatsD, Datadog, OpenTelemetry), and log fields in its logs.

The metrics appear under Airflow's prefix as `lark.requests`, `lark.calls` and so on: the names in
docs/en/how-to/monitoring.md without `_total` and `_seconds`, with labels as tags. Times are in milliseconds,
as everywhere in Airflow.
"""

from __future__ import annotations

import sys
from typing import Any

from airflow.sdk import conf

from lark_provider.support import meters

_RUNNER = "airflow.sdk.execution_time.task_runner"
_OPTIONS = ("statsd_on", "statsd_datadog_enabled", "otel_on")
_MS_PER_SECOND = 1000.0


def start() -> None:
    """Start reporting metrics, if Airflow collects any, and showing the fields of log lines.

    Airflow leaves fields out. They are shown only in processes that run tasks or triggers.
    """
    if getattr(sys.modules.get(_RUNNER), "SUPERVISOR_COMMS", None) is not None:
        from lark_provider.utils import field_lines

        field_lines.show_fields()
    if any(conf.getboolean("metrics", option, fallback=False) for option in _OPTIONS):
        meters.add_sink(SINK)


class AirflowSink:
    """A sink that hands values to Airflow."""

    def add(self, metric: meters.Counter, amount: int, labels: tuple[str, ...]) -> None:
        """Increase a counter."""
        _import_stats().incr(make_stat_name(metric), amount, tags=_make_tags(metric, labels))

    def set(self, metric: meters.Gauge, value: float, labels: tuple[str, ...]) -> None:
        """Set a gauge."""
        _import_stats().gauge(make_stat_name(metric), value, tags=_make_tags(metric, labels))

    def remove(self, metric: meters.Gauge, labels: tuple[str, ...]) -> None:
        """Set a gauge to 0, since gauges cannot be removed from Airflow's statistics."""
        self.set(metric, 0, labels)

    def observe(self, metric: meters.Histogram, value: float, labels: tuple[str, ...]) -> None:
        """Report a time."""
        _import_stats().timing(
            make_stat_name(metric), value * _MS_PER_SECOND, tags=_make_tags(metric, labels)
        )


SINK = AirflowSink()


def make_stat_name(metric: meters.Metric) -> str:
    """Return the name under which Airflow reports a metric: `lark_requests_total` as `lark.requests`."""
    return "lark." + metric.name.removeprefix("lark_").removesuffix("_total").removesuffix("_seconds")


def _import_stats() -> Any:
    from airflow.sdk.observability.stats import Stats  # Airflow loads it in every task; it has no type hints.

    return Stats


def _make_tags(metric: meters.Metric, labels: tuple[str, ...]) -> dict[str, str]:
    return dict(zip(metric.labels, labels, strict=True))
