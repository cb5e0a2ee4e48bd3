"""Work that waits for Airflow: few at once, in order, and nothing begins after an error."""

from __future__ import annotations

import asyncio

import pytest

from lark_provider.bridge.airflow_api import AT_ONCE
from lark_provider.bridge.at_once import few_at_once


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

    assert asyncio.run(few_at_once(work, range(50))) == [-item for item in range(50)]
    assert most == AT_ONCE
    assert asyncio.run(few_at_once(work, [])) == []


def test_after_an_error_what_was_begun_goes_on_and_nothing_else_begins() -> None:
    begun, ended = list[int](), list[int]()

    async def run() -> None:
        others = asyncio.Event()

        async def work(item: int) -> None:
            begun.append(item)
            if item == AT_ONCE:
                raise LookupError(item)
            if item > 0:
                await others.wait()
            ended.append(item)

        with pytest.raises(LookupError):
            await few_at_once(work, range(50))
        others.set()
        await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})

    asyncio.run(run())
    assert begun == [*range(AT_ONCE + 1)]
    assert sorted(ended) == [*range(AT_ONCE)]
