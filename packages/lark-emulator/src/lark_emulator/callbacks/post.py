"""One POST to the server of an app: on asyncio, with a deadline, and a reason if it fails."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

import httptools

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server of an app answered."""

    status: int
    body: bytes


class UnreachableError(Exception):
    """No answer.

    Args:
        reason: The kind of failure: `dns`, `connect`, `timeout` or `answer` (the connection broke, or what
            came was not HTTP).
        text: A human-readable description of the failure.
    """

    def __init__(self, reason: str, text: str) -> None:
        self.reason = reason
        super().__init__(text)


def check_url(url: str) -> SplitResult:
    """Return the parts of an address.

    Raises:
        ValueError: it is not an http or https address.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"a callback URL starts with http:// or https://, not {url!r}")
    return parts


class Courier:
    """Sends what is to be sent; what is under way is given up when the emulator stops or is reset."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Task[Reply]] = set()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, timeout: float) -> Reply:  # noqa: ASYNC109 - the deadline is part of what is asked for
        """Send a body and return the answer. Redirects are answers, too.

        Args:
            url: The URL that the body is sent to.
            headers: Headers in addition to those that every request has.
            body: The JSON body, encoded.
            timeout: How long the whole exchange may take, in seconds.

        Raises:
            UnreachableError: no answer in time.
        """
        task = asyncio.create_task(_within(timeout, _post(url, headers, body)))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await task

    def give_up(self) -> None:
        """Break off everything under way."""
        for task in self._under_way:
            task.cancel()


async def _within(seconds: float, sending: Coroutine[None, None, Reply]) -> Reply:
    try:
        async with asyncio.timeout(seconds):
            return await sending
    except TimeoutError:
        raise UnreachableError("timeout", f"no answer within {seconds:g} s") from None


async def _post(url: str, headers: Mapping[str, str], body: bytes) -> Reply:
    parts = check_url(url)
    try:
        reader, writer = await asyncio.open_connection(
            parts.hostname,
            parts.port or (443 if parts.scheme == "https" else 80),
            ssl=parts.scheme == "https" or None,
        )
    except socket.gaierror as error:
        raise UnreachableError("dns", f"{parts.hostname} is unknown: {error.strerror}") from None
    except OSError as error:
        raise UnreachableError("connect", f"no connection to {parts.netloc}: {error}") from None
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        head = {
            "Host": parts.netloc.rpartition("@")[2],
            "Content-Type": "application/json; charset=utf-8",
            "Content-Length": str(len(body)),
            "Connection": "close",
            **headers,
        }
        lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
        writer.write("\r\n".join(lines).encode() + body)
        return await _answer(reader)
    except OSError as error:
        raise UnreachableError("answer", f"the connection broke: {error}") from None
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> Reply:
    collected = _Collected()
    parser = httptools.HttpResponseParser(collected)
    try:
        while not collected.complete:
            chunk = await reader.read(65536)
            if not chunk:
                if collected.until_closed:
                    break
                raise UnreachableError("answer", "the connection was closed before the answer was complete")
            parser.feed_data(chunk)
            if len(collected.body) > MAX_BYTES:
                raise UnreachableError("answer", f"the answer is longer than {MAX_BYTES} bytes")
    except httptools.HttpParserError:
        if not collected.complete:  # what follows an answer is of no interest
            raise UnreachableError("answer", "the answer is no HTTP") from None
    return Reply(parser.get_status_code(), bytes(collected.body))


class _Collected:
    """What the parser tells about one answer."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.complete = False
        self._has_head = False
        self._has_length = False

    @property
    def until_closed(self) -> bool:
        """Whether the end of the connection is the end of the body."""
        return self._has_head and not self._has_length

    def on_header(self, name: bytes, value: bytes) -> None:  # noqa: ARG002 - httptools' signature
        self._has_length |= name.lower() in (b"content-length", b"transfer-encoding")

    def on_headers_complete(self) -> None:
        self._has_head = True

    def on_body(self, chunk: bytes) -> None:
        self.body += chunk

    def on_message_complete(self) -> None:
        self.complete = True
