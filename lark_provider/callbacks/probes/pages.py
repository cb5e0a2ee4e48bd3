"""A tiny HTTP server for short pages: one request for each connection, which no client can hold open.

It runs on the service's own event loop, so an answer proves that the loop turns. A connection is closed after
5 seconds, whatever it does, and the oldest one makes way for the 65th: a slow client delays no probe.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeAlias, cast

logger = logging.getLogger(__name__)

MAX_CONNECTIONS = 64
REQUEST_SECONDS = 5.0
MAX_REQUEST_BYTES = 8 * 1024
_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class ProbePage:
    """An answer.

    Attributes:
        body: The bytes of the response's body.
        status: The HTTP status.
        media_type: The media type of the body.
    """

    body: bytes
    status: int = 200
    media_type: str = "application/json"


Pages: TypeAlias = Mapping[str, Callable[[], ProbePage]]
"""What makes each page, by its path. It is called on the event loop, and must not block."""


class PageConnection(asyncio.Protocol):
    """One connection, for `loop.create_server`.

    Args:
        pages: The pages.
        opened: All open connections, the oldest first; shared by those of a server.
    """

    def __init__(self, pages: Pages, opened: dict[PageConnection, None]) -> None:
        self._pages, self._opened = pages, opened
        self._request = b""
        self._is_answered = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Limit the connection's time, and the number of connections."""
        self._transport = cast("asyncio.Transport", transport)
        self._deadline = asyncio.get_running_loop().call_later(REQUEST_SECONDS, self._transport.abort)
        self._opened[self] = None
        if len(self._opened) > MAX_CONNECTIONS:
            next(iter(self._opened)).abort()

    def data_received(self, data: bytes) -> None:
        """Answer once the request's head is complete; a body is not read."""
        if self._is_answered:
            return
        self._request += data
        if _END in self._request:
            self._answer(*self._find())
        elif len(self._request) > MAX_REQUEST_BYTES:
            self._answer(_make_text_page(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))

    def connection_lost(self, _: Exception | None) -> None:
        """Forget the connection."""
        self._deadline.cancel()
        self._opened.pop(self, None)

    def abort(self) -> None:
        """Close the connection at once."""
        self._opened.pop(self, None)
        self._transport.abort()

    def _find(self) -> tuple[ProbePage, bool]:
        """Return the page that is asked for, and whether only its head is."""
        line = self._request.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        if len(line) != 3 or not line[2].startswith("HTTP/1."):  # noqa: PLR2004 - method, target, version
            return _make_text_page(HTTPStatus.BAD_REQUEST), False
        method, target, _ = line
        page = self._pages.get(target.partition("?")[0])
        if page is None:
            return _make_text_page(HTTPStatus.NOT_FOUND), method == "HEAD"
        if method not in {"GET", "HEAD"}:
            return _make_text_page(HTTPStatus.METHOD_NOT_ALLOWED), False
        try:
            return page(), method == "HEAD"
        except Exception:
            logger.exception("Page of a service failed", extra={"path": target.partition("?")[0]})
            return _make_text_page(HTTPStatus.INTERNAL_SERVER_ERROR), method == "HEAD"

    def _answer(self, page: ProbePage, is_head: bool = False) -> None:
        self._is_answered = True
        head = (
            f"HTTP/1.1 {page.status} {HTTPStatus(page.status).phrase}\r\n"
            f"content-type: {page.media_type}\r\n"
            f"content-length: {len(page.body)}\r\n"
            "connection: close\r\n\r\n"
        )
        self._transport.write(head.encode("latin-1") + (b"" if is_head else page.body))
        self._transport.close()  # once it is sent; a client that does not read is aborted at the deadline


def _make_text_page(status: HTTPStatus) -> ProbePage:
    return ProbePage(status.phrase.encode(), status, "text/plain; charset=utf-8")
