"""Threads for what may hang indefinitely: the end of the process waits for none of them.

The default executor of asyncio has few threads, and waits for them at the end: a few tasks that wait for each
other's work fill it, and stop. So blocking work gets a thread of its own here.
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
        work: What may block.

    Returns:
        Its result, or what it raised. A waiter who gives up does not cancel it.
    """
    future: Future[T] = Future()
    context = contextvars.copy_context()

    def run() -> None:
        try:
            result = context.run(work)
        except BaseException as error:  # noqa: BLE001 - it belongs to who waits
            future.set_exception(error)
        else:
            future.set_result(result)

    future.set_running_or_notify_cancel()
    threading.Thread(target=run, name="lark-provider", daemon=True).start()
    return future


def run(work: Callable[[], T], seconds: float | None = None) -> Coroutine[Any, Any, T]:
    """Run work as `start` does; what is returned waits for it without blocking the loop.

    Args:
        work: What may block.
        seconds: After these a `TimeoutError` is raised, whatever the thread still does.
    """
    import asyncio  # loaded by now; a process without a loop does without it

    return asyncio.wait_for(asyncio.wrap_future(start(work)), seconds)
