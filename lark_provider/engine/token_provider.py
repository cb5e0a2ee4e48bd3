"""Get a token: from this process's memory, from the database that processes share, or from Lark.

A token that works is handed out at once, and renewed in the background once it is old. Without one, a single
caller of a process fetches while the others wait; among processes one holds the lease while the others look
again, with no connection held, and fetch on their own should that take too long.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from lark_provider.engine import credentials, fallback_store
from lark_provider.engine.session import Session
from lark_provider.engine.token_cache import FetchCancelledError, FetchToken, Flight, UseToken
from lark_provider.protocol import tokens
from lark_provider.protocol.effects import Await, Sleep, Spawn
from lark_provider.protocol.errors import DeadlineExceededError, LarkError
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.retry import RetryPolicy
from lark_provider.protocol.tokens import App, Freshness, Granted, Token
from lark_provider.support import measured
from lark_provider.support.backoff import Backoff

if TYPE_CHECKING:
    from lark_provider.storage.token_store import TokenClaim, TokenStore

logger = logging.getLogger(__name__)
_ONCE = RetryPolicy(max_retries=0)  # if a renewal fails, a call a minute later begins another one
LEASE_SECONDS = 10.0
"""How long one process has to fetch a token: longer than Lark takes, shorter than usual timeouts."""
_WAIT_SECONDS = 1.5 * LEASE_SECONDS  # after a process has died, the first waiter that notices it fetches
_FIRST_PAUSE, _LAST_PAUSE = 0.05, 0.5
_TAKEOVER_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class _Want:
    """A token to get: the app, the cache key, and the procedure that fetches it from Lark."""

    app: App
    key: str
    make: Callable[[], Procedure[Granted]]

    def fetch(self, session: Session) -> Procedure[Token]:
        """Ask Lark."""
        asked_at = session.clock()
        try:
            value, seconds = yield from self.make()
        except LarkError:
            measured.TOKENS.add(self.app.app_id, "lark", "failed")
            raise
        measured.TOKENS.add(self.app.app_id, "lark", "ok")
        return Token(value, asked_at, asked_at + seconds)


def find_cached_tenant_token(session: Session) -> str | None:
    """Return the tenant token from memory; None if there is none, or if it is to be renewed.

    Args:
        session: The session of the client that needs the token.
    """
    app = session.find_known_app()
    if app is None:
        return None
    token = session.runtime.tokens.get(app.token_key)
    if token is None or token.compute_freshness(session.clock()) is not Freshness.FRESH:
        return None
    return token.value


def obtain_tenant_token(session: Session, rejected: str | None) -> Procedure[str]:
    """Return the tenant token of a session's app.

    Args:
        session: The session of the client that needs the token.
        rejected: A token that Lark has just refused; None if there is none.

    Raises:
        LarkError: There is none to be had.
    """
    app = yield from credentials.find(session)
    return (
        yield from _obtain_token(session, _Want(app, app.token_key, partial(tokens.fetch, app)), rejected)
    )


def obtain_app_token(session: Session, rejected: str | None) -> Procedure[str]:
    """Return the app token of a session's store app; parameters and errors as for `obtain_tenant_token`."""
    app = yield from credentials.find(session)
    return (
        yield from _obtain_token(
            session, _Want(app, app.make_cache_key("app"), partial(tokens.fetch_app_token, app)), rejected
        )
    )


def _obtain_token(session: Session, want: _Want, rejected: str | None) -> Procedure[str]:
    """Return the token of this process, or get one for all its threads and tasks."""
    cache = session.runtime.tokens
    while True:
        step = cache.acquire(want.key, rejected, session.clock())
        if isinstance(step, UseToken):
            if step.renewal is not None:
                renew = partial(_renew, session, want, step.renewal)
                yield Spawn(renew, partial(cache.abandon, step.renewal), _ONCE)
            return step.token
        if isinstance(step, FetchToken):
            token = yield from _fetch_for_waiters(session, want, rejected, step.flight)
            if token.compute_freshness(session.clock()) is not Freshness.STALE:
                return token.value
            continue  # it is used, and renewed in the background
        began = time.perf_counter()
        try:
            waited: str | None = yield Await(step.flight.future, step.flight.thread)
        except FetchCancelledError:
            continue
        except DeadlineExceededError:
            # The deadline is that of the caller that fetched, or this one's own. A caller that has time left
            # fetches instead; the pause fails the others, whose fetches would end before Lark can answer.
            yield Sleep(_TAKEOVER_SECONDS)
            continue
        finally:
            measured.TOKEN_WAIT_SECONDS.observe(time.perf_counter() - began)
        if waited is None:
            return (yield from want.fetch(session)).value
        if waited != rejected:
            return waited  # else a renewal gave up, and left the token that Lark has just refused


def _renew(session: Session, want: _Want, flight: Flight) -> Procedure[None]:
    """Renew a token in the background; the one in use still works."""
    try:
        yield from _fetch_for_waiters(session, want, None, flight)
    except LarkError as error:
        logger.warning("Failed to renew the token; using the current one", extra={"error": str(error)})


def _fetch_for_waiters(
    session: Session, want: _Want, rejected: str | None, flight: Flight
) -> Procedure[Token]:
    """Fetch a token by single flight, and resolve or fail the callers that wait for it."""
    try:
        token = yield from _fetch_among_processes(session, want, rejected, flight)
    except BaseException as error:
        session.runtime.tokens.fail(flight, error, session.clock())
        raise
    session.runtime.tokens.resolve(flight, token)
    return token


def _fetch_among_processes(
    session: Session, want: _Want, rejected: str | None, flight: Flight
) -> Procedure[Token]:
    """Take the token that another process has fetched, or fetch one for all of them."""
    owner, wait_until = session.runtime.tokens.owner, float("inf")
    pauses, is_renewal = Backoff(_FIRST_PAUSE, _LAST_PAUSE), flight.usable is not None
    while True:
        now = session.clock()
        claim = yield from fallback_store.in_token_store(
            session, want.app, partial(_claim, want.key, now=now, owner=owner, rejected=rejected)
        )
        if claim is None:
            return (yield from want.fetch(session))
        state = Freshness.EXPIRED if claim.token is None else claim.token.compute_freshness(now)
        if claim.token is not None and (
            state is Freshness.FRESH or (state is Freshness.STALE and not is_renewal)
        ):
            measured.TOKENS.add(want.app.app_id, "database", "ok")
            return claim.token
        if is_renewal and not claim.won and flight.usable is not None:
            return flight.usable  # another process renews it
        if claim.won or session.clock() >= wait_until:
            break
        # Counted from the first answer: opening a database takes time while many processes start.
        wait_until = min(wait_until, session.clock() + min(_WAIT_SECONDS, session.timeout / 2))
        yield Sleep(pauses.draw_pause())
    try:
        token = yield from want.fetch(session)
    except Exception:
        yield from fallback_store.in_token_store(
            session, want.app, lambda store: store.release(want.key, owner=owner)
        )
        raise
    yield from fallback_store.in_token_store(
        session, want.app, lambda store: store.put(want.key, token, clock=session.clock, owner=owner)
    )
    return token


def _claim(key: str, store: TokenStore, *, now: float, owner: str, rejected: str | None) -> TokenClaim:
    return store.claim(key, now=now, owner=owner, lease_seconds=LEASE_SECONDS, rejected=rejected)
