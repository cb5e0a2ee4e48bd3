"""Work on many items: few at once, in order, and nothing begins after an error."""

from __future__ import annotations

import asyncio

import pytest

from lark_provider.support.concurrency import map_few


def test_results_are_in_the_order_of_the_items_and_few_are_worked_on_at_once() -> None:
    running = most = 0

    async def work(item: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(item % 3):
            await asyncio.sleep(0)
        running -= 1
        return -item

    assert asyncio.run(map_few(work, range(50), 4)) == [-item for item in range(50)]
    assert most == 4
    assert asyncio.run(map_few(work, [], 4)) == []


def test_after_an_error_what_was_begun_goes_on_and_nothing_else_begins() -> None:
    begun, ended = list[int](), list[int]()

    async def run() -> None:
        others = asyncio.Event()

        async def work(item: int) -> None:
            begun.append(item)
            if item == 4:
                raise LookupError(item)
            if item > 0:
                await others.wait()
            ended.append(item)

        with pytest.raises(LookupError):
            await map_few(work, range(50), 4)
        others.set()
        await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})

    asyncio.run(run())
    assert begun == [*range(4 + 1)]
    assert sorted(ended) == [*range(4)]
