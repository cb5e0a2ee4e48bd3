"""Answer the effects of operations from what the process knows; the rest is I/O, which a driver does."""

from __future__ import annotations

import random
import time
import uuid
from typing import Any, TypeVar

from lark_provider.engine import credentials, observing, pacing, shared, tickets, token_provider, user_cache
from lark_provider.engine.session import Session
from lark_provider.protocol.calls import Call
from lark_provider.protocol.effects import (
    CacheGet,
    CachePut,
    Effect,
    KeepTicket,
    Memoize,
    NeedAppToken,
    NeedTicket,
    NeedToken,
    NeedWebhook,
    NewKey,
    Now,
    OpenSyncIndex,
    Random,
    Send,
)
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.spool import OpenSpool
from lark_provider.protocol.store import Leased, Shared
from lark_provider.protocol.trampoline import StackFrame

T = TypeVar("T")


def answer(session: Session, effect: Call[Any] | Effect, until: float) -> StackFrame | tuple[Any] | None:
    """Answer an effect: with steps, a value, or None for what a driver does. See `trampoline.EffectHandler`.

    Args:
        session: The client's session: its settings, and what it shares with other clients of the process.
        effect: The effect that the operation's steps yielded.
        until: The deadline of those steps, in seconds of the monotonic clock.
    """
    match effect:
        case Call():
            # A call inside another one's, such as that for a token, has no more time than that one.
            ends = min(until, time.monotonic() + session.deadline)
            return StackFrame(observing.try_call(effect, session), ends)
        case Send() if session.found_app is None and session.webhook is None:
            # A call without a token has not looked up the app, which has the base URL to send to.
            return StackFrame(_send_to_app(session, effect), until)
        case Send(is_paced=False) if (
            effect.call.auth and (found_app := session.found_app) and found_app.pace > 0
        ):
            steps = pacing.wait_and_send(session, effect, found_app, until)
            return None if steps is None else StackFrame(steps, until)
        case Send():
            return None
        case NeedToken(rejected):
            token = None if rejected is not None else token_provider.find_cached_tenant_token(session)
            return (
                (token,)
                if token
                else StackFrame(token_provider.obtain_tenant_token(session, rejected), until)
            )
        case NewKey():
            return (uuid.uuid4().hex,)
        case Memoize():
            return StackFrame(_memoize(session, effect), until)
        case Random():
            return (random.random(),)  # noqa: S311 - jitter
        case Now():
            return (session.clock(),)
        case NeedWebhook():
            return (session.require_bot(),)
        case NeedAppToken(rejected):
            return StackFrame(token_provider.obtain_app_token(session, rejected), until)
        case NeedTicket(rejected):
            return StackFrame(tickets.obtain_ticket(session, rejected), until)
        case KeepTicket(ticket):
            return StackFrame(tickets.put(session, ticket), until)
        case CacheGet():
            return StackFrame(user_cache.get(session, effect), until)
        case Shared():
            return StackFrame(shared.perform(session, effect), until)
        case Leased():
            return shared.make_leased_frame(session, effect, until)
        case OpenSyncIndex():
            from lark_provider.storage.sync_index import SqliteIndex

            return (SqliteIndex(),)
        case OpenSpool():
            from lark_provider.storage.spool import FileSpool

            return (FileSpool(),)
        case CachePut():
            return StackFrame(user_cache.put(session, effect), until)
    return None


def _send_to_app(session: Session, send: Send) -> Procedure[Any]:
    yield from credentials.find(session)
    return (yield send)


def _memoize(session: Session, effect: Memoize[T]) -> Procedure[T]:
    app = yield from credentials.find(session)
    key = (app.token_key, *effect.key)
    now = session.clock()
    known = session.runtime.answers.get(key)
    if known is not None and now - known[0] < effect.max_age:
        remembered: T = known[1]
        return remembered
    value = yield from effect.make()
    session.runtime.answers.put(key, (session.clock(), value))
    return value
