"""What follows a CONNECT: TLS with the emulator itself, or bytes to and from another host."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from lark_emulator.server import HttpConnection

if TYPE_CHECKING:
    import ssl

    from lark_emulator.exchange import Connection
    from lark_emulator.server import Handler

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_EARLY = (
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 36\r\n\r\n"
    b"wait for the answer to the CONNECT.\n"
)
_UNREACHABLE = b"HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
HANDSHAKE_SECONDS = 10.0


class Interception:
    """A tunnel that ends here: the client speaks TLS with the emulator, and HTTP in it.

    Args:
        transport: The transport of the TCP connection to the client.
        trailing_data: The bytes that followed the CONNECT request; it must be empty.
        connections: The open connections of the server.
        handler: The handler that answers the requests inside the tunnel.
        context: The TLS context with a certificate for the host.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        trailing_data: bytes,
        connections: set[Connection],
        handler: Handler,
        context: ssl.SSLContext,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = loop.create_future()
        self._transport, self._connections = transport, connections
        connections.add(self)
        if trailing_data:
            transport.write(_EARLY)
            transport.close()
            self._on_done()
            return
        transport.pause_reading()
        transport.write(ESTABLISHED)
        self._task = loop.create_task(self._shake_hands(handler, context))

    async def _shake_hands(self, handler: Handler, context: ssl.SSLContext) -> None:
        inner = HttpConnection(handler, self._connections, secure=True)
        try:
            secured = await asyncio.get_running_loop().start_tls(
                self._transport,
                inner,
                context,
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
            )
        except OSError:  # the client does not trust the authority, or has disconnected: it knows why
            self._transport.abort()
        else:
            if secured is not None and not inner.closed.done():
                inner.connection_made(secured)
        finally:
            self._on_done()

    def _on_done(self) -> None:
        self._connections.discard(self)
        if not self.closed.done():
            self.closed.set_result(None)

    def drop_on_shutdown(self) -> None:
        """Drop it because the server stops."""
        self._transport.abort()


class _Side(asyncio.Protocol):
    """One of the two connections of a passage: what it receives goes out on the other."""

    def __init__(self, passage: Passage) -> None:
        self._passage = passage
        self.other: asyncio.Transport | None = None

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            self.other.write(data)

    def eof_received(self) -> bool:
        if self.other is not None and self.other.can_write_eof() and not self.other.is_closing():
            self.other.write_eof()
        return True

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._passage.drop_on_shutdown()

    def pause_writing(self) -> None:
        self._passage.pause(self)

    def resume_writing(self) -> None:
        self._passage.resume(self)


class Passage:
    """A tunnel to another host.

    Args:
        transport: The transport of the TCP connection to the client.
        trailing_data: The bytes that followed the CONNECT request, which are sent to the host first.
        connections: The open connections of the server.
        host: The name or address of the host that the tunnel leads to.
        port: The port of that host.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        trailing_data: bytes,
        connections: set[Connection],
        host: str,
        port: int,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = loop.create_future()
        self._client, self._connections = transport, connections
        self._server: asyncio.Transport | None = None
        connections.add(self)
        transport.pause_reading()
        self._near, self._far = _Side(self), _Side(self)
        transport.set_protocol(self._near)
        self._task = loop.create_task(self._connect(trailing_data, host, port))

    async def _connect(self, trailing_data: bytes, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                server, _ = await loop.create_connection(lambda: self._far, host, port)
        except OSError:  # TimeoutError is one
            self._client.write(_UNREACHABLE)
            self._client.close()
            return
        if self._client.is_closing():
            server.close()
            return
        self._server = server
        self._near.other, self._far.other = server, self._client
        self._client.write(ESTABLISHED)
        if trailing_data:
            server.write(trailing_data)
        self._client.resume_reading()

    def pause(self, full: _Side) -> None:
        """Read no more from the other side of one that is full."""
        if full.other is not None:
            full.other.pause_reading()

    def resume(self, drained: _Side) -> None:
        """Read again from the other side."""
        if drained.other is not None:
            drained.other.resume_reading()

    def drop_on_shutdown(self) -> None:
        """Close both sides."""
        self._connections.discard(self)
        for side in (self._client, self._server):
            if side is not None:
                side.close()
        if not self.closed.done():
            self.closed.set_result(None)
