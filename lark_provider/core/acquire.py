"""The way to a token: this process's memory, then the database that processes share, then Lark.

In a process one flight fetches while the others wait; among processes one holds the lease while the others
look again, with no connection held, and help themselves should that take too long.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from lark_provider.core import credentials, shared
from lark_provider.core.io import Served, WaitFor
from lark_provider.core.session import Session
from lark_provider.core.tokens import Fetch, Flight, OwnerGoneError
from lark_provider.protocol import tokens
from lark_provider.protocol.calls import Procedure, Sleep
from lark_provider.protocol.retry import RetryPolicy
from lark_provider.protocol.tokens import App, Freshness, Granted, Token

if TYPE_CHECKING:
    from lark_provider.core.storage.token_store import Claim, TokenStore

T = TypeVar("T")
_ONCE = RetryPolicy(max_retries=0)
LEASE_SECONDS = 10.0
"""For how long one process is left to fetch: longer than Lark takes, shorter than anybody's timeout."""
_PATIENCE_SECONDS = (
    1.5 * LEASE_SECONDS
)  # so that of many who wait for one that died, the first to see it fetches
_FIRST_LOOK, _LAST_LOOK = 0.05, 0.5


class Serve(Protocol):
    """`serve.serve`, handed in since that module stands on this one."""

    def __call__(self, operation: Procedure[T], session: Session, /) -> Served[T]:
        """Run an operation for a session."""


@dataclass(frozen=True, slots=True)
class _Want:
    """A token that is wanted: whose, under which key it is kept, and how Lark is asked for it."""

    app: App
    key: str
    make: Callable[[], Procedure[Granted]]
    serve: Serve

    def fetch(self, session: Session) -> Served[Token]:
        """Ask Lark."""
        asked_at = session.clock()
        value, seconds = yield from self.serve(self.make(), session)
        return Token(value, asked_at, asked_at + seconds)


def tenant_token(session: Session, rejected: str | None, serve: Serve) -> Served[str]:
    """The tenant token of a session's app.

    Args:
        session: A client's.
        rejected: One that Lark has just refused.
        serve: Runs what has to be asked of Lark.

    Raises:
        LarkError: There is none to be had.
    """
    app = yield from credentials.find(session)
    want = _Want(app, app.token_key, lambda: tokens.fetch(app), serve)
    return (yield from _in_process(session, want, rejected))


def app_token(session: Session, rejected: str | None, serve: Serve) -> Served[str]:
    """The app token of a session's store app; parameters and errors as for `tenant_token`."""
    app = yield from credentials.find(session)
    want = _Want(app, app.key("app"), lambda: tokens.fetch_app_token(app), serve)
    return (yield from _in_process(session, want, rejected))


def _in_process(session: Session, want: _Want, rejected: str | None) -> Served[str]:
    """Take the token of this process, or get one for all its threads and tasks."""
    cache = session.tokens
    while True:
        step = cache.ask(want.key, rejected, session.clock())
        if isinstance(step, str):
            return step
        if isinstance(step, Fetch):
            try:
                token = yield from _among_processes(session, want, rejected, step.flight)
            except BaseException as error:  # noqa: BLE001 - those who wait must hear of it, also when we are cancelled
                return cache.crash(step.flight, error, session.clock())
            return cache.land(step.flight, token)
        try:
            waited: str | None = yield WaitFor(step.flight)
        except OwnerGoneError:
            continue
        return waited if waited is not None else (yield from want.fetch(session)).value


def _among_processes(session: Session, want: _Want, rejected: str | None, flight: Flight) -> Served[Token]:
    """Take the token that another process has fetched, or fetch one for all of them."""
    owner, pause, patience_ends = session.tokens.owner, _FIRST_LOOK, float("inf")
    while True:
        now = session.clock()
        claim = yield from shared.ask_store(
            session, want.app, partial(_claimed, want.key, now=now, owner=owner, rejected=rejected)
        )
        if claim is None:
            return (yield from _fetched(session, want, flight))
        kept = _longer_lived(claim.token, flight.fallback)
        state = Freshness.INVALID if kept is None else kept.freshness(now)
        if kept is not None and (state is Freshness.FRESH or (state is Freshness.STALE and not claim.won)):
            return kept
        flight.fallback = kept if state is Freshness.STALE else None
        if claim.won or session.clock() >= patience_ends:
            break
        # Counted from the first answer: opening a database takes time while many processes start.
        patience_ends = min(patience_ends, session.clock() + min(_PATIENCE_SECONDS, session.timeout / 2))
        yield Sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
        pause = min(2 * pause, _LAST_LOOK)
    try:
        token = yield from _fetched(session, want, flight)
    except Exception:
        yield from shared.ask_store(session, want.app, lambda store: store.release(want.key, owner=owner))
        raise
    yield from shared.ask_store(
        session, want.app, lambda store: store.keep(want.key, token, clock=session.clock, owner=owner)
    )
    return token


def _fetched(session: Session, want: _Want, flight: Flight) -> Served[Token]:
    # With a token at hand that still works, nobody is kept waiting for Lark to recover.
    return (yield from want.fetch(session if flight.fallback is None else replace(session, policy=_ONCE)))


def _longer_lived(*tokens: Token | None) -> Token | None:
    return max((one for one in tokens if one is not None), key=lambda one: one.expires_at, default=None)


def _claimed(key: str, store: TokenStore, *, now: float, owner: str, rejected: str | None) -> Claim:
    return store.claim(key, now=now, owner=owner, lease_seconds=LEASE_SECONDS, rejected=rejected)
