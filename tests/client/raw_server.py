"""A server on a bare socket: it sees request lines as they came, and answers what a test says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import BinaryIO

import orjson

TOKEN = {"code": 0, "msg": "ok", "tenant_access_token": "t-raw", "expire": 7200}
_TOKENS = "/auth/v3/tenant_access_token"


@dataclass(frozen=True)
class Seen:
    """One request; header names in lower case."""

    line: str
    headers: dict[str, str]
    body_bytes: int

    @property
    def method(self) -> str:
        return self.line.split(" ", 1)[0]

    @property
    def path(self) -> str:
        """Return the path in the request line, without the query."""
        return self.line.split(" ")[1].partition("?")[0]


Answer = Callable[[Seen], bytes | Iterable[bytes] | None]
"""The bytes to send back, at once or one after another; None closes the connection instead."""


def http(payload: object, status: str = "200 OK", *headers: str) -> bytes:
    """Return an HTTP response whose body is the payload: bytes unchanged, all else as JSON."""
    body = payload if isinstance(payload, bytes) else orjson.dumps(payload)
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class RawServer:
    """Its address and what it has seen; `requests` is without those for tokens."""

    port: int
    everything: list[Seen] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> list[Seen]:
        return [seen for seen in self.everything if _TOKENS not in seen.line]


@contextmanager
def raw_server(
    answer: Answer, *, answers_tokens: bool = False, slow_until: threading.Event | None = None
) -> Iterator[RawServer]:
    """Serve responses from `answer` until the end of the block.

    Token requests are answered with a token, without calling `answer`, unless `answers_tokens` is set. If
    `slow_until` is given, bodies are read at most at 6 MB a second until that event is set.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    server = RawServer(listener.getsockname()[1])
    connections: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connections.append(connection)
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    def serve(connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as stream:
            while (seen := _read(stream, slow_until)) is not None:
                server.everything.append(seen)
                reply = http(TOKEN) if _TOKENS in seen.line and not answers_tokens else answer(seen)
                if reply is None:
                    return
                for part in (reply,) if isinstance(reply, bytes) else reply:
                    connection.sendall(part)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def _read(stream: BinaryIO, slow_until: threading.Event | None) -> Seen | None:
    line = stream.readline().decode("latin-1").rstrip("\r\n")
    if not line:
        return None
    headers = {}
    while header := stream.readline().decode("latin-1").rstrip("\r\n"):
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    buffer, left = memoryview(bytearray(65536)), int(headers.get("content-length", 0))
    total = left
    while left and (count := stream.readinto(buffer[: min(left, len(buffer))])):  # type: ignore[attr-defined]  # buffered
        left -= count
        if slow_until is not None and left:
            slow_until.wait(0.01)
    return Seen(line, headers, total - left)
