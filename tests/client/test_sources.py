"""Sources of rows: who closes a generator, and when."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import AsyncLarkServiceClient, LarkServiceClient
from tests.client.bitable_table import BATCH, Table, table

__all__ = ["table"]  # a fixture

SECONDS = 30.0


class Source:
    """Rows from a generator that blocks in its second item until it may go on."""

    def __init__(self) -> None:
        self.blocks, self.may_go_on, self.is_closed = threading.Event(), threading.Event(), threading.Event()
        self.closed_by = 0

    def yield_rows(self) -> Iterator[dict[str, Any]]:
        try:
            yield {"No": "1"}
            self.blocks.set()
            assert self.may_go_on.wait(SECONDS)
            yield {"No": "2"}
            raise AssertionError("a cancelled write goes on reading")
        finally:
            self.closed_by = threading.get_ident()
            self.is_closed.set()


def test_a_cancelled_write_has_its_generator_closed_by_the_thread_that_reads(
    table: Table,
) -> None:
    source = Source()

    async def write() -> None:
        async with AsyncLarkServiceClient() as client:
            rows = source.yield_rows()
            task = asyncio.create_task(client.clouddoc.bitable.bulk_insert(*table, rows, chunk_size=2))
            await asyncio.to_thread(source.blocks.wait, SECONDS)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not source.is_closed.is_set()
            source.may_go_on.set()
            assert await asyncio.to_thread(source.is_closed.wait, SECONDS)

    asyncio.run(write())
    assert source.closed_by != threading.get_ident()


def test_an_error_of_a_generator_that_is_closed_is_raised(lark: Emulator, table: Table) -> None:
    def yield_rows() -> Iterator[dict[str, Any]]:
        try:
            while True:
                yield {"No": "1"}
        finally:
            raise ValueError("generator already executing")  # whatever its text, it is the source's own

    lark.fault(path=BATCH, status=400, code=1254045, msg="FieldNameNotFound")
    with LarkServiceClient() as client, pytest.raises(ValueError, match="already executing"):
        client.clouddoc.bitable.bulk_insert(*table, yield_rows(), chunk_size=2)
