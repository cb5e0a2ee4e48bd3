"""Telling open pages that something has happened: Server-Sent Events.

An event says only that there is something new; a page then asks for what it shows. So a page that missed
events, or an emulator under 6,000 requests a second, needs no queue: the next event says it all.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import orjson

from lark_emulator.exchange import Connection, Upgrade

if TYPE_CHECKING:
    from lark_emulator.lark import Lark

#: Seconds between two looks at what has happened.
TICK = 0.1
#: Seconds between two lines that only show that the connection is alive.
_ALIVE = 15.0
#: Bytes that a page may leave unread before it is told nothing more until it has read them.
_UNREAD = 64 * 1024
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-store\r\n"
    b"X-Content-Type-Options: nosniff\r\nCross-Origin-Resource-Policy: same-origin\r\n"
    b"Connection: close\r\n\r\nretry: 1000\n\n"
)


class LiveStream(asyncio.Protocol):
    """The events for one page.

    Args:
        lark: The emulator whose changes the page shows.
        transport: The transport of the TCP connection.
        connections: The open connections of the server; the stream removes itself when it is closed.
    """

    def __init__(self, lark: Lark, transport: asyncio.Transport, connections: set[Connection]) -> None:
        self._lark, self._transport, self._connections = lark, transport, connections
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self._shown_state: tuple[int, int] | None = None
        self._last_write = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Answer, and tell from now on."""
        self._transport.set_protocol(self)
        self._connections.add(self)
        self._transport.write(_HEAD)
        self._tick()

    def _tick(self) -> None:
        if self._transport.is_closing():
            return
        now, state = self._loop.time(), (self._lark.generation, self._lark.activity)
        if self._transport.get_write_buffer_size() < _UNREAD:
            if state != self._shown_state:
                self._shown_state, self._last_write = state, now
                payload = {"generation": state[0], "activity": state[1], "now": self._lark.clock.get_time()}
                self._transport.write(b"data: " + orjson.dumps(payload) + b"\n\n")
            elif now - self._last_write > _ALIVE:
                self._last_write = now
                self._transport.write(b": alive\n\n")
        self._timer = self._loop.call_later(TICK, self._tick)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Forget the page."""
        self._connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if not self.closed.done():
            self.closed.set_result(None)

    def drop_on_shutdown(self) -> None:
        """Drop the connection because the server stops."""
        self._transport.abort()


def stream(lark: Lark) -> Upgrade:
    """Return the answer to `GET /_page/live`, which goes on until the page is closed."""

    def start(
        transport: asyncio.Transport,
        trailing_data: bytes,  # noqa: ARG001 - a page sends nothing after its request
        connections: set[Connection],
    ) -> Connection:
        opened = LiveStream(lark, transport, connections)
        opened.start()
        return opened

    return Upgrade(200, b"", code=None, start=start)
