"""The app_ticket of a store app: Lark pushes it about once an hour, to the process that receives events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lark_provider.engine import credentials, fallback_store
from lark_provider.engine.session import Session
from lark_provider.protocol.effects import Sleep
from lark_provider.protocol.errors import TokenAcquisitionError
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.tokens import TICKET_SECONDS, App, Token, resend_ticket

if TYPE_CHECKING:
    from lark_provider.storage.token_store import TokenStore

_POLL_SECONDS = 0.25


def put(session: Session, ticket: str, pushed_at: float | None = None) -> Procedure[bool]:
    """Store a ticket that Lark pushed, for this process and for all that share the database.

    Lark repeats an event that was not answered, after it has pushed newer tickets: an older ticket does not
    replace a newer one.

    Args:
        session: The settings of the client.
        ticket: The ticket.
        pushed_at: When Lark made the event, in seconds since the epoch; None for now.

    Returns:
        Whether a database has it now; else only this process has.

    Raises:
        ConfigurationError: The app is unknown or disabled.
    """
    app = yield from credentials.find(session)
    key, now = app.make_cache_key("ticket"), session.clock()
    # A time in the future, of a clock that is ahead, would let no later ticket replace this one.
    pushed_at = now if pushed_at is None else min(pushed_at, now)
    token = Token(ticket, pushed_at, pushed_at + TICKET_SECONDS)
    known = session.runtime.tokens.get(key)
    if known is None or known.fetched_at <= pushed_at:
        session.runtime.tokens.put(key, token)
    session.runtime.tokens.clear_refusals(app.make_cache_key(""))

    def share(store: TokenStore) -> bool:
        store.put(key, token, clock=session.clock, owner="")
        return True

    return bool((yield from fallback_store.in_token_store(session, app, share)))


def obtain_ticket(session: Session, rejected: str | None) -> Procedure[str]:
    """Return the newest ticket; if there is none, request one and wait for it up to the session's timeout.

    Args:
        session: The settings of the client.
        rejected: A ticket that Lark has just rejected.

    Raises:
        TokenAcquisitionError: No ticket arrived.
    """
    app = yield from credentials.find(session)
    started, is_requested = session.clock(), False
    while True:
        ticket = yield from _find_ticket(session, app, rejected)
        if ticket is not None:
            return ticket
        if not is_requested:
            yield from resend_ticket(app)
            is_requested = True
        elif session.clock() - started >= session.timeout:
            raise TokenAcquisitionError(
                f"Failed to get token: no app_ticket of store app {app.app_id!r} has arrived. Next: see that "
                "Lark's event requests reach the callback gateway, and that it shares this client's "
                "database; or hand a ticket over with `client.store_app.keep_ticket`."
            )
        yield Sleep(_POLL_SECONDS)


def _find_ticket(session: Session, app: App, rejected: str | None) -> Procedure[str | None]:
    """Return the newest ticket that Lark has not just rejected, of the database or of this process."""
    key = app.make_cache_key("ticket")
    shared = yield from fallback_store.in_token_store(
        session, app, lambda store: store.get(key, now=session.clock())
    )
    own = session.runtime.tokens.get(key)
    usable = [token for token in (shared, own) if token is not None and token.value != rejected]
    if not usable:
        return None

    def rank(token: Token) -> float:
        # The age of the database's ticket includes the time that the query took.
        handicap = fallback_store.FIRST_QUERY_SECONDS if token is own else 0.0
        return token.fetched_at - handicap

    return max(usable, key=rank).value
