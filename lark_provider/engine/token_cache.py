"""The token cache of a process, and its single flight.

However many threads and tasks want a token of one app, one request is made for it.
"""

from __future__ import annotations

import copy
import threading
import uuid
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass, field

from lark_provider.protocol.errors import TokenAcquisitionError
from lark_provider.protocol.tokens import Freshness, Token
from lark_provider.support.clocks import is_pending

_REFUSAL_SECONDS = 30.0  # a wrong secret asks Lark no more often than this
_MAX_REFUSALS = 256
_MAX_FLIGHT_SECONDS = 600.0  # one that is older was lost, as with a loop that was never closed
_RENEWAL_SECONDS = 60.0  # a stale token is not renewed more often than this


class FetchCancelledError(Exception):
    """The caller that fetched was cancelled: another one should fetch."""


@dataclass(slots=True)
class Flight:
    """A fetch in flight, and the future on which other callers wait.

    Attributes:
        key: Names what is fetched.
        usable: The token that is renewed, which still works; None if there is none.
        began_at: When it began, in seconds since the epoch.
        future: Is resolved with the fetch.
        thread: The thread that fetches.
    """

    key: str
    usable: Token | None
    began_at: float
    future: Future[str] = field(default_factory=Future, repr=False)
    thread: int = field(default_factory=threading.get_ident)


@dataclass(frozen=True, slots=True)
class UseToken:
    """A token that works.

    Attributes:
        token: The token.
        renewal: The single flight that renews the token in the background, if this caller is to start it.
    """

    token: str = field(repr=False)
    renewal: Flight | None = None


@dataclass(frozen=True, slots=True)
class FetchToken:
    """The caller must fetch, then `resolve` or `fail` the flight."""

    flight: Flight


@dataclass(frozen=True, slots=True)
class AwaitToken:
    """Another caller is fetching."""

    flight: Flight


class TokenCache:
    """Decides, under a lock and without I/O or a clock, which caller uses a token, fetches one or waits.

    Attributes:
        owner: Names this memory among all processes that share a database: a caller that takes over from a
            cancelled flight holds its lease.
    """

    def __init__(self) -> None:
        self.owner = uuid.uuid4().hex
        self._tokens: dict[str, Token] = {}
        self._lock = threading.Lock()
        self._flights: dict[str, Flight] = {}
        self._renewed_at: dict[str, float] = {}
        self._refusals: OrderedDict[str, tuple[float, TokenAcquisitionError]] = OrderedDict()

    def after_fork(self) -> None:
        """Drop, in a forked child, what belongs to the parent's threads: flights and the lock."""
        self.owner = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._flights = {}

    def acquire(self, key: str, rejected: str | None, now: float) -> UseToken | FetchToken | AwaitToken:
        """Return a token, or what to do to get one.

        Args:
            key: Names the token, see `App.make_cache_key`.
            rejected: A token that Lark has just rejected, which is dropped first.
            now: Seconds since the epoch.

        Raises:
            TokenAcquisitionError: Lark refused these credentials within the last 30 s.
        """
        with self._lock:
            token = self._tokens.get(key)
            if token is not None and token.value == rejected:
                del self._tokens[key]
                token = None
            state = token.compute_freshness(now) if token is not None else Freshness.EXPIRED
            flight = self._flights.get(key)
            if flight is not None and now - flight.began_at > _MAX_FLIGHT_SECONDS:
                flight = None
            if token is None or state is Freshness.EXPIRED:
                if flight is not None:
                    return AwaitToken(flight)
                until, refusal = self._refusals.get(key, (0.0, None))
                if refusal is not None and is_pending(until, now, _REFUSAL_SECONDS):
                    raise copy.copy(refusal)
                return FetchToken(self._begin(key, None, now))
            next_at = self._renewed_at.get(key, 0.0) + _RENEWAL_SECONDS
            is_due = not is_pending(next_at, now, _RENEWAL_SECONDS)
            if state is Freshness.FRESH or flight is not None or not is_due:
                return UseToken(token.value)
            self._renewed_at[key] = now
            return UseToken(token.value, self._begin(key, token, now))

    def _begin(self, key: str, usable: Token | None, now: float) -> Flight:
        flight = self._flights[key] = Flight(key, usable, now)
        return flight

    def clear_refusals(self, prefix: str) -> None:
        """Drop the refusals of all keys with a prefix, since what was missing has arrived."""
        with self._lock:
            for key in [key for key in self._refusals if key.startswith(prefix)]:
                del self._refusals[key]

    def resolve(self, flight: Flight, token: Token) -> None:
        """Resolve a flight with a token."""
        with self._lock:
            self._refusals.pop(flight.key, None)
            self._tokens[flight.key] = token
            self._end(flight)
        flight.future.set_result(token.value)

    def fail(self, flight: Flight, error: BaseException, now: float) -> None:
        """Fail a flight; the token that was to be renewed stays in use.

        Waiters get the error, each a copy of its own. If it is not an `Exception`, as when the caller was
        cancelled, one of them fetches instead.

        Args:
            flight: The flight that failed.
            error: The error that ended the fetch.
            now: Seconds since the epoch.
        """
        # A copy has no traceback, whose frames would be held for as long as the error is.
        kept = copy.copy(error) if isinstance(error, Exception) else FetchCancelledError()
        with self._lock:
            if isinstance(kept, TokenAcquisitionError):
                self._refuse(flight.key, kept, now)
            self._end(flight)
        flight.future.set_exception(kept)

    def abandon(self, flight: Flight) -> None:
        """End a flight that was never begun, unless it has ended."""
        with self._lock:
            self._end(flight)
        if not flight.future.done():
            flight.future.set_exception(FetchCancelledError())

    def _refuse(self, key: str, error: TokenAcquisitionError, now: float) -> None:
        self._refusals[key] = (now + _REFUSAL_SECONDS, error)
        self._refusals.move_to_end(key)  # Sorted by expiry: the first one expires first.
        if len(self._refusals) > _MAX_REFUSALS:
            self._refusals.popitem(last=False)

    def get(self, key: str) -> Token | None:
        """Return the token of a key, in whatever state."""
        return self._tokens.get(key)

    def put(self, key: str, token: Token) -> None:
        """Store a token that was not fetched by a flight."""
        self._tokens[key] = token

    def _end(self, flight: Flight) -> None:
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]
