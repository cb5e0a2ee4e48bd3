"""Perform what is left of an operation in the calling thread."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from lark_provider.engine import files, transport
from lark_provider.engine.drivers.common import (
    check_sleep,
    compute_remaining,
    log_answer,
    log_background_errors,
    make_timeout_error,
    make_waiter_error,
)
from lark_provider.engine.interpreter import answer as answer_to
from lark_provider.engine.session import Session
from lark_provider.protocol.calls import Call
from lark_provider.protocol.effects import (
    Await,
    Effect,
    Local,
    ReadFile,
    Send,
    Sleep,
    Spawn,
    Take,
)
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.trampoline import run
from lark_provider.support import threads

T = TypeVar("T")


def drive(operation: Call[Any] | Procedure[T], session: Session) -> T:
    """Perform an operation in the calling thread.

    Args:
        operation: A call or a procedure.
        session: The client's session: its settings, and what it shares with other clients of the process.

    Returns:
        Its result.
    """
    running = run(operation, partial(answer_to, session))
    answer: Any = None
    error: Exception | None = None
    try:
        while True:
            effect, until = running.send(answer) if error is None else running.throw(error)
            answer = error = None
            try:
                answer = _perform(effect, until, session)
            except Exception as raised:  # noqa: BLE001 - the operation decides
                error = raised
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        running.close()
        answer = error = None  # an error that leaves holds this frame, which must not hold the error


def _perform(effect: Effect, until: float, session: Session) -> Any:
    match effect:
        case Send():
            started = time.perf_counter()
            return log_answer(effect, transport.exchange(effect, until, session), started)
        case Sleep(seconds):
            return time.sleep(check_sleep(seconds, until))
        case Take(stream, count):
            if isinstance(stream.iterator, AsyncIterator):
                raise InvalidRequestError(
                    "records must be an ordinary iterable here, got an asynchronous one. Next: use "
                    "AsyncLarkServiceClient, or pass a list or a generator."
                )
            return stream.read(count)
        case ReadFile():
            return files.prepare_upload(effect)
        case Await(future, thread):
            if thread == threading.get_ident():
                return None
            try:
                return future.result(compute_remaining(until))
            except Exception as error:  # noqa: BLE001 - of whatever the other caller met
                raise make_waiter_error(error, is_over=future.done()) from None
        case Local(work, seconds):
            try:
                return threads.start(work).result(min(seconds, max(0.0, until - time.monotonic())))
            except TimeoutError:
                raise make_timeout_error(seconds, until) from None
        case Spawn():
            try:
                threads.start(lambda: _in_background(effect, session))
            except RuntimeError:  # no more threads, as when the interpreter ends
                effect.abandon()
        case _:
            raise TypeError(f"no driver performs {type(effect).__name__}")
    return None


def _in_background(spawn: Spawn, session: Session) -> None:
    with log_background_errors():
        drive(spawn.make(), replace(session, policy=spawn.policy))
