"""Perform what is left of an operation in the running event loop."""

from __future__ import annotations

import asyncio
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
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.trampoline import run
from lark_provider.support import threads
from lark_provider.support.futures import consume_exception

T = TypeVar("T")


async def adrive(operation: Call[Any] | Procedure[T], session: Session) -> T:
    """Perform an operation in the running event loop, which is never blocked.

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
            return log_answer(effect, await transport.aexchange(effect, until, session), started)
        case Sleep(seconds):
            return await asyncio.sleep(check_sleep(seconds, until))
        case Take(stream, count):
            if isinstance(stream.iterator, AsyncIterator):
                return await _take_items(stream.iterator, count)
            if isinstance(stream.source, list | tuple):
                return stream.read(count)
            # A generator may block; one bound to its thread, such as a database cursor, has to be a list.
            return await threads.run(lambda: stream.read(count))
        case ReadFile():
            return await threads.run(lambda: files.prepare_upload(effect))
        case Await(future):
            wrapped = asyncio.wrap_future(future)
            wrapped.add_done_callback(consume_exception)
            try:
                # Shielded: a waiter that is cancelled must not take the flight from the others.
                return await asyncio.wait_for(asyncio.shield(wrapped), compute_remaining(until))
            except Exception as error:  # noqa: BLE001 - of whatever the other caller met
                raise make_waiter_error(error, is_over=future.done()) from None
        case Local(work, seconds):
            try:
                return await threads.run(work, min(seconds, max(0.0, until - time.monotonic())))
            except TimeoutError:
                raise make_timeout_error(seconds, until) from None
        case Spawn():
            task = asyncio.get_running_loop().create_task(_in_background_task(effect, session))
            running = session.runtime.background
            running.add(task)
            task.add_done_callback(running.discard)
            # A task that is cancelled before it has begun runs nothing that could say so.
            task.add_done_callback(lambda done: effect.abandon() if done.cancelled() else None)
        case _:
            raise TypeError(f"no driver performs {type(effect).__name__}")
    return None


async def _in_background_task(spawn: Spawn, session: Session) -> None:
    with log_background_errors():
        await adrive(spawn.make(), replace(session, policy=spawn.policy))


async def _take_items(items: AsyncIterator[T], count: int) -> list[T]:
    taken: list[T] = []
    while len(taken) < count:
        try:
            taken.append(await anext(items))
        except StopAsyncIteration:
            break
    return taken
