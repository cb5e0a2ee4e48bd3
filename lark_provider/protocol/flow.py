"""The call engine: what happens between an operation and its result. Written once, without I/O."""

from __future__ import annotations

import logging
from typing import Any, TypeVar

from lark_provider.protocol import answers
from lark_provider.protocol.calls import (
    Call,
    Flow,
    LarkResponse,
    Lost,
    NeedToken,
    Procedure,
    Random,
    Response,
    Send,
    Sleep,
)
from lark_provider.protocol.codes import Kind
from lark_provider.protocol.errors import LarkError, OutcomeUnknownError, TransportError
from lark_provider.protocol.retry import RetryPolicy

T = TypeVar("T")
logger = logging.getLogger(__name__)


def run(operation: Call[Any] | Procedure[T], policy: RetryPolicy) -> Flow[T]:
    """Turn an operation into effects.

    Args:
        operation: A call, or a procedure, whose calls are expanded in place. What an effect raises is
            thrown into the procedure, so that it can say how far it came.
        policy: Bounds for the repeats of each call.

    Returns:
        A generator that yields effects and returns the operation's result.
    """
    if isinstance(operation, Call):
        response: T = yield from _call(operation, policy)
        return response
    try:
        step = next(operation)
        while True:
            try:
                answer = (yield from _call(step, policy)) if isinstance(step, Call) else (yield step)
            except Exception as error:  # noqa: BLE001 - the procedure decides, and raises it again by default
                step = operation.throw(error)
            else:
                step = operation.send(answer)
    except StopIteration as stop:
        result: T = stop.value
        return result


def _call(call: Call[Any], policy: RetryPolicy) -> Flow[Any]:
    rejected: str | None = None
    attempt, waited = 0, 0.0
    uncertain: str | None = None  # why an earlier try may have been performed
    while True:
        token: str | None = (yield NeedToken(rejected)) if call.auth else None
        answer: Response | Lost = yield Send(call, token)
        attempt += 1
        if isinstance(answer, Lost):
            outcome: LarkResponse[Any] | answers.Refusal | Lost = answer
        else:
            outcome = answers.read(call, answer, token, call.secret)
        if isinstance(outcome, LarkResponse):
            return outcome

        retry_after = None
        if isinstance(outcome, Lost):
            repeatable = outcome.passing and (call.idempotent or not outcome.sent)
            reason = outcome.reason.rstrip(".") + "."
            if outcome.sent:
                uncertain = reason
            failure: LarkError = TransportError(
                f"{call.name}: {reason} Next: check network, proxy and base_url, then call again."
            )
        else:
            kind, failure, retry_after = outcome
            if kind is Kind.TOKEN and call.auth and rejected is None:
                rejected = token
                continue
            repeatable = kind in (Kind.RATE, Kind.BUSY) or (kind is Kind.AMBIGUOUS and call.idempotent)
            if kind in (Kind.AMBIGUOUS, Kind.REPLAYED):
                uncertain = str(failure).split(" Next: ")[0]
        random: float = (yield Random()) if repeatable else 0.0
        delay = policy.delay(attempt, waited, retry_after, random) if repeatable else None
        if delay is None:
            raise _final(call, failure, uncertain)
        logger.info("%s: try %d failed, waiting %.2f s: %s", call.name, attempt, delay, failure)
        yield Sleep(delay)
        waited += delay


def _final(call: Call[Any], failure: LarkError, uncertain: str | None) -> LarkError:
    """The error to raise: a write that may stand outweighs whatever the last try said."""
    if uncertain is None or call.safe:
        return failure
    advice = "look whether it is there before repeating it"
    if not call.idempotent:
        advice += "; with an idempotency key, where the operation takes one, the client repeats safely"
    text = f"{call.name}: the write was sent and may or may not have happened: {uncertain} Next: {advice}."
    error = OutcomeUnknownError(text)
    error.__cause__ = failure
    return error
