"""Bound the reads and writes of pooled connections by the call's deadline (blocking client).

HTTP library timeouts apply to each read, so a server that sends one byte at a time could hold a call for
hours. A thread cannot be cancelled, so each read gets only the time that is left. And none begins after the
deadline: where a server sends without a pause, such as one interim answer (1xx) after another, no read ever
waits.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from concurrent.futures import Future
from functools import partial
from typing import Any

from lark_provider.support import threads

logger = logging.getLogger(__name__)
_SLICE_BYTES = 16 * 1024
"""How much is written before the deadline is checked again: the library sends data piece by piece, as the
server takes it, and applies the timeout to each piece."""


class _Thread(threading.local):
    until = float("inf")


thread = _Thread()
"""The deadline, by the monotonic clock, of this thread's reads and writes on bounded connections."""


def bound_connections(client: Any) -> Any:
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


def _limit_timeout(timeout: float | None, late: type[Exception]) -> float | None:
    if thread.until == float("inf"):
        return timeout
    left = thread.until - time.monotonic()
    if left <= 0:
        raise late("the deadline passed")
    return left if timeout is None else min(timeout, left)


def _close(connected: Future[Any]) -> None:
    if connected.exception() is None:
        connected.result().close()


class _Backend:
    """A network backend whose connections are bounded."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._core = sys.modules[type(inner).__module__.partition(".")[0]]
        # A library without them has no extension point: `bound_connections` expects the AttributeError.
        _ = self._core.ConnectTimeout, self._core.ReadTimeout, self._core.WriteTimeout

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **options: Any) -> Any:
        """Connect, in another thread: names are looked up without a timeout, and each address has one."""
        seconds = _limit_timeout(timeout, self._core.ConnectTimeout)
        connect = partial(self._inner.connect_tcp, host, port, timeout=seconds, **options)
        try:
            connecting = threads.start(connect)
        except RuntimeError:  # no more threads, as when the interpreter ends
            return _Stream(connect(), self._core)
        try:
            return _Stream(connecting.result(seconds), self._core)
        except TimeoutError:
            connecting.add_done_callback(_close)
            raise self._core.ConnectTimeout("no connection in time") from None


class _Stream:
    """A connection that is bounded."""

    def __init__(self, inner: Any, core: Any) -> None:
        self._inner, self._core = inner, core
        self.close, self.get_extra_info = inner.close, inner.get_extra_info

    def read(self, max_bytes: int, timeout: float | None = None) -> Any:
        """Read what is there."""
        return self._inner.read(max_bytes, _limit_timeout(timeout, self._core.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of it."""
        rest = memoryview(buffer)
        while rest:
            self._inner.write(rest[:_SLICE_BYTES], _limit_timeout(timeout, self._core.WriteTimeout))
            rest = rest[_SLICE_BYTES:]

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> Any:
        """Begin TLS."""
        seconds = _limit_timeout(timeout, self._core.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, seconds), self._core)
