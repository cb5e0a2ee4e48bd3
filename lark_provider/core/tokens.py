"""The token cache of a process, and its single flight.

However many threads and tasks want a token of one app, one request is made for it.
"""

from __future__ import annotations

import copy
import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from lark_provider.protocol.errors import LarkError, TokenAcquisitionError
from lark_provider.protocol.tokens import Freshness, Token

logger = logging.getLogger(__name__)

_REFUSAL_SECONDS = 30.0  # a wrong secret asks Lark no more often than this
_RENEWAL_SECONDS = 60.0  # a stale token is not renewed more often than this


class TokenStore(Protocol):
    """Where tokens are kept. Shared stores implement it as well; times are seconds since the epoch."""

    def get(self, key: str) -> Token | None:
        """The token kept under a key, in whatever state."""

    def put(self, key: str, token: Token) -> None:
        """Keep a token."""

    def drop(self, key: str, value: str) -> None:
        """Forget exactly this token; one that has replaced it stays."""


class MemoryTokenStore:
    """Tokens in a dict. Not locked: the cache that owns it is."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}

    def get(self, key: str) -> Token | None:
        """The token kept under a key, in whatever state."""
        return self._tokens.get(key)

    def put(self, key: str, token: Token) -> None:
        """Keep a token."""
        self._tokens[key] = token

    def drop(self, key: str, value: str) -> None:
        """Forget exactly this token; one that has replaced it stays."""
        kept = self._tokens.get(key)
        if kept is not None and kept.value == value:
            del self._tokens[key]


class OwnerGoneError(Exception):
    """Whoever fetched was cancelled: somebody else should fetch."""


@dataclass(slots=True)
class Flight:
    """One fetch under way, and the future on which the others wait."""

    key: str
    started_at: float
    fallback: str | None = field(repr=False)
    future: Future[str] = field(default_factory=Future, repr=False)
    thread: int = field(default_factory=threading.get_ident)


@dataclass(frozen=True, slots=True)
class Fetch:
    """The caller is to fetch, then to `land` or to `crash` the flight."""

    flight: Flight


@dataclass(frozen=True, slots=True)
class Wait:
    """Somebody else is fetching."""

    flight: Flight


class TokenCache:
    """Decides, under a lock and without I/O of its own, who uses, fetches or waits.

    Args:
        store: Where tokens are kept.
        clock: Seconds since the epoch.
    """

    def __init__(self, store: TokenStore | None = None, clock: Callable[[], float] = time.time) -> None:
        self._store: TokenStore = store or MemoryTokenStore()
        self._clock = clock
        self._lock = threading.Lock()
        self._flights: dict[str, Flight] = {}
        self._renewed_at: dict[str, float] = {}
        self._refusals: dict[str, tuple[float, TokenAcquisitionError]] = {}

    def after_fork(self) -> None:
        """In a child: the parent's threads, and so its flights, are not here."""
        self._lock = threading.Lock()
        self._flights = {}

    def ask(self, key: str, rejected: str | None) -> str | Fetch | Wait:
        """Ask for a token.

        Args:
            key: `App.token_key`.
            rejected: A token that Lark has just refused, to be forgotten first.

        Returns:
            The token, or what to do to get it.

        Raises:
            TokenAcquisitionError: Lark refused these credentials within the last 30 s.
        """
        with self._lock:
            now = self._clock()
            if rejected is not None:
                self._store.drop(key, rejected)
            token = self._store.get(key)
            state = token.freshness(now) if token is not None else Freshness.INVALID
            usable = token.value if token is not None and state is not Freshness.INVALID else None
            flight = self._flights.get(key)
            if usable is not None:
                renewed_at = self._renewed_at.get(key, 0.0)
                if state is Freshness.FRESH or flight is not None or now - renewed_at < _RENEWAL_SECONDS:
                    return usable
            elif flight is not None:
                return Wait(flight)
            else:
                self._raise_refusal(key, now)
            flight = self._flights[key] = Flight(key, now, usable)
            self._renewed_at[key] = now
            return Fetch(flight)

    def _raise_refusal(self, key: str, now: float) -> None:
        until, error = self._refusals.get(key, (0.0, None))
        if error is not None and now < until:
            raise copy.copy(error)

    def land(self, flight: Flight, value: str, expires_in: float) -> str:
        """End a flight with a token.

        Args:
            flight: The flight.
            value: The token.
            expires_in: Seconds that it had left when Lark sent it.
        """
        with self._lock:
            self._refusals.pop(flight.key, None)
            self._store.put(flight.key, Token(value, flight.started_at, flight.started_at + expires_in))
            self._end(flight)
        flight.future.set_result(value)
        return value

    def crash(self, flight: Flight, error: BaseException) -> str:
        """End a flight without a token.

        Args:
            flight: The flight.
            error: What happened.

        Returns:
            The token from before, if it can still be used.

        Raises:
            BaseException: The error, if there is no such token.
        """
        with self._lock:
            if isinstance(error, TokenAcquisitionError):
                self._refusals[flight.key] = (self._clock() + _REFUSAL_SECONDS, error)
            self._end(flight)
        if flight.fallback is not None and isinstance(error, LarkError):
            logger.warning("The Lark token could not be renewed and is used on: %s", error)
            flight.future.set_result(flight.fallback)
            return flight.fallback
        flight.future.set_exception(error if isinstance(error, Exception) else OwnerGoneError())
        raise error

    def _end(self, flight: Flight) -> None:
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]


PROCESS_CACHE = TokenCache()
os.register_at_fork(after_in_child=PROCESS_CACHE.after_fork)
