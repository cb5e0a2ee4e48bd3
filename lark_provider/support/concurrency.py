"""Work on many items, a few at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

A = TypeVar("A")
T = TypeVar("T")


async def map_few(work: Callable[[A], Awaitable[T]], items: Iterable[A], at_once: int) -> list[T]:
    """Work on each item, and return the results in the order of the items.

    The first error is raised at once. Work on other items that has begun goes on, and no further item is
    begun, so that a server that is unavailable gets no more requests.

    Args:
        work: Works on an item; begins when it is the item's turn.
        items: The items.
        at_once: How many items are worked on at a time.
    """
    waiting, results = deque(enumerate(items)), dict[int, T]()

    async def take_turns() -> None:
        while waiting:
            number, item = waiting.popleft()
            results[number] = await work(item)

    try:
        await asyncio.gather(*(take_turns() for _ in range(at_once)))
    finally:
        waiting.clear()
    return [results[number] for number in sorted(results)]
