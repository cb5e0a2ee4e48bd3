"""One call and its tries: token, request, reading of the answer, back-off. No I/O, clock or randomness."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

from lark_provider.protocol import answers
from lark_provider.protocol.calls import Call, LarkResponse
from lark_provider.protocol.codes import ITEM_GONE, CodeKind
from lark_provider.protocol.effects import Lost, NeedToken, Random, Response, Send, Sleep
from lark_provider.protocol.errors import (
    DeadlineExceededError,
    LarkAPIError,
    LarkError,
    OutcomeUnknownError,
    TransportError,
)
from lark_provider.protocol.operations import Flow
from lark_provider.protocol.retry import RetryPolicy

logger = logging.getLogger(__name__)


class Bound(NamedTuple):
    """What ends a call that has no answer yet.

    Attributes:
        ended: That it came, for errors.
        step: What to do then.
    """

    ended: str
    step: str


DEADLINE = Bound("the deadline came", "call again later, or pass a longer deadline=")
LEASE = Bound(
    "the lease by which one writer at a time has the table or document ended",
    "call again, which takes the lease again; a longer deadline= does not lengthen it",
)
_REASONS = {CodeKind.RATE: "rate_limit", CodeKind.BUSY: "busy", CodeKind.AMBIGUOUS: "server_error"}
"""What a repeated request failed with, in a word for metrics; one that got no answer: `no_answer`."""


def attempt_call(call: Call[Any], policy: RetryPolicy, bound: Bound = DEADLINE) -> Flow[LarkResponse[Any]]:
    """Make a call, and retry it where that is safe and may succeed.

    Args:
        call: The call.
        policy: Bounds for the repeats. The call's deadline bounds token, tries and waits together: what
            yields after it raises `DeadlineExceededError`.
        bound: What that deadline is, for errors.

    Raises:
        LarkAPIError: Lark refused it.
        OutcomeUnknownError: It may have been performed, and no attempt got an answer.
        DeadlineExceededError: The deadline came first, and nothing was changed.
        TransportError: Lark was not reached.
    """
    rejected: str | None = None
    refused_by = 0
    attempt, waited = 0, 0.0
    uncertain: str | None = None  # why an earlier attempt may have been performed
    while True:
        try:
            token: str | None = (yield NeedToken(rejected, refused_by)) if call.auth else None
            answer: Response | Lost = yield Send(call, token)
        except DeadlineExceededError:
            raise _make_final_error(
                call, _make_late_error(call, bound, "while waiting for a token"), uncertain
            ) from None
        except LarkError as failed:
            raise _make_final_error(call, failed, uncertain)  # noqa: B904 - it has its cause
        attempt += 1
        if isinstance(answer, Lost):
            outcome: LarkResponse[Any] | answers.RefusedAnswer | Lost = answer
        else:
            outcome = answers.read(call, answer, token, call.secret)
        if isinstance(outcome, LarkResponse):
            return outcome

        retry_after, reason_word = None, "no_answer"
        if isinstance(outcome, Lost):
            repeatable = outcome.passing and not outcome.is_late and (call.idempotent or not outcome.sent)
            reason = (f"{bound.ended} " if outcome.is_late else "") + outcome.reason.rstrip(".") + "."
            if outcome.sent:
                uncertain = reason
            kind_of_error = DeadlineExceededError if outcome.is_late else TransportError
            failure: LarkAPIError | TransportError = kind_of_error(
                f"{call.name}: {reason} Next: {bound.step if outcome.is_late else outcome.step}."
            )
            failure.retryable = outcome.passing
        else:
            kind, failure, retry_after = outcome
            reason_word = _REASONS.get(kind, "refused")
            if kind is CodeKind.TOKEN and call.auth and rejected is None:
                rejected, refused_by = token, failure.code
                continue
            # A table that is not found, as after a typing error, says nothing of the record in it.
            if call.removes and uncertain is not None and failure.code in ITEM_GONE:
                return LarkResponse(0, failure.msg, {}, failure.log_id)
            repeatable = kind in (CodeKind.RATE, CodeKind.BUSY) or (
                kind is CodeKind.AMBIGUOUS and call.idempotent
            )
            if kind is CodeKind.AMBIGUOUS:
                uncertain = str(failure).split(" Next: ")[0]
        delay = policy.delay(attempt, waited, retry_after, (yield Random())) if repeatable else None
        if delay is None:
            raise _make_final_error(call, failure, uncertain)
        log_id = getattr(failure, "log_id", None)
        logger.info(
            "Retrying after a failed attempt",
            extra={
                "call": call.name,
                "attempt": attempt,
                "retry_in_s": round(delay, 2),
                "error": str(failure),
                **({"log_id": log_id} if log_id else {}),
            },
        )
        try:
            yield Sleep(delay, failure, reason_word)
        except DeadlineExceededError:
            words = str(failure).split(" Next: ")[0]
            raise _make_final_error(
                call,
                _make_late_error(call, bound, f"before another try; the last one failed: {words}"),
                uncertain,
            ) from None
        waited += delay


def _make_late_error(call: Call[Any], bound: Bound, when: str) -> DeadlineExceededError:
    return DeadlineExceededError(f"{call.name}: {bound.ended} {when.rstrip('.')}. Next: {bound.step}.")


def _make_final_error(call: Call[Any], failure: LarkError, uncertain: str | None) -> LarkError:
    """Return the error to raise: if a write may have been performed, that, whatever the last attempt met."""
    if uncertain is None or call.safe:
        return failure
    advice = "check whether it was written before repeating it"
    if not call.idempotent:
        advice += "; with an idempotency key, where the operation takes one, the client repeats safely"
    text = f"{call.name}: the write was sent and may or may not have happened: {uncertain} Next: {advice}."
    error = OutcomeUnknownError(text)
    error.__cause__ = failure
    return error
