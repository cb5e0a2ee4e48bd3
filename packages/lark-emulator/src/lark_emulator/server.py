"""HTTP/1.1 over asyncio and httptools: connections, keep-alive, pipelining, limits."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qsl, unquote

import httptools

from lark_emulator.exchange import Answer, Connection, Outcome, Request, Upgrade, make_plain_answer

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BODY_BYTES = 32 * 1024 * 1024
MAX_HEAD_BYTES = 64 * 1024
MAX_PIPELINED = 64
LINGER_S = 2.0
"""How long what a refused client still sends is read and dropped, so that it can read why."""

_REASONS = {
    200: b"OK",
    302: b"Found",
    304: b"Not Modified",
    400: b"Bad Request",
    401: b"Unauthorized",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Method Not Allowed",
    413: b"Payload Too Large",
    415: b"Unsupported Media Type",
    429: b"Too Many Requests",
    431: b"Request Header Fields Too Large",
    500: b"Internal Server Error",
    502: b"Bad Gateway",
    503: b"Service Unavailable",
    504: b"Gateway Timeout",
}


class Handler(Protocol):
    """What answers requests: a `dispatch.Dispatcher`, or anything of its shape."""

    def handle(self, request: Request) -> Outcome:
        """Perform one request and say how to answer it."""

    def count_connection(self) -> None:
        """Count one accepted connection."""


class HttpConnection(asyncio.Protocol):
    """One TCP connection. Requests are answered strictly in the order in which they came.

    Args:
        handler: The handler that answers the requests.
        open_connections: The set that contains the connection while it is open.
        secure: Whether the connection is known to be TLS before the transport says so.
    """

    def __init__(self, handler: Handler, open_connections: set[Connection], *, secure: bool = False) -> None:
        self._handler = handler
        self._open = open_connections
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[Request] = deque()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._later: asyncio.Task[Answer | Outcome] | asyncio.Task[None] | None = None
        self._unread: asyncio.Future[None] | None = None
        """Is done once the client has read enough of what it was sent."""
        self._after: Callable[[], None] | None = None
        self._ending = False
        self._refusal: Answer | None = None
        """Waits for the answers to the requests before the one that it refuses; nothing more is read."""
        self._half_closed = False
        self._upgrading = False
        self._is_partial = False
        self._secure = secure
        self._trailing_data = b""
        """What followed a request for an upgrade, which is the last request of a connection."""
        self._reset_head()

    def _reset_head(self) -> None:
        self._target = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._head_bytes = 0
        self._body_bytes = 0

    # asyncio ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept the connection."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP gives nothing else
        self._transport = transport
        self._secure = self._secure or transport.get_extra_info("sslcontext") is not None
        self._open.add(self)
        self._handler.count_connection()
        # What came with the end of a TLS handshake was read before the transport was there.
        self._answer_waiting()

    def data_received(self, data: bytes) -> None:
        """Parse what came; a malformed request is answered with 400 and ends the connection."""
        if self._ending or self._refusal is not None:
            return
        if self._upgrading:
            self._collect_trailing_data(data)
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrading = True
            self._collect_trailing_data(data[upgrade.args[0] :])
            if not self._busy:
                self._answer_waiting()
        except httptools.HttpParserCallbackError:
            # Our callbacks refuse a request by raising through the parser; anything else is a bug.
            if not self._ending and self._refusal is None:
                raise
        except httptools.HttpParserError:
            if not self._ending:
                self._refuse(make_plain_answer(400, "malformed request"))

    def _collect_trailing_data(self, data: bytes) -> None:
        self._trailing_data += data
        if len(self._trailing_data) > MAX_HEAD_BYTES:
            self._refuse(make_plain_answer(400, "wait for the answer to the handshake"))

    def eof_received(self) -> bool:
        """Keep a half-closed connection open while answers are still owed.

        A request whose end will never come is answered, too.
        """
        self._half_closed = True
        if self._secure or self._ending:  # TLS knows no half-closed connections
            return False
        if self._is_partial and not (self._waiting or self._busy or self._upgrading):
            self._refuse(make_plain_answer(400, "the request ends before its end"))
        return bool(self._waiting or self._busy)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Forget the connection. A write in progress is finished all the same, as in Lark."""
        self._open.discard(self)
        self._transport = None
        self._ending = True
        self._waiting.clear()
        self.resume_writing()
        if not self.closed.done():
            self.closed.set_result(None)

    def pause_writing(self) -> None:
        """Wait with the rest of a long answer."""
        self._unread = self._loop.create_future()

    def resume_writing(self) -> None:
        """Go on with it."""
        if self._unread is not None and not self._unread.done():
            self._unread.set_result(None)

    # httptools -------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Start a new request."""
        self._reset_head()
        self._is_partial = True

    def on_url(self, url: bytes) -> None:
        """Collect the request target."""
        self._target += url
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect one header; names are matched in lower case."""
        self._count_head(len(name) + len(value))
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(make_plain_answer(431, "request header too large"))
            raise httptools.HttpParserError("header too large")

    def on_headers_complete(self) -> None:
        """Answer `Expect: 100-continue`, and refuse a body that announces itself as too large."""
        announced = self._headers.get("content-length", "0")
        if announced.isdigit() and int(announced) > MAX_BODY_BYTES:
            self._refuse(make_plain_answer(413, "request body too large"))
            raise httptools.HttpParserError("body too large")
        if self._headers.get("expect", "").lower() == "100-continue" and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, chunk: bytes) -> None:
        """Collect a piece of the body."""
        self._body_bytes += len(chunk)
        if self._body_bytes > MAX_BODY_BYTES:
            self._refuse(make_plain_answer(413, "request body too large"))
            raise httptools.HttpParserError("body too large")
        self._body.append(chunk)

    def on_message_complete(self) -> None:
        """Queue the finished request and answer it if none is in progress."""
        self._is_partial = False
        leaves_http = self._parser.should_upgrade()
        raw_path, _, raw_query = self._target.decode("latin-1").partition("?")
        self._waiting.append(
            Request(
                method=self._parser.get_method().decode("ascii"),
                path=unquote(raw_path) if "%" in raw_path else raw_path,
                query=parse_qsl(raw_query, keep_blank_values=True) if raw_query else [],
                headers=self._headers,
                body=self._body[0] if len(self._body) == 1 else b"".join(self._body),
                keep_alive=self._parser.should_keep_alive() and not leaves_http,
                is_http10=self._parser.get_http_version() == "1.0",
                upgrade=leaves_http and self._headers.get("upgrade", "").lower() == "websocket",
                secure=self._secure,
            )
        )
        if len(self._waiting) > MAX_PIPELINED and self._transport is not None:
            self._transport.pause_reading()
        if not self._busy and not leaves_http:  # else once the parser has said where the request ends
            self._answer_waiting()

    # answering -------------------------------------------------------------------------------------------

    @property
    def _busy(self) -> bool:
        return self._timer is not None or self._later is not None

    def _answer_waiting(self) -> None:
        while self._waiting and not self._busy and self._transport is not None:
            request = self._waiting.popleft()
            outcome = self._handler.handle(request)
            if outcome.later is not None:
                self._later = self._loop.create_task(outcome.later)
                self._later.add_done_callback(partial(self._on_answer, request))
                return
            self._give(request, outcome)
        if self._busy or self._transport is None or self._ending:
            return
        if self._refusal is not None:
            self._refuse(self._refusal)
        elif self._half_closed and self._is_partial:
            self._refuse(make_plain_answer(400, "the request ends before its end"))
        elif self._half_closed:
            self._end()
        else:
            self._transport.resume_reading()

    def _give(self, request: Request, outcome: Outcome) -> None:
        if outcome.delay <= 0:
            self._finish(request, outcome)
            return
        self._after = outcome.release
        if outcome.release is not None and outcome.hold < outcome.delay:
            self._loop.call_later(outcome.hold, outcome.release)
        self._timer = self._loop.call_later(outcome.delay, self._finish_late, request, outcome)

    def _finish_late(self, request: Request, outcome: Outcome) -> None:
        self._timer = self._after = None
        self._finish(request, outcome)
        self._answer_waiting()

    def _on_answer(self, request: Request, task: asyncio.Task[Answer | Outcome]) -> None:
        self._later = None
        result = None if task.cancelled() else task.result()
        self._give(request, result if isinstance(result, Outcome) else Outcome(result))
        self._answer_waiting()

    def _finish(self, request: Request, outcome: Outcome) -> None:
        if outcome.release is not None:
            outcome.release()
        if self._transport is None:
            return
        if outcome.answer is None:
            self._ending = True
            self._waiting.clear()
            self._transport.abort()
            return
        if isinstance(outcome.answer, Upgrade):
            self._hand_over(outcome.answer)
            return
        head_only = request.method == "HEAD"
        head = _serialize(
            outcome.answer, keep_alive=request.keep_alive, is_http10=request.is_http10, head_only=head_only
        )
        self._transport.write(head)
        if outcome.answer.parts and not head_only:
            writing = self._loop.create_task(self._write(deque(outcome.answer.parts)))
            writing.add_done_callback(partial(self._on_written, keep_alive=request.keep_alive))
            self._later = writing
        elif not request.keep_alive:
            self._end()

    async def _write(self, parts: deque[bytes]) -> None:
        """Write the rest of a long answer as fast as the client reads it, with turns for others."""
        while parts and self._transport is not None:
            self._transport.write(parts.popleft())
            if self._unread is not None:
                await self._unread
            await asyncio.sleep(0)

    def _on_written(self, _: asyncio.Task[None], *, keep_alive: bool) -> None:
        self._later = None
        if not keep_alive:
            self._end()
        self._answer_waiting()

    def _hand_over(self, upgrade: Upgrade) -> None:
        transport = self._transport
        if transport is None or self._half_closed:
            self._end()
            return
        self.connection_lost(None)
        transport.resume_reading()
        upgrade.start(transport, self._trailing_data, self._open)

    def _refuse(self, answer: Answer) -> None:
        """Answer what cannot be read on, once the requests before it have their answers, and close."""
        if (self._waiting or self._busy) and not self._upgrading:
            self._refusal = self._refusal or answer
            return
        if self._transport is not None and not self._ending:
            self._transport.write(_serialize(answer, keep_alive=False))
            self._linger(self._transport)
        else:
            self._end()

    def _linger(self, transport: asyncio.Transport) -> None:
        """Close once the client has closed its side, or in `LINGER_S`.

        To close with bytes unread resets the connection, and a client that still sends its body would find
        a broken pipe in the place of its answer.
        """
        self._ending = True
        self._waiting.clear()
        if self._half_closed:
            transport.close()
            return
        if transport.can_write_eof():
            transport.write_eof()
        transport.resume_reading()
        self._loop.call_later(LINGER_S, transport.close)

    def _end(self) -> None:
        self._ending = True
        self._waiting.clear()
        if self._transport is not None:
            self._transport.close()

    def drop_on_shutdown(self) -> None:
        """Drop the connection because the server stops; a table held by a slow write is let go."""
        if self._later is not None:
            self._later.cancel()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._after is not None:
            self._after()
            self._after = None
        if self._transport is not None:
            self._transport.abort()


def _serialize(
    answer: Answer, *, keep_alive: bool, is_http10: bool = False, head_only: bool = False
) -> bytes:
    head = [
        b"HTTP/1.1 %d %s" % (answer.status, _REASONS.get(answer.status, b"Status")),
        b"Content-Type: " + answer.content_type,
        b"Content-Length: %d" % (len(answer.body) + sum(map(len, answer.parts))),
    ]
    head.extend(f"{name}: {value}".encode("latin-1") for name, value in answer.headers.items())
    if not keep_alive:
        head.append(b"Connection: close")
    elif is_http10:  # a client of HTTP/1.0 that is not told so reads on until the connection is closed
        head.append(b"Connection: keep-alive")
    # What follows the head of an answer to HEAD would be read as the next answer.
    return b"\r\n".join(head) + b"\r\n\r\n" + (b"" if head_only else answer.body)
