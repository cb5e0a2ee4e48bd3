"""Run the user's optional handler that answers clicks at the gateway, so that it cannot block the gateway."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeAlias

from lark_provider.protocol.callbacks import CardClick
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.support import threads
from lark_provider.support.futures import consume_exception

ClickHandler: TypeAlias = Callable[[CardClick], Any]
"""Takes a click and returns an answer's body, or None; a function, or a coroutine function."""
_MAX_THREADS = 32
_free = threading.BoundedSemaphore(_MAX_THREADS)


class HandlerBusyError(Exception):
    """The limit of concurrent handler calls is reached."""


class HandlerExitError(Exception):
    """A handler has tried to end the process."""


def load(handler: str | ClickHandler) -> ClickHandler:
    """Find the handler.

    Args:
        handler: A function, or where to import it from: `package.module.function`.

    Raises:
        ConfigurationError: It cannot be imported, or called.
    """
    function: Any = handler
    if isinstance(handler, str):
        module, _, name = handler.rpartition(".")
        try:
            function = getattr(import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise ConfigurationError(
                f"The handler must be importable, got {handler!r}: {error}. Next: write "
                "package.module.function."
            ) from error
    if not callable(function):
        raise ConfigurationError(
            f"The handler must be callable, got {function!r}. Next: name a function that takes a click."
        )
    return function  # type: ignore[no-any-return]  # what it returns is checked with each answer


async def run(handler: ClickHandler, click: CardClick, seconds: float) -> object:
    """Call the handler: a coroutine function on this loop, anything else in a thread of its own.

    Args:
        handler: The handler, as `load` returned it.
        click: The click.
        seconds: The timeout, in seconds. It holds even for a handler that ignores cancellation.

    Returns:
        What it returned.

    Raises:
        TimeoutError: It has not returned in time; its thread continues.
        HandlerBusyError: Too many threads of earlier calls are still running.
        HandlerExitError: The handler raised SystemExit.
        Exception: What else the handler raised.
    """
    if inspect.iscoroutinefunction(handler):
        return await _wait_at_most(asyncio.ensure_future(_obtain_result(handler(click))), seconds)
    if not _free.acquire(blocking=False):
        raise HandlerBusyError(
            f"{_MAX_THREADS} calls of the handler are still running. Next: make it faster."
        )
    try:
        running = threads.start(lambda: handler(click))
    except RuntimeError:  # No thread can be started just now.
        _free.release()
        raise
    running.add_done_callback(lambda _: _free.release())
    return await _wait_at_most(asyncio.ensure_future(_obtain_result(asyncio.wrap_future(running))), seconds)


async def _obtain_result(result: object) -> object:
    """Return what a handler returns in the end: any function may return a coroutine.

    Raises:
        HandlerExitError: The handler raised SystemExit, which would end the event loop, and so the gateway.
        Exception: What else the handler raised.
    """
    try:
        while inspect.isawaitable(result):
            result = await result
    except SystemExit as error:
        raise HandlerExitError(
            f"The handler exited with {error.code!r}, as argparse does for wrong arguments. Next: answer "
            "with a toast, or raise another error."
        ) from error
    return result


async def _wait_at_most(future: asyncio.Future[Any], seconds: float) -> Any:
    """Wait with a timeout, but not for the cancellation, which a handler may ignore."""
    done, _ = await asyncio.wait({future}, timeout=max(0.0, seconds))
    if not done:
        future.cancel()
        future.add_done_callback(consume_exception)
        raise TimeoutError
    return future.result()
