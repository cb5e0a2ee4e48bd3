"""Between engine and drivers: what needs the process's memory but no I/O. Written once for both drivers.

Left for a driver: what `io` lists.
"""

from __future__ import annotations

import random
import uuid
from typing import Any, TypeVar

from lark_provider.core import acquire, credentials, people, tickets
from lark_provider.core.io import Served
from lark_provider.core.session import Session
from lark_provider.protocol.calls import (
    Call,
    KeepPeople,
    KeepTicket,
    KnownPeople,
    NeedAppToken,
    NeedTicket,
    NeedToken,
    NeedWebhook,
    NewKey,
    Now,
    Procedure,
    Random,
    Remember,
    Send,
)
from lark_provider.protocol.flow import run

T = TypeVar("T")


def serve(operation: Call[Any] | Procedure[T], session: Session) -> Served[T]:
    """Run an operation for a session.

    Args:
        operation: What to do.
        session: For whom.

    Returns:
        A generator that yields I/O and returns the operation's result.
    """
    flow = run(operation, session.policy)
    try:
        effect = next(flow)
        while True:
            try:
                match effect:
                    case NeedToken(rejected):
                        answer: Any = yield from acquire.tenant_token(session, rejected, serve)
                    case NeedAppToken(rejected):
                        answer = yield from acquire.app_token(session, rejected, serve)
                    case NeedTicket(rejected):
                        answer = yield from tickets.newest(session, rejected, serve)
                    case KeepTicket(ticket):
                        yield from tickets.keep(session, ticket)
                        answer = None
                    case Remember():
                        answer = yield from _remembered(effect, session)
                    case KnownPeople():
                        answer = yield from people.known(session, effect)
                    case KeepPeople():
                        yield from people.keep(session, effect)
                        answer = None
                    case NeedWebhook():
                        answer = session.bot()
                    case Now():
                        answer = session.clock()
                    case Random():
                        answer = random.random()  # noqa: S311 - jitter
                    case NewKey():
                        answer = uuid.uuid4().hex
                    case Send() if session.found is None and session.webhook is None:
                        yield from credentials.find(session)  # a call without a token: it says where to
                        answer = yield effect
                    case _:
                        answer = yield effect
            except Exception as error:  # noqa: BLE001 - the flow decides, and raises it again by default
                effect = flow.throw(error)
            else:
                effect = flow.send(answer)
    except StopIteration as stop:
        result: T = stop.value
        return result


def _remembered(effect: Remember[T], session: Session) -> Served[T]:
    app = yield from credentials.find(session)
    key = (app.token_key, *effect.key)
    known = session.memory.recall(key, effect.max_age, session.clock())
    if known is None:
        known = ((yield from serve(effect.make(), session)),)
        session.memory.keep(key, known[0], session.clock())
    value: T = known[0]
    return value
