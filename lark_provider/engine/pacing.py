"""Keep requests below Lark's documented rates, in this process and among those that share a database."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from lark_provider.engine import fallback_store
from lark_provider.engine.session import FoundApp, Session
from lark_provider.protocol.effects import NoResponse, Response, Send, Sleep
from lark_provider.protocol.errors import DeadlineExceededError
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.pacing import MAX_SECONDS_AHEAD, Limit, list_limits
from lark_provider.protocol.tokens import App
from lark_provider.support import measured

if TYPE_CHECKING:
    from lark_provider.storage.store import SharedStore


def wait_and_send(
    session: Session, send: Send, found_app: FoundApp, until: float
) -> Procedure[Response | NoResponse] | None:
    """Reserve a time for a request.

    Args:
        session: The settings of the client.
        send: The request.
        found_app: The client's app.
        until: The deadline. No time after it is reserved, since the request will not be sent then.

    Returns:
        The steps that wait for that time and send the request; None if it may be sent now.
    """
    app, call = found_app.app, send.call
    counted = list_limits(call.method, call.path, call.receiver, found_app.pace)
    if not counted:
        return None
    if found_app.has_database:
        return _reserve_and_send(session, send, app, counted, until)
    at = session.runtime.pace.reserve(app.name, counted, until)
    return _send_at(at, send, app) if at > time.monotonic() else None


def _reserve_and_send(
    session: Session, send: Send, app: App, counted: list[Limit], until: float
) -> Procedure[Response | NoResponse]:
    try:
        at = yield from _reserve_shared(session, app, counted, until)
    except DeadlineExceededError:
        return NoResponse("before a database answered", sent=False, is_late=True)
    return (yield from _send_at(at, send, app))


def _send_at(at: float, send: Send, app: App) -> Procedure[Response | NoResponse]:
    pause = at - time.monotonic()
    if pause > 0:
        try:
            yield Sleep(pause)
        except DeadlineExceededError:
            reason = f"during a wait of {pause:.0f} s for Lark's rate limit"
            return NoResponse(reason, sent=False, is_late=True)
        measured.PACING_SECONDS.observe(pause, app.app_id)
    answer: Response | NoResponse = yield replace(send, is_paced=True)
    return answer


def _reserve_shared(session: Session, app: App, counted: list[Limit], until: float) -> Procedure[float]:
    """Return when a request may be sent, by the monotonic clock, given those of other processes."""
    buckets, name = session.runtime.pace, app.name
    at, missing = buckets.take(name, counted)
    if not missing:
        return at
    wanted = buckets.choose_reservation_sizes(name, missing)

    def reserve(store: SharedStore) -> dict[Limit, float]:
        return store.pace.reserve(wanted, min(until - time.monotonic(), MAX_SECONDS_AHEAD))

    while True:
        reservation = yield from fallback_store.in_shared_store(session, app, reserve)
        if reservation is None:
            return max(at, buckets.reserve(name, missing, until))
        # After the query, however long it took: a request may be sent later than its time, but not earlier.
        now = time.monotonic()
        firsts = {limit: now + seconds for limit, seconds in reservation[0].items()}
        latest = max(firsts.values())
        if latest - now < MAX_SECONDS_AHEAD or latest >= until:
            break
        yield Sleep(latest - now - MAX_SECONDS_AHEAD / 2)
    buckets.put(name, {limit: first for limit, first in firsts.items() if first < until}, wanted)
    return max(at, latest)
