"""Effects: the requests that an operation may yield while it runs.

`engine.interpreter` answers those that need the memory of the process; the two drivers perform the others.
"""

from __future__ import annotations

import inspect
import itertools
import os
from collections.abc import AsyncIterable, Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from lark_provider.protocol.calls import Call
from lark_provider.protocol.errors import InvalidRequestError, LarkError
from lark_provider.protocol.multipart import Chunks
from lark_provider.protocol.retry import RetryPolicy
from lark_provider.protocol.spool import OpenSpool
from lark_provider.protocol.store import Leased, Shared

if TYPE_CHECKING:
    from concurrent.futures import Future

Readable: TypeAlias = "str | os.PathLike[str] | bytes | IO[bytes]"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Send:
    """Effect: perform one HTTP request. Answered with `Response` or `NoResponse`.

    Attributes:
        call: The request.
        token: The tenant token that it carries, or None.
        is_paced: Whether it has already waited as the rate limit of its endpoint requires.
    """

    call: Call[Any]
    token: str | None = field(repr=False)
    is_paced: bool = False


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response. Header names are case-insensitive."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)  # may quote the token that was sent
    saved: int | None = None
    """Bytes that were streamed to `Call.save_to` instead of into `content`."""


@dataclass(frozen=True, slots=True)
class NoResponse:
    """No answer came.

    Attributes:
        reason: Why no answer came; after a deadline, at which point it passed, such as "before an answer".
        sent: Whether the request may have reached Lark.
        is_transient: Whether a retry can succeed; it cannot, for example, with an invalid certificate.
        step: The next step.
        is_late: Whether the call's deadline ended the attempt.
    """

    reason: str
    sent: bool
    is_transient: bool = True
    step: str = "check network, proxy and base_url, then call again"
    is_late: bool = False

    @property
    def was_tried(self) -> bool:
        """Whether a request was made at all; it was not if the deadline passed before it was sent."""
        return self.sent or not self.is_late


@dataclass(frozen=True, slots=True)
class NeedToken:
    """The tenant token of the client's app, answered as a str.

    Attributes:
        rejected: The token that Lark just refused; None if none was.
        code: The code of that refusal; 0 if no token was refused.
    """

    rejected: str | None = field(default=None, repr=False)
    code: int = field(default=0, compare=False)


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
    """Store an app_ticket that Lark has pushed, for all processes."""

    ticket: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NeedWebhook:
    """The custom bot of the client, answered as a `Webhook`."""


@dataclass(frozen=True, slots=True)
class Now:
    """The time, in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Effect: wait for some seconds. Raises `DeadlineExceededError` at once if they end after the deadline.

    Attributes:
        seconds: How long to wait, in seconds.
        after: The error of the call that is retried after the wait; None if no call is.
        reason: The kind of that error: `rate_limit`, `busy`, `server_error` or `no_answer`.
    """

    seconds: float
    after: LarkError | None = field(default=None, compare=False, repr=False)
    reason: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Await:
    """Wait until the deadline for work that another thread or task does.

    Answered with the result of the work, or raises its error. Answered with None if the work belongs to a
    task of the waiting thread, since that task could not continue while the thread waits.

    Attributes:
        future: The future of the work.
        thread: The id of the thread that does the work.
    """

    future: Future[Any]
    thread: int


@dataclass(frozen=True, slots=True)
class Local(Generic[T]):
    """Run a function that blocks on files or databases. Answered with its result, or raises its error.

    Attributes:
        work: The function. It is not stopped by the timeout; its result is dropped then.
        seconds: The timeout, after which `TimeoutError` is raised even if the function is still running.
    """

    work: Callable[[], T]
    seconds: float


@dataclass(frozen=True, slots=True)
class Spawn:
    """Run a procedure in the background. Answered with None at once; its errors are logged and not raised.

    Attributes:
        make: The function that makes the procedure.
        abandon: Called instead if the procedure cannot be started, for example because the process or the
            loop is ending.
        policy: The limits of the retries of its calls.
    """

    make: Callable[[], Generator[Any, Any, Any]]
    abandon: Callable[[], None]
    policy: RetryPolicy


@dataclass(frozen=True, slots=True)
class Random:
    """A float in [0, 1)."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A unique string."""


