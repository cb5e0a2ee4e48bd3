"""Do many things that wait for Airflow, as many at once as its client sends requests."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from lark_provider.bridge.airflow_api import AT_ONCE

T = TypeVar("T")


async def few_at_once(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Return the results of works, in their order; the first error is raised at once.

    Args:
        works: The works; each begins when it is its turn.
    """
    turns = asyncio.Semaphore(AT_ONCE)

    async def take_turn(work: Coroutine[Any, Any, T]) -> T:
        async with turns:
            return await work

    return await asyncio.gather(*map(take_turn, works))
