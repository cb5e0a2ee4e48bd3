"""Adapt an asyncio event loop to pika, built on the interface that pika documents for adapters.

pika's own adapter for asyncio is private. This one tracks sockets and streams as well: pika loses the
socket of a connection that is given up early, and has no public way to cut one that does not answer.

Loaded when RabbitMQ is used, by `amqp.read_broker`, and never before: no other part needs such a pika.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

from pika.adapters.utils.io_services_utils import SocketConnectionMixin, StreamingConnectionMixin
from pika.adapters.utils.nbio_interface import (
    AbstractFileDescriptorServices,
    AbstractIOReference,
    AbstractIOServices,
    AbstractStreamProtocol,
    AbstractStreamTransport,
    AbstractTimerReference,
)

from lark_provider.support import threads


class Timer(AbstractTimerReference):
    """A callback that is due later.

    Args:
        handle: As the event loop returned it.
    """

    def __init__(self, handle: asyncio.TimerHandle) -> None:
        self._handle = handle

    def cancel(self) -> None:
        """Cancel the callback."""
        self._handle.cancel()


class Pending(AbstractIOReference):
    """Something awaited on pika's behalf.

    Once it is cancelled it calls nothing back, even if its result is there and about to be reported. pika's
    own does, and a connection that is given up at that moment then begins to connect once more: it stumbles
    over what pika has cleared ("'NoneType' object has no attribute 'append'", up to 1.4.4 at least).

    Args:
        awaited: What is awaited.
        on_done: Called with its result or its exception, unless it is cancelled.
    """

    def __init__(self, awaited: Awaitable[Any], on_done: Callable[[Any], object]) -> None:
        self._future = asyncio.ensure_future(awaited)
        self._on_done = on_done
        self._is_over = False
        self._future.add_done_callback(self._on_future_done)

    def cancel(self) -> bool:
        """Cancel it; return False if it was reported or cancelled already."""
        was_pending, self._is_over = not self._is_over, True
        self._future.cancel()
        return was_pending

    def _on_future_done(self, future: asyncio.Future[Any]) -> None:
        if not self._is_over and not future.cancelled():
            self._is_over = True
            self._on_done(future.exception() or future.result())


class LoopServices(
    SocketConnectionMixin, StreamingConnectionMixin, AbstractIOServices, AbstractFileDescriptorServices
):
    """The event loop, as pika uses it for one connection.

    Args:
        loop: The running event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._sockets: list[socket.socket] = []
        self._streams: list[tuple[AbstractStreamTransport, AbstractStreamProtocol]] = []

    def abort(self) -> bool:
        """Abort the connection as if the broker had; pika reports it as lost.

        Returns:
            Whether there was one: False while it is being made.
        """
        for transport, protocol in self._streams:
            protocol.eof_received()
            transport.abort()
        return bool(self._streams)

    def close(self) -> None:
        """Close the sockets that are still open; the event loop stays."""
        for sock in self._sockets:
            if (number := sock.fileno()) >= 0:
                self._loop.remove_reader(number)
                self._loop.remove_writer(number)
                sock.close()

    def connect_socket(self, sock: socket.socket, resolved_addr: Any, on_done: Any) -> Any:
        """Connect a socket, and remember it for `close`."""
        self._sockets.append(sock)
        return super().connect_socket(sock, resolved_addr, on_done)

    def create_streaming_connection(
        self,
        protocol_factory: Callable[[], AbstractStreamProtocol],
        sock: socket.socket,
        on_done: Callable[[tuple[AbstractStreamTransport, AbstractStreamProtocol] | BaseException], None],
        ssl_context: ssl.SSLContext | None = None,
        server_hostname: str | None = None,
    ) -> AbstractIOReference:
        """Begin to stream over a connected socket, and remember the transport for `abort`."""

        def on_result(
            result: tuple[AbstractStreamTransport, AbstractStreamProtocol] | BaseException,
        ) -> None:
            if not isinstance(result, BaseException):
                self._streams.append(result)
            on_done(result)

        return super().create_streaming_connection(
            protocol_factory, sock, on_result, ssl_context, server_hostname
        )

    def getaddrinfo(
        self,
        host: str | bytes | None,
        port: str | bytes | int | None,
        on_done: Callable[[Any], object],
        family: int = 0,
        socktype: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> AbstractIOReference:
        """Resolve a host in a thread of its own.

        Not in the loop's executor: `asyncio.run` would wait at its end for a name server that is frozen.
        """
        lookup = threads.start(lambda: socket.getaddrinfo(host, port, family, socktype, proto, flags))
        return Pending(asyncio.wrap_future(lookup), on_done)

    def call_later(self, delay: float, callback: Callable[..., None]) -> AbstractTimerReference:
        """Call back after a delay, in seconds."""
        return Timer(self._loop.call_later(delay, callback))

    def add_callback_threadsafe(self, callback: Callable[..., None]) -> None:
        """Call back soon, from any thread."""
        self._loop.call_soon_threadsafe(callback)

    def set_reader(self, fd: int, on_readable: Callable[[], None]) -> None:
        """Call back whenever a descriptor is readable."""
        self._loop.add_reader(fd, on_readable)

    def remove_reader(self, fd: int) -> bool:
        """Stop watching a descriptor for reading."""
        return self._loop.remove_reader(fd)

    def set_writer(self, fd: int, on_writable: Callable[[], None]) -> None:
        """Call back whenever a descriptor is writable."""
        self._loop.add_writer(fd, on_writable)

    def remove_writer(self, fd: int) -> bool:
        """Stop watching a descriptor for writing."""
        return self._loop.remove_writer(fd)

    def get_native_ioloop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop."""
        return self._loop

    def run(self) -> None:
        """Raise: the event loop runs already, and belongs to its program."""
        raise NotImplementedError

    def stop(self) -> None:
        """Raise: the event loop belongs to its program."""
        raise NotImplementedError
