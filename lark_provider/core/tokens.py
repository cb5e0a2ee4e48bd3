"""The token cache of a process, and its single flight.

However many threads and tasks want a token of one app, one request is made for it.
"""

from __future__ import annotations

import copy
import logging
import os
import threading
import uuid
from concurrent.futures import Future
from dataclasses import dataclass, field

from lark_provider.protocol.errors import LarkError, TokenAcquisitionError
from lark_provider.protocol.tokens import Freshness, Token

logger = logging.getLogger(__name__)

_REFUSAL_SECONDS = 30.0  # a wrong secret asks Lark no more often than this
_RENEWAL_SECONDS = 60.0  # a stale token is not renewed more often than this


class OwnerGoneError(Exception):
    """Whoever fetched was cancelled: somebody else should fetch."""


@dataclass(slots=True)
class Flight:
    """One fetch under way, and the future on which the others wait.

    Attributes:
        key: What is fetched.
        fallback: What can be used should that fail.
        future: Ends with it.
        thread: Whose it is.
    """

    key: str
    fallback: Token | None
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
    """Decides, under a lock and without I/O or clock of its own, who uses, fetches or waits.

    Attributes:
        owner: Names those who share this memory among all who share a database: whoever takes over from a
            flight that was cancelled has its lease.
    """

    def __init__(self) -> None:
        self.owner = uuid.uuid4().hex
        self._tokens: dict[str, Token] = {}
        self._lock = threading.Lock()
        self._flights: dict[str, Flight] = {}
        self._renewed_at: dict[str, float] = {}
        self._refusals: dict[str, tuple[float, TokenAcquisitionError]] = {}

    def after_fork(self) -> None:
        """In a child: the parent's threads, and so its flights, are not here."""
        self.owner = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._flights = {}

    def ask(self, key: str, rejected: str | None, now: float) -> str | Fetch | Wait:
        """Ask for a token.

        Args:
            key: Names the token, see `App.key`.
            rejected: A token that Lark has just refused, to be forgotten first.
            now: Seconds since the epoch.

        Returns:
            The token, or what to do to get it.

        Raises:
            TokenAcquisitionError: Lark refused these credentials within the last 30 s.
        """
        with self._lock:
            token = self._tokens.get(key)
            if token is not None and token.value == rejected:
                del self._tokens[key]
                token = None
            state = token.freshness(now) if token is not None else Freshness.INVALID
            usable = token if state is not Freshness.INVALID else None
            flight = self._flights.get(key)
            if usable is not None:
                renewed_at = self._renewed_at.get(key, 0.0)
                if state is Freshness.FRESH or flight is not None or now - renewed_at < _RENEWAL_SECONDS:
                    return usable.value
            elif flight is not None:
                return Wait(flight)
            else:
                self._raise_refusal(key, now)
            flight = self._flights[key] = Flight(key, usable)
            self._renewed_at[key] = now
            return Fetch(flight)

    def _raise_refusal(self, key: str, now: float) -> None:
        until, error = self._refusals.get(key, (0.0, None))
        if error is not None and now < until:
            raise copy.copy(error)

    def forgive(self, prefix: str) -> None:
        """Forget refusals of what is kept under keys that begin so: whatever was missing has come."""
        with self._lock:
            for key in [key for key in self._refusals if key.startswith(prefix)]:
                del self._refusals[key]

    def land(self, flight: Flight, token: Token) -> str:
        """End a flight with a token."""
        with self._lock:
            self._refusals.pop(flight.key, None)
            self._tokens[flight.key] = token
            self._end(flight)
        flight.future.set_result(token.value)
        return token.value

    def crash(self, flight: Flight, error: BaseException, now: float) -> str:
        """End a flight without a token.

        Args:
            flight: The flight.
            error: What happened.
            now: Seconds since the epoch.

        Returns:
            The token from before, if it can still be used.

        Raises:
            BaseException: The error, if there is no such token.
        """
        with self._lock:
            if isinstance(error, TokenAcquisitionError):
                self._refusals[flight.key] = (now + _REFUSAL_SECONDS, error)
            if flight.fallback is not None:
                self._tokens[flight.key] = flight.fallback
            self._end(flight)
        if flight.fallback is not None and isinstance(error, LarkError):
            logger.warning("The Lark token could not be renewed and is used on: %s", error)
            flight.future.set_result(flight.fallback.value)
            return flight.fallback.value
        flight.future.set_exception(error if isinstance(error, Exception) else OwnerGoneError())
        raise error

    def peek(self, key: str) -> Token | None:
        """What is kept under a key, in whatever state."""
        return self._tokens.get(key)

    def put(self, key: str, token: Token) -> None:
        """Keep what somebody else got."""
        self._tokens[key] = token

    def _end(self, flight: Flight) -> None:
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]


PROCESS_CACHE = TokenCache()
os.register_at_fork(after_in_child=PROCESS_CACHE.after_fork)