@dataclass(frozen=True, slots=True)
class Take(Generic[T]):
    """The next items of a stream, at most `count`. Answered with a list; empty at the end."""

    stream: Stream[T]
    count: int


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file to be sent. Answered with `Loaded`; the content of a file beyond the limit may be cut off.

    Attributes:
        source: A path, bytes, or a binary file object, read from its current position.
        name: The name of the file; that of the path if None.
        limit: The largest size that is accepted, in bytes.
        what: What the file is, for the error's text.
    """

    source: Readable
    name: str | None
    limit: int
    what: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """The name and content of a file. A file that can be read repeatedly is read while it is sent."""

    name: str
    content: bytes | Chunks = field(repr=False)


@dataclass(frozen=True, slots=True)
class Memoize(Generic[T]):
    """A value that may be cached. Answered with what `make` returned, now or earlier.

    Attributes:
        key: The cache key of the value, within the client's app.
        make: The procedure that computes it.
        max_age: Maximum age in seconds of a cached value; 0 computes it again.
    """

    key: tuple[str, ...]
    make: Callable[[], Generator[Any, Any, T]]
    max_age: float


@dataclass(frozen=True, slots=True)
class CacheGet:
    """Cached user lookups. Answered with a dict of lookup to `CachedAnswer`; cache misses are not in it.

    Attributes:
        kind: What users are looked up by and what is returned, such as `email.open_id`.
        lookups: E-mail addresses, mobile numbers or ids, each in its normalized form.
    """

    kind: str
    lookups: Sequence[str]


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """A cached answer about a user.

    Attributes:
        value: The id or the user; None if there is no such user.
        age: Seconds since Lark gave the answer.
    """

    value: Any
    age: float


@dataclass(frozen=True, slots=True)
class CachePut:
    """Cache what Lark has answered about users, for all processes.

    Attributes:
        kind: What users are looked up by and what is returned, such as `email.open_id`.
        people: The answers by lookup, each with its lifetime in seconds.
    """

    kind: str
    people: Mapping[str, tuple[Any, float]]


@dataclass(frozen=True, slots=True)
class OpenSyncIndex:
    """Effect: an empty `sync_index.SyncIndex`. The file is made when it is first used."""


class Stream(Generic[T]):
    """Items from any iterable or asynchronous iterable."""

    __slots__ = ("_idle", "_is_closed", "iterator", "source")

    def __init__(self, source: Iterable[T] | AsyncIterable[T]) -> None:
        if not isinstance(source, Iterable | AsyncIterable) or isinstance(source, str | bytes | Mapping):
            raise InvalidRequestError(
                f"The records must be a list, a generator or another iterable, got {type(source).__name__}. "
                "Next: put a single record in a list."
            )
        self.source = source
        self.iterator: Any = aiter(source) if isinstance(source, AsyncIterable) else iter(source)
        # Removed by whoever reads or closes it, which is atomic. Two threads may meet here: a thread goes on
        # reading when the task that waits for it is cancelled.
        self._idle: list[Any] = [self.iterator]
        self._is_closed = False

    def read(self, count: int) -> list[T]:
        """Return the next items of an ordinary iterable; empty at the end. May block.

        Args:
            count: How many items to return at most.
        """
        try:
            iterator = self._idle.pop()
        except IndexError:
            return []  # It was closed.
        try:
            return list(itertools.islice(iterator, count))
        finally:
            self._idle.append(iterator)
            if self._is_closed:
                self.close()

    def close(self) -> None:
        """Close a generator, so that it releases its resources; do nothing for other sources.

        A generator that a thread still reads cannot be closed; that thread closes it when it has read.
        """
        self._is_closed = True
        try:
            iterator = self._idle.pop()
        except IndexError:
            return
        if inspect.isgenerator(iterator):
            iterator.close()


Effect: TypeAlias = (
    Send
    | NeedToken
    | NeedAppToken
    | NeedTicket
    | KeepTicket
    | NeedWebhook
    | Now
    | Sleep
    | Await
    | Local[Any]
    | Spawn
    | Random
    | NewKey
    | Take[Any]
    | ReadFile
    | Memoize[Any]
    | CacheGet
    | CachePut
    | Shared[Any]
    | Leased[Any]
    | OpenSpool
    | OpenSyncIndex
)
