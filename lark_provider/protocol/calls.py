"""The vocabulary: what an operation is, and what it may ask of whoever performs it.

An operation is a `Call` (one request), a `Procedure` (a generator that yields Calls and effects) or a
`Listing` (pages of items). None of them does anything by itself; `flow.run` turns them into effects, and
two small drivers, one sync and one async, perform those.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Generic, TypeAlias, TypeVar
from urllib.parse import quote

import orjson

from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.redact import MASK

Readable: TypeAlias = "str | os.PathLike[str] | bytes | IO[bytes]"
T = TypeVar("T")
D_co = TypeVar("D_co", covariant=True)

JSON_TYPE = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class LarkResponse(Generic[D_co]):
    """A successful answer.

    Attributes:
        code: Always 0.
        msg: Lark's word for it, "success" or "ok".
        data: The answer's content; for answers outside the usual envelope, everything but code and msg.
        log_id: What Lark's support asks for.
    """

    code: int
    msg: str
    data: D_co
    log_id: str | None = None


@dataclass(frozen=True, slots=True)
class Call(Generic[D_co]):
    """One request to Lark, described.

    Attributes:
        method: The HTTP method.
        path: From the root, `/open-apis/…`, with its parameters quoted, and `***` where a secret stands.
        params: Query parameters; one with several values stands there several times.
        body: The encoded body, or None.
        safe: Whether it changes nothing at Lark.
        idempotent: Whether a repeat does no harm: it is safe, or carries a token that Lark knows it by.
        auth: Whether it carries the tenant token.
        content_type: The body's type.
        subject: What it is about, for error texts, where the path does not show it.
        save_to: A path to which the answer's content is streamed, if it is not JSON.
        secret: What is shown nowhere: filled in for `***` in the path, and masked in what is answered.
    """

    method: str
    path: str
    params: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    safe: bool = False
    idempotent: bool = False
    auth: bool = True
    content_type: str = JSON_TYPE
    subject: str = ""
    save_to: str | None = None
    secret: str | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The request's method and path, as error texts and log lines name it."""
        return f"{self.method} {self.path}"

    @property
    def target(self) -> str:
        """The path as it is requested, secret included; for the transport only."""
        return self.path if self.secret is None else self.path.replace(MASK, quote(self.secret, safe=""), 1)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items, and the token of the page after them."""

    items: list[T]
    next_token: str | None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Page[T]:
        """Read the page that a listing endpoint answered with."""
        return cls(list(data.get("items") or ()), data.get("page_token") if data.get("has_more") else None)


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """All items of a paged endpoint. `page` makes the procedure for the page with a given token."""

    page: Callable[[str | None], Procedure[Page[T]]]


# ── what a procedure may ask for ─────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Send:
    """Perform one HTTP request. Answered with `Response` or `Lost`."""

    call: Call[Any]
    token: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """What came back. Header names are looked up in any case."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    saved: int | None = None
    """How many bytes were streamed to `Call.save_to` instead of into `content`."""


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer came.

    Attributes:
        reason: Why.
        sent: Whether the request may have reached Lark.
        passing: Whether it may be otherwise next time; a certificate that does not fit will not.
    """

    reason: str
    sent: bool
    passing: bool = True


@dataclass(frozen=True, slots=True)
class NeedToken:
    """The tenant token of the client's app, answered as a str. `rejected`: one that Lark just refused."""

    rejected: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class NeedAppToken:
    """The app token of the client's store app, answered as a str. `rejected`: one that Lark just refused."""

    rejected: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class NeedTicket:
    """The newest app_ticket of the client's store app, answered as a str. `rejected`: one just refused."""

    rejected: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class KeepTicket:
    """Keep an app_ticket that Lark has pushed, for all processes."""

    ticket: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NeedWebhook:
    """The custom bot for whom the client speaks, answered as a `Webhook`."""


@dataclass(frozen=True, slots=True)
class Now:
    """The time, in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Let some seconds pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Random:
    """A float in [0, 1)."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A string that nobody used before."""


@dataclass(frozen=True, slots=True)
class Take(Generic[T]):
    """The next items of a stream, at most `count`. Answered with a list; empty at the end."""

    stream: Stream[T]
    count: int


@dataclass(frozen=True, slots=True)
class ReadFile:
    """The content of a file. Answered with `Loaded`, of at most `limit` bytes and one.

    Attributes:
        source: A path, bytes, or a binary file object, read from where it stands.
        name: What to call it; the path's own name if None.
        limit: In bytes; no more than one beyond it is read.
        what: What it is, for the error's text.
    """

    source: Readable
    name: str | None
    limit: int
    what: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """A file's name and content."""

    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Remember(Generic[T]):
    """A value that may be remembered for a while. Answered with what `make` returns, now or earlier.

    Attributes:
        key: Names it within the client's app.
        make: The procedure that finds it.
        max_age: Seconds for which an earlier value will do; 0 asks anew.
    """

    key: tuple[str, ...]
    make: Callable[[], Procedure[T]]
    max_age: float


