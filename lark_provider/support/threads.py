"""Threads for work that may hang indefinitely: the process does not wait for them when it ends.

The default executor of asyncio has few threads, so that a few tasks that wait for each other's work can fill
it and deadlock; and it waits for its threads at the end. So blocking work gets a thread of its own here.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


def start(work: Callable[[], T]) -> Future[T]:
    """Run work in a daemon thread of its own, in the caller's context.

    Args:
        work: A function that may block.

    Returns:
        A future with its result, or its error. Work is not cancelled when a waiter gives up.
    """
    future: Future[T] = Future()
    context = contextvars.copy_context()

    def run() -> None:
        try:
            result = context.run(work)
        except BaseException as error:  # noqa: BLE001 - the waiter gets it
            future.set_exception(error)
        else:
            future.set_result(result)

    future.set_running_or_notify_cancel()
    threading.Thread(target=run, name="lark-provider", daemon=True).start()
    return future


def run(work: Callable[[], T], seconds: float | None = None) -> Coroutine[Any, Any, T]:
    """Run work as `start` does; return a coroutine that waits for it without blocking the loop.

    Args:
        work: A function that may block.
        seconds: The timeout: after so many seconds `TimeoutError` is raised, even if the thread still runs.
    """
    import asyncio  # loaded by now; a process without a loop need not import it

    return asyncio.wait_for(asyncio.wrap_future(start(work)), seconds)
