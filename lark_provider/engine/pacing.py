"""Keep requests below Lark's documented rates, in this process and among those that share a database."""

from __future__ import annotations

import time
from dataclasses import replace

from lark_provider.engine import fallback_store
from lark_provider.engine.session import Found, Session
from lark_provider.protocol.effects import Lost, Response, Send, Sleep
from lark_provider.protocol.errors import DeadlineExceededError
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.pacing import Limit, limits
from lark_provider.protocol.tokens import App
from lark_provider.support import measured


def paced(session: Session, send: Send, found: Found) -> Procedure[Response | Lost] | None:
    """Return the steps that wait until a request may be sent, and send it; None if it may be sent now.

    Args:
        session: The settings of the client.
        send: The request.
        found: The client's app.
    """
    app, call = found.app, send.call
    counted = limits(call.method, call.path, call.receiver, found.share)
    if not counted:
        return None
    if found.is_shared:
        return _beside_other_processes(session, send, app, counted)
    at = session.runtime.pace.reserve(app.name, counted)
    return _sent_at(at, send, app) if at > time.monotonic() else None


def _beside_other_processes(
    session: Session, send: Send, app: App, counted: list[Limit]
) -> Procedure[Response | Lost]:
    at = yield from _reserved_among_processes(session, app, counted)
    return (yield from _sent_at(at, send, app))


def _sent_at(at: float, send: Send, app: App) -> Procedure[Response | Lost]:
    pause = at - time.monotonic()
    if pause > 0:
        try:
            yield Sleep(pause)
        except DeadlineExceededError:
            reason = f"while other requests to Lark are ahead of it, for {pause:.0f} s"
            return Lost(reason, sent=False, is_late=True)
        measured.PACING_SECONDS.observe(pause, app.app_id)
    answer: Response | Lost = yield replace(send, is_paced=True)
    return answer


def _reserved_among_processes(session: Session, app: App, counted: list[Limit]) -> Procedure[float]:
    """Return when a request may be sent, by the monotonic clock, beside those of other processes."""
    buckets, name = session.runtime.pace, app.name
    at, missing = buckets.take(name, counted)
    if not missing:
        return at
    wanted, began = buckets.wanted(name, missing), time.monotonic()
    found = yield from fallback_store.in_shared_store(session, app, lambda store: store.pace.reserve(wanted))
    if found is None:
        return max(at, buckets.reserve(name, missing))
    firsts = {limit: began + found[0][limit] for limit in wanted}
    return max(at, buckets.put(name, firsts, wanted))
