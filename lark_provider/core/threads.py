"""Threads for what may hang for ever: nobody waits for them at the process's end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def start(work: Callable[[], T]) -> Future[T]:
    """Run work in a daemon thread of its own.

    Args:
        work: What may block.

    Returns:
        Its result, or what it raised. A waiter who gives up does not cancel it.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - it belongs to who waits
            future.set_exception(error)
        else:
            future.set_result(result)

    future.set_running_or_notify_cancel()
    threading.Thread(target=run, name="lark-provider", daemon=True).start()
    return future
