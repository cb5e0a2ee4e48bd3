"""uvicorn's HTTP for a port that untrusted clients reach: no client holds a connection that it does not use.

By itself, uvicorn waits indefinitely for a connection's first request, for the end of its headers, and for
the client to read its answers. It takes any number of connections. When no file can be opened any more, a new
connection is accepted and closed, and nothing is logged.
"""

from __future__ import annotations

import asyncio
import logging
import resource
from importlib import metadata
from typing import Any

from lark_provider.protocol.errors import ConfigurationError
from lark_provider.support.throttle import Throttle

logger = logging.getLogger(__name__)

IDLE_SECONDS = 5.0
ANSWER_SECONDS = 5.0
"""How long an answer may take: the gateway makes it within 2.5 s, and what takes longer is not being read."""
MAX_HEADERS_BYTES = 64 * 1024
_UNLIMITED = 1 << 20
_RELIED_ON = ("cycle", "loop", "transport")
_UVICORN = "uvicorn>=0.30,<0.55"


def raise_file_limit() -> int:
    """Let the process open as many files as its hard limit allows, and return how many.

    Each connection is an open file, and the soft limit is 1024 on most systems.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:  # Some systems call it unlimited, and then refuse that.
        logger.warning("Failed to raise the limit of open files", extra={"limit": soft, "error": str(error)})
        hard = soft
    return _UNLIMITED if hard == resource.RLIM_INFINITY else hard


def make_strict_protocol(base: Any, files: int = _UNLIMITED) -> Any:
    """Make uvicorn's protocol abort connections that are idle, do not read, or send too much in the headers.

    They are aborted and not closed, for closing waits until the client has read what was sent to it.

    Of more connections than three quarters of the open files, the oldest idle ones are closed: the rest is
    for databases, the broker, and connections that arrive at once.

    Args:
        base: The protocol of the installed parser.
        files: How many files the process may open.
    """
    most = files * 3 // 4
    opened: dict[Any, None] = {}  # the oldest first
    throttle = Throttle()

    def close_oldest_idle() -> None:
        throttle.log(
            logger.warning,
            "Too many connections; closing idle ones",
            extra={"connections": len(opened), "limit": files},
        )
        idle = next((connection for connection in opened if connection.is_idle()), None)
        if idle is not None:
            del opened[idle]
            idle.transport.abort()

    class Strict(base):  # type: ignore[misc]  # known when it is run
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._idle_bytes = 0
            self._abort_if_stuck(self)
            opened[self] = None
            if len(opened) > most:
                close_oldest_idle()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._idle_bytes = self._idle_bytes + len(data) if self.is_idle() else 0
            if self._idle_bytes > MAX_HEADERS_BYTES:
                self.transport.abort()

        def connection_lost(self, exc: Exception | None) -> None:
            self._next_check.cancel()
            opened.pop(self, None)
            super().connection_lost(exc)

        def is_idle(self) -> bool:
            return self.cycle is None or bool(self.cycle.response_complete)

        def _abort_if_stuck(self, seen: object, seconds: float = 0.0) -> None:
            """Abort the connection if it is idle since the last check, or one answer takes too long.

            Args:
                seen: The request that was the newest one at the last check.
                seconds: How long it had been by then, at least.
            """
            seconds = seconds + IDLE_SECONDS if self.cycle is seen else 0.0
            if seconds and (self.is_idle() or seconds >= ANSWER_SECONDS):
                self.transport.abort()
            else:
                self._next_check = self.loop.call_later(
                    IDLE_SECONDS, self._abort_if_stuck, self.cycle, seconds
                )

    return Strict


def check(protocol: Any, settings: Any, state: Any) -> None:
    """Check once, before anything is served, that the protocol has what `make_strict_protocol` relies on.

    Args:
        protocol: The protocol's class.
        settings: The server's `uvicorn.Config`, loaded.
        state: The server's `server_state`.

    Raises:
        ConfigurationError: A later version of uvicorn has renamed it.
    """

    async def make_protocol() -> Any:
        return protocol(config=settings, server_state=state, app_state={})

    try:
        instance = asyncio.run(make_protocol())
        lost = [name for name in _RELIED_ON if not hasattr(instance, name)]
    except (TypeError, AttributeError) as error:
        lost = [str(error)]
    if lost:
        raise ConfigurationError(
            f"uvicorn must be {_UVICORN.removeprefix('uvicorn')}, got {metadata.version('uvicorn')}, whose "
            f"HTTP protocol has changed: {', '.join(lost)}. Next: pip install '{_UVICORN}', and report this."
        )
