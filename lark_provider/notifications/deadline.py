"""One deadline for everything: work that ends at its deadline, whatever it waits for."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")
_GRACE = 0.1
_THREE_RETRIES_FROM = 5.0  # seconds; three retries with their backoff take up to 3.5


class Deadline:
    """Measure the time that is left.

    Args:
        seconds: The time for everything, in seconds from now.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def compute_remaining(self) -> float:
        """Return the seconds left; 0 after the deadline."""
        return max(0.0, self._end - time.monotonic())


class CommitGate:
    """Decide between a thread that commits and its caller that gives up: whichever comes first."""

    def __init__(self) -> None:
        self._first = threading.Lock()  # Taken once, and never released.

    def begin_commit(self) -> None:
        """Claim the right to commit, in the thread.

        Raises:
            TimeoutError: The caller has given up.
        """
        if not self._first.acquire(blocking=False):
            raise TimeoutError("the caller has given up")

    def give_up(self) -> bool:
        """Return whether the thread will not commit, in the caller; if it returns False, it commits now."""
        return self._first.acquire(blocking=False)


def choose_max_retries(seconds: float) -> int:
    """Return how many retries a call gets: few, so that an unavailable Lark is reported in time.

    Args:
        seconds: How long everything may take.
    """
    return 3 if seconds > _THREE_RETRIES_FROM else 1


async def call_in_thread(call: Callable[[], T], seconds: float) -> T:
    """Run a blocking call in a thread, and wait for it no longer than given.

    The thread is a daemon of its own, not one of the loop's executor, which a loop joins when it ends.

    Args:
        call: Blocks.
        seconds: How long it may take.

    Returns:
        Its result.

    Raises:
        TimeoutError: It took longer; its later result is dropped.
        Exception: What the call raised.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(set_outcome: Callable[[Any], None], outcome: Any) -> None:
        def set_unless_late() -> None:
            if not done.done():
                set_outcome(outcome)

        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(set_unless_late)

    def run_call() -> None:
        try:
            result = call()
        except Exception as error:  # noqa: BLE001 - raised in the coroutine that waits
            settle(done.set_exception, error)
        except BaseException as error:  # noqa: BLE001 - no signal is lost: signals reach the main thread
            settle(done.set_exception, RuntimeError(f"{type(error).__name__} {error}"))
        else:
            settle(done.set_result, result)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run_call,), name="lark-notifier-call", daemon=True).start()
    return await asyncio.wait_for(done, seconds)


def run(work: Callable[[], Coroutine[Any, Any, T]], seconds: float) -> T:
    """Run a coroutine in a thread and a loop of its own, and wait for it no longer than given.

    A loop, since what waits in it can be cancelled: a blocking request would continue after its deadline. A
    thread in addition, since a secrets backend or a name server may block the loop itself. The thread is a
    daemon, so that the process does not wait for it.

    Args:
        work: Makes the coroutine.
        seconds: How long it may take; the caller waits a quarter of a second longer, so that the coroutine's
            own error, which says why it is late, arrives.

    Returns:
        Its result.

    Raises:
        TimeoutError: It took longer.
        Exception: What the coroutine raised.
    """
    results: list[T] = []
    errors: list[Exception] = []

    async def run_bounded() -> None:
        async with asyncio.timeout(seconds + _GRACE):
            results.append(await work())

    def run_loop() -> None:
        try:
            asyncio.run(run_bounded())
        except Exception as error:  # noqa: BLE001 - raised in the thread that waits
            errors.append(error)
        except BaseException as error:  # noqa: BLE001 - no signal is lost: signals reach the main thread
            errors.append(RuntimeError(f"{type(error).__name__} {error}"))

    context = contextvars.copy_context()  # what is bound to log lines here is bound to those there, too
    thread = threading.Thread(target=context.run, args=(run_loop,), name="lark-notifier", daemon=True)
    thread.start()
    thread.join(seconds + 2.5 * _GRACE)
    if results:
        return results[0]
    raise errors[0] if errors else TimeoutError
