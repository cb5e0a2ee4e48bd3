"""What both drivers share: how a wait ends with the call's deadline, and how a request is logged."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from lark_provider.protocol.effects import NoResponse, Response, Send
from lark_provider.protocol.errors import DeadlineExceededError
from lark_provider.support import measured, meters

logger = logging.getLogger(__name__)


@contextmanager
def log_background_errors() -> Iterator[None]:
    """Log what background work raises: no caller waits for it."""
    try:
        yield
    except Exception:
        logger.exception("Background work failed")


def compute_remaining(until: float) -> float | None:
    """Return the seconds until a deadline by the monotonic clock; None if there is none."""
    return None if until == float("inf") else max(0.0, until - time.monotonic())


def make_timeout_error(seconds: float, until: float) -> Exception:
    """Return the error to raise for local work that has not ended in time."""
    if time.monotonic() >= until:
        return DeadlineExceededError("The deadline came before a database answered. Next: call again later.")
    return TimeoutError(f"no answer within {seconds:g} s")


def check_sleep(seconds: float, until: float) -> float:
    """Return the seconds of a wait, which must end before the deadline.

    Raises:
        DeadlineExceededError: It does not.
    """
    if time.monotonic() + seconds >= until:
        raise DeadlineExceededError("The deadline comes before this wait would end. Next: call again later.")
    return seconds


def make_waiter_error(error: Exception, *, is_over: bool) -> Exception:
    """Return the error to raise for a wait: each waiter's own copy, with its own traceback."""
    if isinstance(error, TimeoutError) and not is_over:
        return DeadlineExceededError(
            "The deadline came while another caller was fetching. Next: call again later, or pass a longer "
            "deadline=."
        )
    return copy.copy(error)


def log_answer(send: Send, answer: Response | NoResponse, started: float) -> Response | NoResponse:
    """Return what a request came to, once it is measured and logged.

    Args:
        send: The request.
        answer: What it came to.
        started: When it began, by the performance counter.
    """
    outcome = answer.status if isinstance(answer, Response) else answer.reason
    seconds = time.perf_counter() - started
    if meters.sinks and (isinstance(answer, Response) or answer.was_tried):
        measured.REQUEST_SECONDS.observe(seconds, send.call.operation)
    ms = round(1000 * seconds)
    if logger.isEnabledFor(logging.DEBUG):
        log_id = answer.headers.get("x-tt-logid") if isinstance(answer, Response) else None
        fields = {"call": send.call.name, "outcome": outcome, "ms": ms}
        logger.debug("Request completed", extra=fields | ({"log_id": log_id} if log_id else {}))
    return answer