@dataclass(frozen=True, slots=True)
class KnownPeople:
    """What was learned of people before. Answered with a dict of lookup to `Seen`; the others are missing.

    Attributes:
        kind: How they are looked up and what was wanted, such as `email.open_id`.
        lookups: E-mail addresses, mobile numbers or ids, each in the one form in which it is compared.
    """

    kind: str
    lookups: Sequence[str]


@dataclass(frozen=True, slots=True)
class Seen:
    """What Lark said of somebody.

    Attributes:
        value: The id, the user, or None for nobody.
        age: Seconds since then.
    """

    value: Any
    age: float


@dataclass(frozen=True, slots=True)
class KeepPeople:
    """Keep what Lark has just said of people, for all processes.

    Attributes:
        kind: As for `KnownPeople`.
        people: Lookup to what was said, and for how many seconds it is of use.
    """

    kind: str
    people: Mapping[str, tuple[Any, float]]


class Stream(Generic[T]):
    """Items on their way, from anything that can be iterated, also asynchronously."""

    __slots__ = ("iterator", "source")

    def __init__(self, source: Iterable[T] | AsyncIterable[T]) -> None:
        if not isinstance(source, Iterable | AsyncIterable) or isinstance(source, str | bytes | Mapping):
            raise InvalidRequestError(
                f"The records are a {type(source).__name__}, and have to be a list or a generator. Next: "
                "pass one of these."
            )
        self.source = source
        self.iterator: Any = aiter(source) if isinstance(source, AsyncIterable) else iter(source)


Effect: TypeAlias = (
    Send
    | NeedToken
    | NeedAppToken
    | NeedTicket
    | KeepTicket
    | NeedWebhook
    | Now
    | Sleep
    | Random
    | NewKey
    | Take[Any]
    | ReadFile
    | Remember[Any]
    | KnownPeople
    | KeepPeople
)
Flow: TypeAlias = Generator[Effect, Any, T]
Procedure: TypeAlias = Generator[Call[Any] | Effect, Any, T]
Operation: TypeAlias = Call[T] | Procedure[LarkResponse[T]]
"""What is one request, or now and then takes some before it."""


def perform(call: Call[T]) -> Generator[Call[T], Any, LarkResponse[T]]:
    """Make a call inside a procedure; unlike a bare `yield`, its answer is typed."""
    answer: LarkResponse[T] = yield call
    return answer


def remember(effect: Remember[T]) -> Generator[Remember[T], Any, T]:
    """Ask for a remembered value inside a procedure, typed."""
    value: T = yield effect
    return value


def take(effect: Take[T]) -> Generator[Take[T], Any, list[T]]:
    """Ask for the next items inside a procedure, typed."""
    items: list[T] = yield effect
    return items


# ── building calls ───────────────────────────────────────────────────────────────────────────────────


def encode(value: Any, what: str) -> bytes:
    """Encode a value as JSON.

    Args:
        value: Dicts with text keys, lists, str, int, float, bool, None.
        what: What it is, for the error's text.

    Raises:
        InvalidRequestError: Something in it has no JSON form.
    """
    try:
        return orjson.dumps(value)
    except TypeError as error:
        text = f"{what} cannot be written as JSON: {error}. Next: pass dicts, lists, text, numbers, booleans."
        raise InvalidRequestError(text) from None


def path(template: str, **segments: object) -> str:
    """Fill a path template, quoting each segment.

    Args:
        template: With `{name}` for each segment, under `/open-apis`.
        segments: The values.

    Raises:
        InvalidRequestError: A segment is empty or no text.
    """
    for name, value in segments.items():
        if not (isinstance(value, str) and value.strip()):
            raise InvalidRequestError(f"{name} is {value!r}. Next: pass the {name} as a non-empty text.")
    return "/open-apis" + template.format_map(
        {name: quote(str(value).strip(), safe="") for name, value in segments.items()}
    )


def request(
    method: str,
    url_path: str,
    *,
    params: Mapping[str, str | Sequence[str] | None] | None = None,
    json: Any = None,
    safe: bool | None = None,
    idempotent: bool = False,
    auth: bool = True,
    subject: str = "",
    save_to: str | None = None,
    secret: str | None = None,
) -> Call[Any]:
    """Build a call.

    Args:
        method: The HTTP method.
        url_path: What `path` returned.
        params: Query parameters; None values are left out, lists are written out.
        json: The body before encoding, or None for no body.
        safe: Whether it changes nothing at Lark; told by the method if None (only GET).
        idempotent: Whether a repeat does no harm although it changes something.
        auth: Whether it carries the tenant token.
        subject: What it is about, for error texts.
        save_to: A path to which the answer's content is streamed.
        secret: What is filled in for `***` in the path, and masked in what is answered.

    Raises:
        InvalidRequestError: The body has no JSON form.
    """
    safe = method == "GET" if safe is None else safe
    return Call(
        method,
        url_path,
        params={name: value for name, value in (params or {}).items() if value is not None},
        body=None if json is None else encode(json, f"the body of {method} {url_path}"),
        safe=safe,
        idempotent=safe or idempotent,
        auth=auth,
        subject=subject,
        save_to=save_to,
        secret=secret,
    )
