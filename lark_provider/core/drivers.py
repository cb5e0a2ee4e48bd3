"""The two drivers: they do the I/O that is asked for, one in a thread, one in an event loop."""

from __future__ import annotations

import asyncio
import copy
import itertools
import logging
import threading
import time
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import httpx

from lark_provider.core import files, threads, transport
from lark_provider.core.io import InThread, Io, Served, WaitFor
from lark_provider.core.session import Session
from lark_provider.core.tokens import Flight
from lark_provider.protocol.calls import Lost, ReadFile, Response, Send, Sleep, Take
from lark_provider.protocol.errors import InvalidRequestError

T = TypeVar("T")
logger = logging.getLogger("lark_provider")


def drive(served: Served[T], session: Session) -> T:
    """Perform an operation in the calling thread.

    Args:
        served: What `serve` returned.
        session: Of the same client.

    Returns:
        The operation's result.
    """
    answer: Any = None
    error: Exception | None = None
    try:
        while True:
            io = served.send(answer) if error is None else served.throw(error)
            answer = error = None
            try:
                answer = _perform(io, session)
            except Exception as caught:  # noqa: BLE001 - the operation decides
                error = caught
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        served.close()


def _perform(io: Io, session: Session) -> Any:
    match io:
        case Send():
            client = session.http_client or transport.pool(session.wire)
            assert isinstance(client, httpx.Client)  # noqa: S101 - the client's constructor sees to it
            started = time.perf_counter()
            try:
                request = transport.prepare(client, io, session)
                answer: Response | Lost = transport.exchange(client, request, io.call.save_to)
            except httpx.RequestError as error:
                answer = transport.lost(error)
            except transport.NO_HOST as error:
                raise transport.no_host(error, session) from None
            return _logged(io, answer, started)
        case Sleep(seconds):
            return time.sleep(seconds)
        case Take(stream, count):
            if isinstance(stream.iterator, AsyncIterator):
                raise InvalidRequestError(
                    "The records are an asynchronous iterable. Next: use AsyncLarkServiceClient, or pass a "
                    "list or a generator."
                )
            return list(itertools.islice(stream.iterator, count))
        case ReadFile():
            return files.load(io)
        case WaitFor(flight):
            return _wait(flight, session.timeout)
        case InThread(work, seconds):
            return threads.start(work).result(seconds)


def _wait(flight: Flight, timeout: float) -> str | None:
    if flight.thread == threading.get_ident():
        return None  # the fetch belongs to a task of this very thread, which cannot go on while we wait
    try:
        return flight.future.result(timeout)
    except TimeoutError:
        return None
    except Exception as error:
        raise copy.copy(error) from error  # each waiter raises its own, with its own traceback


async def adrive(served: Served[T], session: Session) -> T:
    """Perform an operation in the running event loop, which is never blocked.

    Args:
        served: What `serve` returned.
        session: Of the same client.

    Returns:
        The operation's result.
    """
    answer: Any = None
    error: Exception | None = None
    try:
        while True:
            io = served.send(answer) if error is None else served.throw(error)
            answer = error = None
            try:
                answer = await _aperform(io, session)
            except Exception as caught:  # noqa: BLE001 - the operation decides
                error = caught
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        served.close()


async def _aperform(io: Io, session: Session) -> Any:
    match io:
        case Send():
            client = session.http_client or await transport.loop_pool(session.wire)
            assert isinstance(client, httpx.AsyncClient)  # noqa: S101 - the client's constructor sees to it
            started = time.perf_counter()
            try:
                request = transport.prepare(client, io, session)
                answer: Response | Lost = await transport.aexchange(client, request, io.call.save_to)
            except httpx.RequestError as error:
                answer = transport.lost(error)
            except transport.NO_HOST as error:
                raise transport.no_host(error, session) from None
            return _logged(io, answer, started)
        case Sleep(seconds):
            return await asyncio.sleep(seconds)
        case Take(stream, count):
            if isinstance(stream.iterator, AsyncIterator):
                return await _next_items(stream.iterator, count)
            if isinstance(stream.source, list | tuple):
                return list(itertools.islice(stream.iterator, count))
            # A generator may block; one bound to its thread, such as a database cursor, has to be a list.
            return await asyncio.to_thread(lambda: list(itertools.islice(stream.iterator, count)))
        case ReadFile():
            return await asyncio.to_thread(files.load, io)
        case WaitFor(flight):
            return await _await(flight, session.timeout)
        case InThread(work, seconds):
            return await asyncio.wait_for(asyncio.wrap_future(threads.start(work)), seconds)


async def _await(flight: Flight, timeout: float) -> str | None:  # noqa: ASYNC109 - the same bound as the sync one
    # Shielded: a waiter that is cancelled must not take the flight from the others.
    try:
        return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(flight.future)), timeout)
    except TimeoutError:
        return None
    except Exception as error:
        raise copy.copy(error) from error


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
    logger.debug("%s → %s in %.0f ms", send.call.name, outcome, 1000 * (time.perf_counter() - started))
    return answer
