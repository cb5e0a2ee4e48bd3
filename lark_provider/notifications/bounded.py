"""A total time for everything: work that is cut off at its deadline, whatever it waits for."""

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


class Countdown:
    """The time that is left.

    Args:
        seconds: In all, from now.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds left; 0 when it is over."""
        return max(0.0, self._end - time.monotonic())


def repeats(seconds: float) -> int:
    """How often a call may be repeated: little, so that a Lark that is away is called away, not late.

    Args:
        seconds: How long everything may take; 3 repeats take up to 3.5.
    """
    return 3 if seconds > 5 else 1  # noqa: PLR2004 - said above


async def aside(call: Callable[[], T], seconds: float) -> T:
    """Make a blocking call beside the loop, and wait for it no longer than given.

    In a daemon thread of its own, not one of the loop's: those are waited for when the loop ends.

    Args:
        call: Blocks.
        seconds: How long it may take.

    Returns:
        Its result.

    Raises:
        TimeoutError: It took longer; what it still does, nobody hears of.
        Exception: What the call raised.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(how: Callable[[Any], None], what: Any) -> None:
        def unless_late() -> None:
            if not done.done():
                how(what)

        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(unless_late)

    def target() -> None:
        try:
            result = call()
        except Exception as error:  # noqa: BLE001 - it belongs to the one that waits
            settle(done.set_exception, error)
        except BaseException as error:  # noqa: BLE001 - as in `run`
            settle(done.set_exception, RuntimeError(f"{type(error).__name__} {error}"))
        else:
            settle(done.set_result, result)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(target,), name="lark-notifier-aside", daemon=True).start()
    return await asyncio.wait_for(done, seconds)


def run(work: Callable[[], Coroutine[Any, Any, T]], seconds: float) -> T:
    """Run a coroutine in a thread and a loop of its own, and wait for it no longer than given.

    A loop, since what waits in it can be cancelled: a blocking request would go on after its deadline. A
    thread besides, since a secrets backend or a name server may block the loop itself. It is a daemon: the
    process need not wait for it.

    Args:
        work: Makes the coroutine.
        seconds: How long it may take; it is waited for a quarter of a second longer, so that its own word on
            why it is late is heard.

    Returns:
        Its result.

    Raises:
        TimeoutError: It took longer.
        Exception: What the coroutine raised.
    """
    results: list[T] = []
    errors: list[Exception] = []

    async def bounded() -> None:
        async with asyncio.timeout(seconds + _GRACE):
            results.append(await work())

    def target() -> None:
        try:
            asyncio.run(bounded())
        except Exception as error:  # noqa: BLE001 - it belongs to the thread that waits
            errors.append(error)
        except BaseException as error:  # noqa: BLE001 - not a signal for us: those reach the main thread
            errors.append(RuntimeError(f"{type(error).__name__} {error}"))

    context = contextvars.copy_context()  # what is bound to log lines here belongs to those there, too
    thread = threading.Thread(target=context.run, args=(target,), name="lark-notifier", daemon=True)
    thread.start()
    thread.join(seconds + 2.5 * _GRACE)
    if results:
        return results[0]
    raise errors[0] if errors else TimeoutError
