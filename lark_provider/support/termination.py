"""Terminate a service: the first SIGTERM or SIGINT drains it, the second one ends it at once.

A command that has started others cleans up at SIGTERM.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def on_termination(drain: Callable[[], object]) -> Iterator[None]:
    """Call a function at the first SIGTERM or SIGINT while the body runs; the second one kills the process.

    Python handles signals in the main thread alone; in another one, the body just runs.

    Args:
        drain: Begins to drain the service. It is called in a signal handler, so it must neither block nor
            take a lock that the main thread may hold.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(*_: object) -> None:
        end_at_once_next_time()
        drain()

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def exit_on_sigterm() -> Iterator[Callable[[], None]]:
    """Raise SystemExit at SIGTERM while the body runs: it cleans up as on Ctrl-C. For the main thread.

    Yields:
        A function that raises it again if SIGTERM has come. To be called between steps, since what a signal
        handler raises may be lost: Python's compiler, for one, drops it during an import.
    """
    received: list[int] = []

    def exit_if_signalled() -> None:
        if received:
            sys.exit(128 + received[0])

    def handle(number: int, _frame: object) -> None:
        received.append(number)
        exit_if_signalled()

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield exit_if_signalled
    finally:
        signal.signal(signal.SIGTERM, before)


def end_at_once_next_time() -> None:
    """Let the next SIGTERM or SIGINT end the process, as if nothing handled it. In the main thread."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
