"""Do many things that wait for Airflow, a few of them at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def few_at_once(works: Iterable[Coroutine[Any, Any, T]], most: int) -> list[T]:
    """Return the results of works, in their order; the first error is raised at once.

    Args:
        works: The works; each begins when it is its turn.
        most: How many have a turn at the same time.
    """
    turns = asyncio.Semaphore(most)

    async def take_turn(work: Coroutine[Any, Any, T]) -> T:
        async with turns:
            return await work

    return await asyncio.gather(*map(take_turn, works))
