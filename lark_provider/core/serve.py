"""Between engine and drivers: what needs the process's memory but no I/O. Written once for both drivers.

Left for a driver: send a request, sleep, take from a stream, wait for somebody else's fetch.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, TypeVar

from lark_provider.core.session import Session
from lark_provider.core.tokens import Fetch, Flight, OwnerGoneError
from lark_provider.protocol import tokens
from lark_provider.protocol.calls import (
    Call,
    NeedToken,
    NeedWebhook,
    NewKey,
    Now,
    Procedure,
    Random,
    ReadFile,
    Remember,
    Send,
    Sleep,
    Take,
)
from lark_provider.protocol.flow import run
from lark_provider.protocol.retry import RetryPolicy

T = TypeVar("T")
_ONCE = RetryPolicy(max_retries=0)


@dataclass(frozen=True, slots=True)
class WaitFor:
    """Wait until a flight ends. Answered with its token, or None if that took too long or cannot be."""

    flight: Flight


Io: TypeAlias = Send | Sleep | Take[Any] | ReadFile | WaitFor
Served: TypeAlias = Generator[Io, Any, T]


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
                        answer: Any = yield from _token(session, rejected)
                    case Remember():
                        answer = yield from _remembered(effect, session)
                    case NeedWebhook():
                        answer = session.bot()
                    case Now():
                        answer = session.clock()
                    case Random():
                        answer = random.random()  # noqa: S311 - jitter
                    case NewKey():
                        answer = uuid.uuid4().hex
                    case _:
                        answer = yield effect
            except Exception as error:  # noqa: BLE001 - the flow decides, and raises it again by default
                effect = flow.throw(error)
            else:
                effect = flow.send(answer)
    except StopIteration as stop:
        result: T = stop.value
        return result


def _token(session: Session, rejected: str | None) -> Served[str]:
    app, cache = session.app(), session.tokens
    while True:
        step = cache.ask(app.token_key, rejected)
        if isinstance(step, str):
            return step
        if isinstance(step, Fetch):
            # With a token at hand that still works, nobody is kept waiting for Lark to recover.
            asking = session if step.flight.fallback is None else replace(session, policy=_ONCE)
            try:
                value, expires_in = yield from serve(tokens.fetch(app), asking)
            except BaseException as error:  # noqa: BLE001 - those who wait must hear of it, also when we are cancelled
                return cache.crash(step.flight, error)
            return cache.land(step.flight, value, expires_in)
        try:
            waited: str | None = yield WaitFor(step.flight)
        except OwnerGoneError:
            continue
        return waited if waited is not None else (yield from serve(tokens.fetch(app), session))[0]


def _remembered(effect: Remember[T], session: Session) -> Served[T]:
    key = (session.app().token_key, *effect.key)
    known = session.memory.recall(key, effect.max_age, session.clock())
    if known is None:
        known = ((yield from serve(effect.make(), session)),)
        session.memory.keep(key, known[0], session.clock())
    value: T = known[0]
    return value
