"""Handle futures that nothing waits for any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio


def consume_exception(done: asyncio.Future[Any]) -> None:
    """Retrieve the exception of an abandoned future, so that asyncio does not report it as unhandled.

    Args:
        done: The future, as `add_done_callback` passes it.
    """
    if not done.cancelled():
        done.exception()
