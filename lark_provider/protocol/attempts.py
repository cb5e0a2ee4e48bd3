"""Make a call and retry it: token, request, answer, backoff. The module has no I/O, clock or randomness."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

from lark_provider.protocol import answers
from lark_provider.protocol.calls import Call, LarkResponse
from lark_provider.protocol.codes import ITEM_GONE, CodeKind
from lark_provider.protocol.effects import NeedToken, NoResponse, Random, Response, Send, Sleep
from lark_provider.protocol.errors import (
    DeadlineExceededError,
    LarkAPIError,
    LarkError,
    OutcomeUnknownError,
    TransportError,
    get_problem,
)
from lark_provider.protocol.operations import Flow
from lark_provider.protocol.retry import RetryPolicy

logger = logging.getLogger(__name__)


class TimeLimit(NamedTuple):
    """The time limit of a call, for the texts of errors.

    Attributes:
        ended: A clause saying that the limit was reached.
        step: The next step.
    """

    ended: str
    step: str


DEADLINE = TimeLimit("the deadline passed", "call again later, or pass a longer deadline=")
LEASE = TimeLimit(
    "the write lease on the table or document expired",
    "call again to take the lease again; a longer deadline= does not extend it",
)
_REASONS = {CodeKind.RATE: "rate_limit", CodeKind.BUSY: "busy", CodeKind.AMBIGUOUS: "server_error"}
"""Why a request is sent again, as a label for metrics; a request without an answer has `no_answer`."""


class _Failure(NamedTuple):
    """An attempt that failed.

    Attributes:
        error: The error to raise if there is no further attempt.
        problem: What went wrong, without what to do next.
        reason: What went wrong in a word, for metrics.
        is_repeatable: Whether another attempt does no harm and may succeed.
        may_have_happened: Whether Lark may have performed the request.
        retry_after: After how many seconds Lark wants a retry; None if it does not say.
    """

    error: LarkAPIError | TransportError
    problem: str
    reason: str
    is_repeatable: bool
    may_have_happened: bool
    retry_after: float | None = None


def attempt_call(
    call: Call[Any], policy: RetryPolicy, limit: TimeLimit = DEADLINE, uncertain: str | None = None
) -> Flow[LarkResponse[Any]]:
    """Make a call, and retry it where that is safe and may succeed.

    Args:
        call: The call.
        policy: The limits of the retries. The deadline of the call bounds the token, all attempts and all
            waits together: the driver raises `DeadlineExceededError` for an effect that is yielded after it.
        limit: The time limit that sets this deadline, for the texts of errors.
        uncertain: Why the same call may have been performed before (`OutcomeUnknownError.problem`); None if
            it was not.

    Raises:
        LarkAPIError: Lark refused it.
        OutcomeUnknownError: It may have been performed, and no attempt was answered with success.
        DeadlineExceededError: The deadline passed first, and nothing was changed.
        TransportError: Lark was not reached.
        TokenAcquisitionError: Lark refused the credentials.
        ConfigurationError: The app is unknown or disabled, or a setting is invalid.
    """
    rejected: str | None = None
    refused_by = 0
    attempt, waited = 0, 0.0
    while True:
        try:
            token: str | None = (yield NeedToken(rejected, refused_by)) if call.auth else None
            answer: Response | NoResponse = yield Send(call, token)
        except DeadlineExceededError:
            late = _make_final_error(
                call, _make_late_error(call, limit, "while waiting for a token"), uncertain
            )
            raise late from late.__cause__
        except LarkError as failed:
            raise _make_final_error(call, failed, uncertain)  # noqa: B904 - it has its cause
        attempt += 1
        if isinstance(answer, NoResponse):
            failure = _describe_loss(call, answer, limit)
        else:
            outcome = answers.read(call, answer, token, call.secret)
            if isinstance(outcome, LarkResponse):
                return outcome
            if outcome.kind is CodeKind.TOKEN and call.auth and rejected is None:
                rejected, refused_by = token, outcome.error.code
                continue
            # An earlier attempt has removed it. An answer such as "no such table", as after a typo, does not
            # count, since it says nothing about the record.
            if call.removes and uncertain is not None and outcome.error.code in ITEM_GONE:
                return LarkResponse(0, outcome.error.msg, {}, outcome.error.log_id)
            failure = _describe_refusal(call, outcome)
        if failure.may_have_happened:
            uncertain = failure.problem
        delay = None
        if failure.is_repeatable:
            delay = policy.delay(attempt, waited, failure.retry_after, (yield Random()))
        if delay is None:
            raise _make_final_error(call, failure.error, uncertain)
        log_id = getattr(failure.error, "log_id", None)
        logger.info(
            "Retrying after a failed attempt",
            extra={
                "call": call.name,
                "attempt": attempt,
                "retry_in_s": round(delay, 2),
                "error": str(failure.error),
                **({"log_id": log_id} if log_id else {}),
            },
        )
        try:
            yield Sleep(delay, failure.error, failure.reason)
        except DeadlineExceededError:
            problem = get_problem(failure.error)
            why = f"before another try; the last one failed: {problem}"
            late = _make_final_error(call, _make_late_error(call, limit, why), uncertain)
            raise late from late.__cause__
        waited += delay


def _describe_loss(call: Call[Any], lost: NoResponse, limit: TimeLimit) -> _Failure:
    problem = (f"{limit.ended} " if lost.is_late else "") + lost.reason.rstrip(".") + "."
    kind = DeadlineExceededError if lost.is_late else TransportError
    error = kind(f"{call.name}: {problem} Next: {limit.step if lost.is_late else lost.step}.")
    error.retryable = lost.is_transient
    return _Failure(
        error,
        problem,
        reason="no_answer",
        is_repeatable=lost.is_transient and not lost.is_late and (call.idempotent or not lost.sent),
        may_have_happened=lost.sent,
    )


def _describe_refusal(call: Call[Any], refused: answers.RefusedAnswer) -> _Failure:
    is_ambiguous = refused.kind is CodeKind.AMBIGUOUS
    return _Failure(
        refused.error,
        get_problem(refused.error),
        reason=_REASONS.get(refused.kind, "refused"),
        is_repeatable=refused.kind in (CodeKind.RATE, CodeKind.BUSY) or (is_ambiguous and call.idempotent),
        may_have_happened=is_ambiguous,
        retry_after=refused.retry_after,
    )


def _make_late_error(call: Call[Any], limit: TimeLimit, when: str) -> DeadlineExceededError:
    return DeadlineExceededError(f"{call.name}: {limit.ended} {when.rstrip('.')}. Next: {limit.step}.")


def _make_final_error(call: Call[Any], failure: LarkError, uncertain: str | None) -> LarkError:
    """Return the error to raise; that a write may have happened takes precedence over the last failure."""
    if uncertain is None or call.safe:
        return failure
    advice = "check whether it was written before repeating it"
    if not call.idempotent:
        advice += "; with an idempotency key, where the operation takes one, the client repeats safely"
    text = f"{call.name}: the write was sent and may or may not have happened: {uncertain} Next: {advice}."
    error = OutcomeUnknownError(text)
    error.problem = uncertain
    error.__cause__ = failure
    return error
