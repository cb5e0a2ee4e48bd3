"""The optional code of the user's that answers clicks at the gateway, kept from holding the gateway up."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeAlias

from lark_provider.callbacks.sinks import forget
from lark_provider.core import threads
from lark_provider.protocol.callbacks import CardClick
from lark_provider.protocol.errors import ConfigurationError

ClickHandler: TypeAlias = Callable[[CardClick], Any]
"""Takes a click and returns an answer's body, or None; a function, or a coroutine function."""
_MAX_THREADS = 32
_free = threading.BoundedSemaphore(_MAX_THREADS)


class HandlerBusyError(Exception):
    """As many calls of the handler as there may be are still running."""


def load(handler: str | ClickHandler) -> ClickHandler:
    """Find the handler.

    Args:
        handler: A function, or where to import it from: `package.module.function`.

    Raises:
        ConfigurationError: It cannot be imported, or called.
    """
    found: Any = handler
    if isinstance(handler, str):
        module, _, name = handler.rpartition(".")
        try:
            found = getattr(import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise ConfigurationError(
                f"The handler {handler!r} cannot be imported: {error}. Next: write package.module.function."
            ) from error
    if not callable(found):
        raise ConfigurationError(f"The handler is {found!r}. Next: name a function that takes a click.")
    return found  # type: ignore[no-any-return]  # what it returns is checked with each answer


async def run(handler: ClickHandler, click: CardClick, timeout: float) -> object:  # noqa: ASYNC109 - see below
    """Call the handler: a coroutine function on this loop, anything else in a thread of its own.

    Args:
        handler: As `load` returned it.
        click: The click.
        timeout: Seconds. They hold even for a handler that does not let itself be cancelled.

    Returns:
        What it returned.

    Raises:
        TimeoutError: It has not come back in time; a thread then runs on.
        HandlerBusyError: Too many threads run on.
        Exception: What the handler raised.
    """
    if inspect.iscoroutinefunction(handler):
        return await _in_time(asyncio.ensure_future(handler(click)), timeout)
    if not _free.acquire(blocking=False):
        raise HandlerBusyError(f"{_MAX_THREADS} calls of it have not come back")
    running = threads.start(lambda: handler(click))
    running.add_done_callback(lambda _: _free.release())
    return await _in_time(asyncio.wrap_future(running), timeout)


async def _in_time(future: asyncio.Future[Any], seconds: float) -> Any:
    """Wait without waiting for the cancellation, which a handler may refuse."""
    done, _ = await asyncio.wait({future}, timeout=max(0.0, seconds))
    if not done:
        future.cancel()
        future.add_done_callback(forget)
        raise TimeoutError
    return future.result()
