"""One HTTP request, one answer, and what happens between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import orjson

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

JSON_TYPE = b"application/json; charset=utf-8"
TEXT_TYPE = b"text/plain; charset=utf-8"


@dataclass(slots=True)
class Request:
    """A request as it came over the wire; header names in lower case, query pairs in order."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes
    keep_alive: bool = True
    upgrade: bool = False
    """Whether it asks for a WebSocket."""
    secure: bool = False
    """Whether it came over TLS."""


@dataclass(slots=True)
class Answer:
    """A response. `code` is Lark's own code where the body carries one."""

    status: int
    body: bytes
    content_type: bytes = JSON_TYPE
    headers: dict[str, str] = field(default_factory=dict)
    code: int | None = None


class Connection(Protocol):
    """A TCP connection, as the server that stops needs it."""

    closed: asyncio.Future[None]

    def shut(self) -> None:
        """Drop it."""


@dataclass(slots=True)
class Upgrade(Answer):
    """A handshake that is accepted: `start` takes the connection over, and writes the answer itself."""

    start: Callable[[asyncio.Transport, bytes, set[Connection]], Connection] = field(kw_only=True)
    """Is given the transport, what came behind the handshake, and where to be kept until it is closed."""


@dataclass(slots=True)
class Outcome:
    """How to answer: with what (None closes the connection), how late, and what to let go after `hold`.

    Or `later`, which takes its time to find out what to answer.
    """

    answer: Answer | None
    delay: float = 0.0
    hold: float = 0.0
    release: Callable[[], None] | None = None
    later: Coroutine[None, None, Answer | Outcome] | None = None


def plain(status: int, text: str) -> Answer:
    """Return a plain-text answer."""
    return Answer(status, text.encode(), TEXT_TYPE)


def as_json(payload: dict[str, Any], status: int = 200) -> Answer:
    """Return a JSON answer; a `code` in the payload is noted for the request log."""
    return Answer(status, orjson.dumps(payload), code=payload.get("code"))
