"""Measure and trace a call from the effects that it yields: requests, answers, waits, retries, outcome."""

from __future__ import annotations

from typing import Any

from lark_provider.engine import tracing
from lark_provider.engine.session import Session
from lark_provider.protocol.attempts import DEADLINE, TimeLimit, attempt_call
from lark_provider.protocol.calls import Call, LarkResponse
from lark_provider.protocol.effects import NeedToken, NoResponse, Response, Send, Sleep
from lark_provider.protocol.errors import (
    DeadlineExceededError,
    LarkAPIError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RateLimitError,
    TokenAcquisitionError,
    TransportError,
)
from lark_provider.protocol.operations import Flow
from lark_provider.support import measured, meters

NO_ANSWER = "none"
"""The code of a request that got no answer."""
_OUTCOMES: tuple[tuple[type[Exception], str], ...] = (
    (OutcomeUnknownError, "outcome_unknown"),
    (DeadlineExceededError, "deadline"),
    (TransportError, "no_answer"),
    (RateLimitError, "rate_limited"),
    (PermissionDeniedError, "permission_denied"),
    (LarkAPIError, "refused"),
    (TokenAcquisitionError, "no_token"),
)


def try_call(
    call: Call[Any], session: Session, limit: TimeLimit = DEADLINE, uncertain: str | None = None
) -> Flow[LarkResponse[Any]]:
    """Return the attempts of a call, recorded if calls are measured or traced.

    Args:
        call: The call.
        session: The session of the client that makes the call.
        limit: What ends the call, for errors.
        uncertain: Why the same call may have been performed before; None if it was not.
    """
    steps = attempt_call(call, session.policy, limit, uncertain)
    return observe(call, steps, session) if meters.sinks or tracing.is_on() else steps


def observe(call: Call[Any], steps: Flow[LarkResponse[Any]], session: Session) -> Flow[LarkResponse[Any]]:
    """Run the attempts of a call as they are, and record their outcome.

    Args:
        call: The call.
        steps: The attempts, as `attempt_call` returned them.
        session: The session of the client that makes the call.
    """
    watch = _Watch(call, session)
    answer: Any = None
    error: BaseException | None = None
    try:
        while True:
            try:
                effect = steps.send(answer) if error is None else steps.throw(error)
            except StopIteration as stop:
                result: LarkResponse[Any] = stop.value
                watch.note_success(result)
                return result
            except Exception as raised:
                watch.note_failure(raised)
                raise
            answer = error = None
            watch.note_effect(effect)
            try:
                answer = yield effect
            except Exception as raised:  # noqa: BLE001 - the steps decide
                error = raised
            else:
                watch.note_answer(effect, answer)
    finally:
        steps.close()
        watch.end()
        answer = error = None  # a traceback holds this frame; a reference back would be a cycle


class _Watch:
    """What is known of a call so far.

    Args:
        call: The call.
        session: The session of the client that makes the call.
    """

    def __init__(self, call: Call[Any], session: Session) -> None:
        self._call, self._session = call, session
        self._operation = call.operation
        self._span = tracing.begin(call) if tracing.is_on() else None
        self._is_answered = False
        self._status: int | None = None
        self._attributes: dict[str, Any] = {}
        self._requests = 0
        self._error: BaseException | None = None

    @property
    def _app(self) -> str:
        session = self._session
        if session.webhook is not None:
            return "webhook"
        found_app = session.found_app
        return session.app_id or measured.UNKNOWN if found_app is None else found_app.app.app_id

    def note_effect(self, effect: object) -> None:
        """Note an effect that the call yields; it says how the answer before was judged."""
        match effect:
            case Send():
                self._requests += 1
            case NeedToken(rejected, code) if rejected is not None:
                self._count(str(code))
                measured.RETRIES.add(self._app, "token")
            case Sleep(_, failure, _) if failure is not None:
                self._count(_get_code_label(failure))

    def note_answer(self, effect: object, answer: object) -> None:
        """Note the answer to an effect."""
        match effect:
            case Send():
                self._is_answered = not isinstance(answer, NoResponse) or answer.was_tried
                self._status = answer.status if isinstance(answer, Response) else None
                if isinstance(answer, NoResponse):
                    self._count(NO_ANSWER)
            case Sleep(seconds, failure, reason) if failure is not None:
                measured.RETRIES.add(self._app, reason)
                if reason == "rate_limit":
                    measured.RATE_LIMIT_SECONDS.observe(seconds, self._app)

    def note_success(self, response: LarkResponse[Any]) -> None:
        """Note that Lark has accepted the call."""
        self._count("0")
        self._attributes = {"lark.code": 0, "lark.log_id": response.log_id}
        measured.CALLS.add(self._app, "ok")

    def note_failure(self, error: Exception) -> None:
        """Note what the call raises."""
        self._error = error
        cause = error.__cause__ if isinstance(error, OutcomeUnknownError) else error
        self._count(_get_code_label(cause))
        self._attributes = {
            "lark.code": getattr(cause, "code", None),
            "lark.log_id": getattr(cause, "log_id", None),
        }
        outcome = next((word for kind, word in _OUTCOMES if isinstance(error, kind)), "failed")
        measured.CALLS.add(self._app, outcome)

    def end(self) -> None:
        """End the span."""
        if self._span is not None:
            attributes = {
                **self._attributes,
                "lark.app_id": self._app,
                "http.response.status_code": self._status,
                "http.request.resend_count": self._requests - 1 if self._requests > 1 else None,
            }
            tracing.end(self._span, attributes, self._error)
        self._error = None

    def _count(self, code: str) -> None:
        """Count the request whose answer was not counted yet, if there is one."""
        if self._is_answered:
            self._is_answered = False
            measured.REQUESTS.add(self._app, self._operation, code)


def _get_code_label(error: BaseException | None) -> str:
    """Return the label of a failure's code; `http_5xx` and the like for an answer that was not Lark's."""
    if not isinstance(error, LarkAPIError):
        return NO_ANSWER
    if error.code or error.http_status is None:
        return str(error.code)
    return f"http_{error.http_status // 100}xx"
