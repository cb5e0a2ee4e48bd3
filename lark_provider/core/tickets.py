"""The app_ticket of a store app: Lark pushes it about once an hour, to whichever process listens."""

from __future__ import annotations

from lark_provider.core import credentials, shared
from lark_provider.core.acquire import Serve
from lark_provider.core.io import Served
from lark_provider.core.session import Session
from lark_provider.protocol.calls import Sleep
from lark_provider.protocol.errors import TokenAcquisitionError
from lark_provider.protocol.tokens import TICKET_SECONDS, App, Token, resend_ticket

_LOOK_SECONDS = 0.25


def keep(session: Session, ticket: str) -> Served[None]:
    """Keep a ticket that was pushed, for this process and for all that share the database.

    Args:
        session: A client's.
        ticket: The ticket.

    Raises:
        ConfigurationError: The app is unknown or disabled.
    """
    app = yield from credentials.find(session)
    now = session.clock()
    token = Token(ticket, now, now + TICKET_SECONDS)
    session.tokens.put(app.key("ticket"), token)
    session.tokens.forgive(app.key(""))
    yield from shared.ask_store(
        session, app, lambda store: store.keep(app.key("ticket"), token, clock=session.clock, owner="")
    )


def newest(session: Session, rejected: str | None, serve: Serve) -> Served[str]:
    """The newest ticket; if there is none, Lark is asked to push it, and the session's timeout is waited.

    Args:
        session: A client's.
        rejected: One that Lark has just refused.
        serve: Runs what has to be asked of Lark.

    Raises:
        TokenAcquisitionError: None came.
    """
    app = yield from credentials.find(session)
    started, asked = session.clock(), False
    while True:
        ticket = yield from _known(session, app)
        if ticket is not None and ticket != rejected:
            return ticket
        if not asked:
            yield from serve(resend_ticket(app), session)
            asked = True
        elif session.clock() - started >= session.timeout:
            raise TokenAcquisitionError(
                f"Failed to get token: no app_ticket of store app {app.app_id!r} has arrived. Next: see that "
                "Lark's event requests reach the callback gateway, and that it shares this client's "
                "database; or hand a ticket over with `client.store_app.keep_ticket`."
            )
        yield Sleep(_LOOK_SECONDS)


def _known(session: Session, app: App) -> Served[str | None]:
    key = app.key("ticket")
    stored = yield from shared.ask_store(session, app, lambda store: store.look(key, now=session.clock()))
    here = session.tokens.peek(key)
    newest = max(
        (token for token in (stored, here) if token is not None),
        key=lambda token: token.fetched_at,
        default=None,
    )
    return None if newest is None else newest.value
