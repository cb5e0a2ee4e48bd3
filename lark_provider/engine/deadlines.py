"""Deadlines of requests in a thread: every read and write of a pool's connections ends by then.

The timeouts of the HTTP library bound each read, so a server that sends a byte now and then is read for
hours, the head of its answer above all. In an event loop a timer cancels that; a thread that reads cannot be
cancelled, so each of its reads gets no more time than is left.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

logger = logging.getLogger(__name__)
_LEAST_SECONDS = 0.001  # a timeout of 0 would mean: do not wait at all, and fail otherwise


class _Thread(threading.local):
    until = float("inf")


_thread = _Thread()


class until:  # noqa: N801 - reads as a function does, which would take twice as long as this for each request
    """Bound what this thread reads and writes on connections of `bounded` pools.

    Args:
        moment: The deadline, by the monotonic clock.
    """

    __slots__ = ("_before", "_moment")

    def __init__(self, moment: float) -> None:
        self._moment = moment

    def __enter__(self) -> None:
        self._before, _thread.until = _thread.until, self._moment

    def __exit__(self, *_error: object) -> None:
        _thread.until = self._before


def bounded(client: Any) -> Any:
    """Bound the connections of a pool, and return it.

    The library has this extension point (`network_backend` of a connection pool) but passes none through.
    Where it is not found, the timeouts of each read remain.

    Args:
        client: A `Client` of ours, before it is used.
    """
    try:
        for transport in (client._transport, *client._mounts.values()):  # noqa: SLF001 - see above
            if transport is not None:
                transport._pool._network_backend = _Backend(transport._pool._network_backend)  # noqa: SLF001
    except AttributeError as missing:
        logger.warning("HTTP connections cannot be bounded by deadlines", extra={"error": str(missing)})
    return client


def _within(timeout: float | None) -> float | None:
    if _thread.until == float("inf"):
        return timeout
    left = max(_thread.until - time.monotonic(), _LEAST_SECONDS)
    return left if timeout is None else min(timeout, left)


class _Backend:
    """A network backend whose connections are bounded."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **options: Any) -> Any:
        """Connect."""
        return _Stream(self._inner.connect_tcp(host, port, timeout=_within(timeout), **options))


class _Stream:
    """A connection that is bounded."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def read(self, max_bytes: int, timeout: float | None = None) -> Any:
        """Read what is there."""
        return self._inner.read(max_bytes, _within(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> Any:
        """Write all of it."""
        return self._inner.write(buffer, _within(timeout))

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> Any:
        """Begin TLS."""
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, _within(timeout)))
