"""The two drivers: they do the I/O that is left of an operation, one in a thread, one in an event loop."""

from __future__ import annotations

import asyncio
import copy
import itertools
import logging
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, TypeVar

from lark_provider.engine import files, transport
from lark_provider.engine.interpreter import run
from lark_provider.engine.session import Session
from lark_provider.protocol.calls import Call
from lark_provider.protocol.effects import (
    Effect,
    Local,
    Lost,
    ReadFile,
    Response,
    Send,
    Sleep,
    Spawn,
    Take,
    Wait,
)
from lark_provider.protocol.errors import DeadlineExceededError, InvalidRequestError
from lark_provider.protocol.operations import Procedure
from lark_provider.support import measured, meters, threads
from lark_provider.support.futures import consume_exception

T = TypeVar("T")
logger = logging.getLogger(__name__)


def drive(operation: Call[Any] | Procedure[T], session: Session) -> T:
    """Perform an operation in the calling thread.

    Args:
        operation: A call or a procedure.
        session: A client's.

    Returns:
        Its result.
    """
    running = run(operation, session)
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
            return _logged(effect, transport.exchange(effect, until, session), started)
        case Sleep(seconds):
            return time.sleep(_in_time(seconds, until))
        case Take(stream, count):
            if isinstance(stream.iterator, AsyncIterator):
                raise InvalidRequestError(
                    "records must be an ordinary iterable here, got an asynchronous one. Next: use "
                    "AsyncLarkServiceClient, or pass a list or a generator."
                )
            return list(itertools.islice(stream.iterator, count))
        case ReadFile():
            return files.load(effect)
        case Wait(future, thread):
            if thread == threading.get_ident():
                return None
            try:
                return future.result(_left(until))
            except Exception as error:  # noqa: BLE001 - of whatever the other caller met
                raise _waited(error, is_over=future.done()) from None
        case Local(work, seconds):
            try:
                return threads.start(work).result(min(seconds, max(0.0, until - time.monotonic())))
            except TimeoutError:
                raise _too_slow(seconds, until) from None
        case Spawn():
            try:
                threads.start(lambda: _in_background(effect, session))
            except RuntimeError:  # no more threads, as when the interpreter ends
                effect.abandon()
    return None


def _in_background(spawn: Spawn, session: Session) -> None:
    try:
        drive(spawn.make(), replace(session, policy=spawn.policy))
    except Exception:
        logger.exception("Background work failed")


async def adrive(operation: Call[Any] | Procedure[T], session: Session) -> T:
    """Perform an operation in the running event loop, which is never blocked.

    Args:
        operation: A call or a procedure.
        session: A client's.

    Returns:
        Its result.
    """
    running = run(operation, session)
    answer: Any = None
    error: Exception | None = None
    try:
        while True:
            effect, until = running.send(answer) if error is None else running.throw(error)
            answer = error = None
            try:
                answer = await _aperform(effect, until, session)
            except Exception as raised:  # noqa: BLE001 - the operation decides
                error = raised
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        running.close()
        answer = error = None


async def _aperform(effect: Effect, until: float, session: Session) -> Any:
    match effect:
        case Send():
            started = time.perf_counter()
            return _logged(effect, await transport.aexchange(effect, until, session), started)
        case Sleep(seconds):
            return await asyncio.sleep(_in_time(seconds, until))
        case Take(stream, count):
            if isinstance(stream.iterator, AsyncIterator):
                return await _next_items(stream.iterator, count)
            if isinstance(stream.source, list | tuple):
                return list(itertools.islice(stream.iterator, count))
            # A generator may block; one bound to its thread, such as a database cursor, has to be a list.
            return await threads.run(lambda: list(itertools.islice(stream.iterator, count)))
        case ReadFile():
            return await threads.run(lambda: files.load(effect))
        case Wait(future):
            other = asyncio.wrap_future(future)
            other.add_done_callback(consume_exception)
            try:
                # Shielded: a waiter that is cancelled must not take the flight from the others.
                return await asyncio.wait_for(asyncio.shield(other), _left(until))
            except Exception as error:  # noqa: BLE001 - of whatever the other caller met
                raise _waited(error, is_over=future.done()) from None
        case Local(work, seconds):
            try:
                return await threads.run(work, min(seconds, max(0.0, until - time.monotonic())))
            except TimeoutError:
                raise _too_slow(seconds, until) from None
        case Spawn():
            task = asyncio.get_running_loop().create_task(_in_background_task(effect, session))
            background = session.runtime.background
            background.add(task)
            task.add_done_callback(background.discard)
            # A task that is cancelled before it has begun runs nothing that could say so.
            task.add_done_callback(lambda done: effect.abandon() if done.cancelled() else None)
    return None


async def _in_background_task(spawn: Spawn, session: Session) -> None:
    try:
        await adrive(spawn.make(), replace(session, policy=spawn.policy))
    except Exception:
        logger.exception("Background work failed")


def _left(until: float) -> float | None:
    return None if until == float("inf") else max(0.0, until - time.monotonic())


def _too_slow(seconds: float, until: float) -> Exception:
    """Return the error to raise for local work that has not ended in time."""
    if time.monotonic() >= until:
        return DeadlineExceededError("The deadline came before a database answered. Next: call again later.")
    return TimeoutError(f"no answer within {seconds:g} s")


def _in_time(seconds: float, until: float) -> float:
    if time.monotonic() + seconds >= until:
        raise DeadlineExceededError("The deadline comes before this wait would end. Next: call again later.")
    return seconds


def _waited(error: Exception, *, is_over: bool) -> Exception:
    """Return the error to raise for a wait: each waiter's own copy, with its own traceback."""
    if isinstance(error, TimeoutError) and not is_over:
        return DeadlineExceededError(
            "The deadline came while another caller was fetching. Next: call again later, or pass a longer "
            "deadline=."
        )
    return copy.copy(error)


async def _next_items(items: AsyncIterator[T], count: int) -> list[T]:
    taken: list[T] = []
    while len(taken) < count:
        try:
            taken.append(await anext(items))
        except StopAsyncIteration:
            break
    return taken


def _logged(send: Send, answer: Response | Lost, started: float) -> Response | Lost:
    outcome = answer.status if isinstance(answer, Response) else answer.reason
    seconds = time.perf_counter() - started
    if meters.are_on() and (isinstance(answer, Response) or answer.was_tried):
        measured.REQUEST_SECONDS.observe(seconds, send.call.operation)
    ms = round(1000 * seconds)
    if logger.isEnabledFor(logging.DEBUG):
        log_id = answer.headers.get("x-tt-logid") if isinstance(answer, Response) else None
        fields = {"call": send.call.name, "outcome": outcome, "ms": ms}
        logger.debug("Request completed", extra=fields | ({"log_id": log_id} if log_id else {}))
    return answer
