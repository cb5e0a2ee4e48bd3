"""One long connection on the server's side: the protocol of the `websockets` library over asyncio.

Loaded with the first handshake, since the library takes tens of milliseconds to load.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from websockets.datastructures import Headers
from websockets.exceptions import ProtocolError
from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol

from lark_emulator.websocket.frames import CONTROL, Frame, FrameError, decode, encode
from lark_emulator.websocket.messages import MESSAGE_ID, PING, TYPE, make_pong

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lark_emulator.exchange import Connection
    from lark_emulator.websocket.links import Links, Ticket

#: A client's message may have as many bytes; a longer one ends the connection with 1009.
MAX_BYTES = 1024 * 1024
#: What a client that has stopped reading may have outstanding, before its connection is dropped.
MAX_UNREAD_BYTES = 8 * 1024 * 1024
#: Seconds for the other side's part of the closing handshake.
CLOSING_TIMEOUT = 5.0
_HANDSHAKE = ("connection", "host", "origin", "upgrade")


def shake_hands(path: str, headers: Mapping[str, str]) -> tuple[ServerProtocol, Response]:
    """Return the protocol of a connection and the answer to its handshake, a 101 if it is accepted.

    Args:
        path: The path of the handshake request.
        headers: The headers of the handshake request, names in lower case.
    """
    protocol = ServerProtocol(max_size=MAX_BYTES)
    wanted = [
        (name, value)
        for name, value in headers.items()
        if name in _HANDSHAKE or name.startswith("sec-websocket-")
    ]
    protocol.receive_data(Request(path, Headers(wanted)).serialize())
    for request in protocol.events_received():
        if isinstance(request, Request):
            return protocol, protocol.accept(request)
    return protocol, protocol.reject(400, "the handshake must be a valid HTTP request\n")


class WebSocketLink(asyncio.Protocol):
    """One connection.

    Args:
        links: The open connections of the emulator, to which this one is added.
        ticket: The ticket that the connection was opened with, which contains the app and the connection's
            ids.
        protocol: The WebSocket protocol, after its handshake.
        transport: The transport of the TCP connection.
        connections: The open connections of the server; the link removes itself when it is closed.
    """

    def __init__(
        self,
        links: Links,
        ticket: Ticket,
        protocol: ServerProtocol,
        transport: asyncio.Transport,
        connections: set[Connection],
    ) -> None:
        self.app_id, self.connection_id = ticket.app_id, ticket.device_id
        self.service_id = int(ticket.service_id)
        self.opened = links.clock.get_time()
        self.hangs = False
        """Whether it stays silent, while TCP stays: half-open, to the client."""
        self.messages = self.pings = self.garbage = 0
        self.last_garbage = ""
        self._links, self._protocol = links, protocol
        self._transport, self._connections = transport, connections
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self._heard = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._parts: list[bytes] = []
        self._binary = True

    def start(self, response: Response, trailing_data: bytes) -> None:
        """Answer the handshake and begin.

        Args:
            response: The answer to the handshake request.
            trailing_data: The bytes that the client sent after its request.
        """
        self._transport.set_protocol(self)
        self._connections.add(self)
        self._protocol.send_response(response)
        self._flush()
        self._links.add(self)
        self._watch()
        if trailing_data:
            self.data_received(trailing_data)

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent; a connection that hangs counts as open."""
        return self._protocol.state is State.OPEN and not self._transport.is_closing()

    def to_dict(self) -> dict[str, Any]:
        """Return it for the control plane."""
        return {
            "connection_id": self.connection_id,
            "app_id": self.app_id,
            "opened": self.opened,
            "hangs": self.hangs,
            "messages": self.messages,
            "pings": self.pings,
            "garbage": self.garbage,
            "last_garbage": self.last_garbage,
            "unread_bytes": self._transport.get_write_buffer_size(),
        }

    # asyncio ---------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Take what the client sent. Whatever it is, it ends at most this connection."""
        if self.hangs:
            return
        self._heard = self._loop.time()
        try:
            self._protocol.receive_data(data)
            for event in self._protocol.events_received():
                if isinstance(event, WireFrame):
                    self._receive(event)
        except Exception as error:  # noqa: BLE001 - a bug of ours must be seen, and must not end the server
            self._links.crashed(error)
            self._transport.abort()
            return
        self._flush()

    def eof_received(self) -> bool:
        """Close when the client has closed its half."""
        return False

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Forget the connection; what it has not acknowledged fails."""
        self._connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        self._links.remove(self)
        if not self.closed.done():
            self.closed.set_result(None)

    # receiving -------------------------------------------------------------------------------------------

    def _receive(self, event: WireFrame) -> None:
        if event.opcode is Opcode.CLOSE:
            self._links.remove(self)
        if event.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._parts, self._binary = [], event.opcode is Opcode.BINARY
        if event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._parts.append(bytes(event.data))
            if event.fin:
                self._receive_message(b"".join(self._parts))

    def _receive_message(self, data: bytes) -> None:
        try:
            if not self._binary:
                raise FrameError("a frame is binary, and this was text")
            frame = decode(data)
            if frame.method == CONTROL:
                self._answer_control(frame)
            else:
                self._links.acknowledge(self, frame, frame.get_header(MESSAGE_ID) or "")
        except ValueError as error:  # what orjson raises is one, too
            self.garbage += 1
            self.last_garbage = str(error)[:300]

    def _answer_control(self, frame: Frame) -> None:
        if frame.get_header(TYPE) != PING:
            raise FrameError(f"a control frame of a client is a ping, not {frame.get_header(TYPE)!r}")
        self.pings += 1
        if self.pings == 1:
            self._links.on_ready(self.app_id)
        self.send([encode(make_pong(frame, self._links.make_pong_config()))])

    # sending ---------------------------------------------------------------------------------------------

    def send(self, messages: Iterable[bytes]) -> None:
        """Send WebSocket messages; nothing is sent over a connection that hangs or is being closed."""
        if self.hangs or not self.is_open:
            return
        for message in messages:
            self._protocol.send_binary(message)
        self._flush()

    def send_text(self, text: str) -> None:
        """Send a text message, which is never a frame."""
        if not self.hangs and self.is_open:
            self._protocol.send_text(text.encode())
            self._flush()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            else:
                self._transport.close()
        if self._transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            self._transport.abort()

    # ending ----------------------------------------------------------------------------------------------

    def close(self, code: int, reason: str) -> None:
        """Close with a close frame.

        Args:
            code: The status code of the close frame.
            reason: The reason in the close frame.

        Raises:
            ValueError: this code or reason cannot be sent.
        """
        if not self.is_open:
            return
        try:
            self._protocol.send_close(code, reason)
        except (ProtocolError, UnicodeEncodeError) as error:
            raise ValueError(f"a close frame cannot carry {code} {reason!r}: {error}") from None
        self._links.remove(self)
        self._flush()
        self._loop.call_later(CLOSING_TIMEOUT, self._transport.abort)

    def drop(self) -> None:
        """Drop the TCP connection, without a close frame."""
        self._links.remove(self)
        self._transport.abort()

    def drop_when_sent(self) -> None:
        """Drop the TCP connection once what was sent is on its way, without a close frame."""
        self._links.remove(self)
        self._transport.close()

    def drop_on_shutdown(self) -> None:
        """Drop the connection because the server stops."""
        self.drop()

    def _watch(self) -> None:
        """Drop the connection when its client has missed its pings; clients ping by the wall clock."""
        settings = self._links.settings
        allowed = settings.ping_interval * settings.missed_pings
        silent = self._loop.time() - self._heard
        if 0 < allowed <= silent and not self.hangs:
            self._links.count("missed_pings")
            self.drop()
            return
        wait = allowed - silent if allowed > 0 else settings.ping_interval
        self._timer = self._loop.call_later(max(0.05, min(wait, 1.0)), self._watch)
