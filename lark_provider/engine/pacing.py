"""Keep requests below Lark's documented rates, in this process and among those that share a database."""

from __future__ import annotations

import time
from dataclasses import replace

from lark_provider import config
from lark_provider.engine import credentials, fallback_store
from lark_provider.engine.session import Session
from lark_provider.protocol.effects import Lost, Response, Send, Sleep
from lark_provider.protocol.errors import DeadlineExceededError
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.pacing import Limit, limits
from lark_provider.protocol.tokens import App
from lark_provider.support import measured


def applies(send: Send) -> bool:
    """Return whether a request is still to be paced."""
    return not send.is_paced and send.call.auth and config.pacing() > 0


def paced(session: Session, send: Send) -> Procedure[Response | Lost]:
    """Wait until a request may be sent, and send it.

    Args:
        session: The settings of the client.
        send: The request.
    """
    app = yield from credentials.find(session)
    counted = limits(send.call.method, send.call.path, send.call.receiver, config.pacing())
    at = yield from _reserved(session, app, counted)
    pause = at - time.monotonic()
    if pause > 0:
        try:
            yield Sleep(pause)
        except DeadlineExceededError:
            reason = f"other requests to Lark are ahead of it, for {pause:.0f} s"
            return Lost(reason, sent=False, is_late=True)
        measured.PACING_SECONDS.observe(pause, app.app_id)
    answer: Response | Lost = yield replace(send, is_paced=True)
    return answer


def _reserved(session: Session, app: App, counted: list[Limit]) -> Procedure[float]:
    """Return when a request may be sent, by the monotonic clock."""
    buckets, name = session.runtime.pace, app.name
    times = {limit: buckets.take(name, limit) for limit in counted}
    missing = [limit for limit, at in times.items() if at is None]
    if missing and not config.has_database(session.database_url):
        times |= {limit: buckets.reserve(name, limit) for limit in missing}
    elif missing:
        wanted = {limit: buckets.wanted(name, limit) for limit in missing}
        began = time.monotonic()
        found = yield from fallback_store.in_shared_store(
            session, app, lambda store: store.pace.reserve(wanted)
        )
        for limit, count in wanted.items():
            if found is None:
                times[limit] = buckets.reserve(name, limit)
            else:
                times[limit] = buckets.put(name, limit, began + found[0][limit], count)
    return max((at for at in times.values() if at is not None), default=0.0)
