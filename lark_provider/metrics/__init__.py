"""Metrics for Prometheus: what this package does in a process, as counters, gauges and histograms.

Off until `start` is called: until then nothing is counted and prometheus_client is not imported. The services
of `lark-provider callbacks` start it with `--metrics-port`. Any other program does so itself:

```python
from lark_provider import metrics

metrics.start(9464)  # http://127.0.0.1:9464/metrics
```

A program that exposes prometheus_client's registry already calls `metrics.start()`, without a port. Where a
web server forks its workers, see docs/en/how-to/monitoring.md.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from lark_provider.protocol.errors import ConfigurationError
from lark_provider.support import meters

if TYPE_CHECKING:
    from lark_provider.metrics.exporter import Collect, Exporter

__all__ = ["collect", "render", "start", "stop"]

_lock = threading.Lock()
_exporter: list[Exporter] = []


def start(port: int | None = None, *, host: str = "127.0.0.1") -> int | None:
    """Count from now on, and serve the metrics at a port if one is given.

    The port serves `/metrics` to anyone who reaches it, without a login: give it an address that only
    Prometheus reaches. A second call serves at a second port, and counts nothing twice.

    Args:
        port: The port; 0 for a free one; None to serve nothing.
        host: The address to listen on; loopback by default.

    Returns:
        The port, if one is served.

    Raises:
        ConfigurationError: prometheus_client is not installed, or the port is taken.
    """
    with _lock:
        exporter = _start()
        return None if port is None else exporter.serve(host, port)


def render(accept: str = "") -> tuple[bytes, str]:
    """Return the metrics for a view of your own.

    Args:
        accept: The request's `Accept` header.

    Returns:
        The body and its content type.

    Raises:
        ConfigurationError: Nothing has called `start`.
    """
    if not _exporter:
        raise ConfigurationError(
            "Metrics must be started before they are rendered, got none. Next: call metrics.start() when the "
            "program starts."
        )
    return _exporter[0].render(accept)


def collect(source: Collect) -> None:
    """Add values that are collected when the metrics are scraped; nothing if metrics are off.

    Args:
        source: Returns gauges with their labels and values. It must return soon, and not raise.
    """
    with _lock:
        if _exporter:
            _exporter[0].collect(source)


def stop() -> None:
    """Count nothing any more, and close the ports."""
    with _lock:
        while _exporter:
            exporter = _exporter.pop()
            meters.remove_sink(exporter.sink)
            exporter.close()


def _start() -> Exporter:
    if not _exporter:
        try:
            from lark_provider.metrics.exporter import Exporter  # loads prometheus_client
        except ImportError as error:
            raise ConfigurationError(
                f"Metrics must have prometheus_client, got: {error}. Next: install "
                "'airflow-provider-lark[metrics]'."
            ) from error
        _exporter.append(Exporter())
        meters.add_sink(_exporter[0].sink)
    return _exporter[0]
