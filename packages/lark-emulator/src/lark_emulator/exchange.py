"""One HTTP request, one answer, and what happens between them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import orjson

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine, Sequence

JSON_TYPE = b"application/json; charset=utf-8"
TEXT_TYPE = b"text/plain; charset=utf-8"
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNSAFE = re.compile(r"[^\t -~\xa0-\xff]")
#: Headers that say how long an answer is and how it is sent: the server's own.
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection"})


@dataclass(slots=True)
class Request:
    """A request as it came over the wire; header names in lower case, query pairs in order."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes
    keep_alive: bool = True
    is_http10: bool = False
    """Whether it came with HTTP/1.0."""
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
    parts: Sequence[bytes] = ()
    """What follows `body`, if that is too much to be written at once."""


class Connection(Protocol):
    """A TCP connection, as the server that stops needs it."""

    closed: asyncio.Future[None]

    def drop_on_shutdown(self) -> None:
        """Drop the connection because the server stops."""


@dataclass(slots=True)
class Upgrade(Answer):
    """A handshake that is accepted: `start` takes the connection over, and writes the answer itself."""

    start: Callable[[asyncio.Transport, bytes, set[Connection]], Connection] = field(kw_only=True)
    """Takes the transport, the data that followed the handshake, and the set of open connections to join."""


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


def make_plain_answer(status: int, text: str) -> Answer:
    """Return a plain-text answer."""
    return Answer(status, text.encode(), TEXT_TYPE)


def as_json(payload: dict[str, Any], status: int = 200) -> Answer:
    """Return a JSON answer; a `code` in the payload is noted for the request log."""
    return Answer(status, orjson.dumps(payload), code=payload.get("code"))


def check_headers(headers: Any) -> None:
    """Check that headers of an answer can be sent.

    Raises:
        ValueError: naming the one that cannot.
    """
    if not isinstance(headers, dict) or not all(
        isinstance(part, str) for pair in headers.items() for part in pair
    ):
        raise ValueError(f"'headers' must map names to strings, not {headers!r}")
    for name, value in headers.items():
        if _HEADER_NAME.fullmatch(name) is None or name.lower() in _FRAMING:
            raise ValueError(f"an answer cannot have the header {name!r}. Next: leave it out")
        if _UNSAFE.search(value):
            raise ValueError(f"the header {name!r} cannot have the value {value!r}. Next: use plain ASCII")


def clean_header_value(value: str) -> str:
    """Return the value of a header with `?` for what would end it, or for what a header cannot hold."""
    return _UNSAFE.sub("?", value)
