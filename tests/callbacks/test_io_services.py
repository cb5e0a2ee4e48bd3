"""What pika awaits, and gives up."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from lark_provider.callbacks.broker.amqp import read_broker
from lark_provider.callbacks.broker.io_services import Pending
from lark_provider.callbacks.broker.link import open_channel
from tests.callbacks import mq
from tests.services.processes import HOST


@pytest.mark.parametrize("outcome", [["an address"], socket.gaierror("no name")])
def test_what_is_cancelled_reports_nothing_even_if_its_result_is_there(outcome: Any) -> None:
    reported: list[Any] = []

    async def cancel() -> list[bool]:
        future = asyncio.get_running_loop().create_future()
        pending = Pending(future, reported.append)
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)  # and the callback is scheduled
        cancelled = [pending.cancel(), pending.cancel()]
        await asyncio.sleep(0)
        if isinstance(outcome, Exception):
            assert future.exception() is outcome  # as nothing has retrieved it
        return cancelled

    assert asyncio.run(cancel()) == [True, False]
    assert reported == []


def test_what_is_done_is_reported_once() -> None:
    reported: list[Any] = []

    async def finish() -> bool:
        future = asyncio.get_running_loop().create_future()
        pending = Pending(future, reported.append)
        future.set_result("an address")
        await asyncio.sleep(0)
        return pending.cancel()

    assert asyncio.run(finish()) is False
    assert reported == ["an address"]


def test_a_connection_that_is_given_up_as_its_host_is_found_does_not_begin_once_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begin = Pending.__init__

    async def enter(port: int) -> None:
        async with open_channel(read_broker(f"amqp://guest:guest@{HOST}:{port}/%2F", {})):
            pass

    async def give_up() -> None:
        with socket.create_server((HOST, 0)) as listening:  # nothing answers there
            connecting = asyncio.ensure_future(enter(listening.getsockname()[1]))

            def connect_and_cancel(self: Pending, awaited: Any, on_done: Any) -> None:
                result = asyncio.get_running_loop().create_future()

                def cancel_and_answer(future: asyncio.Future[Any]) -> None:
                    connecting.cancel()  # takes effect before what `set_result` schedules
                    result.set_result(future.result())

                asyncio.ensure_future(awaited).add_done_callback(cancel_and_answer)
                begin(self, result, on_done)

            monkeypatch.setattr(Pending, "__init__", connect_and_cancel)
            await asyncio.wait({connecting})
            for _ in range(20):  # turns of the event loop, in which a second attempt would run
                await asyncio.sleep(0.001)
            assert connecting.cancelled()

    mq.run(give_up())
