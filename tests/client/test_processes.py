"""Threads, tasks, forks and loops: one pool, one token request, no deadlock."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import AsyncLarkServiceClient, LarkServiceClient
from lark_provider.engine.runtime import PROCESS
from lark_provider.errors import InvalidRequestError
from tests.client.conftest import CHAT, TOKENS, count, messages
from tests.failures.waiting import wait_until


@pytest.fixture(autouse=True)
def _no_limits(lark: Emulator) -> None:
    lark.settings(rate_limits=False)


def test_cold_threads_fetch_one_token(lark: Emulator) -> None:
    lark.fault(path="*/tenant_access_token/internal", delay_ms=100)
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda _: LarkServiceClient().messaging.send_text(CHAT, "x"), range(16)))
    assert (count(lark, TOKENS), len(messages(lark))) == (1, 16)


def test_cold_tasks_fetch_one_token(lark: Emulator) -> None:
    lark.fault(path="*/tenant_access_token/internal", delay_ms=100)

    async def all_at_once() -> None:
        await asyncio.gather(*(AsyncLarkServiceClient().messaging.send_text(CHAT, "x") for _ in range(16)))

    asyncio.run(all_at_once())
    assert (count(lark, TOKENS), len(messages(lark))) == (1, 16)


def test_threads_and_tasks_share_a_fetch(lark: Emulator) -> None:
    lark.fault(path="*/tenant_access_token/internal", delay_ms=100)

    async def together() -> None:
        loop = asyncio.get_running_loop()
        threads = [
            loop.run_in_executor(None, LarkServiceClient().messaging.send_text, CHAT, "x") for _ in range(3)
        ]
        tasks = [AsyncLarkServiceClient().messaging.send_text(CHAT, "x") for _ in range(3)]
        await asyncio.gather(*threads, *tasks)

    asyncio.run(together())
    assert count(lark, TOKENS) == 1


def test_a_task_that_is_cancelled_while_it_fetches_hands_the_fetch_on(lark: Emulator) -> None:
    lark.fault(path="*/tenant_access_token/internal", delay_ms=300)

    async def cancel_the_first() -> None:
        first = asyncio.create_task(AsyncLarkServiceClient().call("GET", "/im/v1/chats"))
        await _until_asked_for_a_token(lark)
        others = [asyncio.create_task(AsyncLarkServiceClient().call("GET", "/im/v1/chats")) for _ in range(3)]
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        await asyncio.gather(*others)

    asyncio.run(cancel_the_first())
    assert count(lark, TOKENS) == 2


def test_a_sync_call_inside_a_loop_that_is_fetching_does_not_hang(lark: Emulator) -> None:
    lark.fault(path="*/tenant_access_token/internal", delay_ms=200)

    async def call_and_exit() -> None:
        task = asyncio.create_task(AsyncLarkServiceClient().call("GET", "/im/v1/chats"))
        await _until_asked_for_a_token(lark)
        LarkServiceClient().call("GET", "/im/v1/chats")
        await task

    asyncio.run(asyncio.wait_for(call_and_exit(), 5))


def test_a_client_per_request_costs_no_connection_and_no_token(lark: Emulator) -> None:
    for _ in range(20):
        with LarkServiceClient() as client:
            client.messaging.send_text(CHAT, "x")

    async def the_same() -> None:
        for _ in range(20):
            async with AsyncLarkServiceClient() as client:
                await client.messaging.send_text(CHAT, "x")

    before = lark.state(summary=True)["connections"]
    assert (count(lark, TOKENS), before) == (1, 1)
    asyncio.run(the_same())
    assert (count(lark, TOKENS), lark.state(summary=True)["connections"]) == (1, 2)


def test_one_async_client_serves_one_loop_after_another(lark: Emulator) -> None:
    client = AsyncLarkServiceClient()
    for _ in range(3):
        asyncio.run(_send_and_forget(client))
    gc.collect()  # a connection left open would warn here, and warnings are errors
    assert len(messages(lark)) == 3


async def _send_and_forget(client: AsyncLarkServiceClient) -> None:
    await client.messaging.send_text(CHAT, "x")


def test_a_forked_child_leaves_its_parents_connections_alone(lark: Emulator) -> None:
    client = LarkServiceClient()
    client.messaging.send_text(CHAT, "parent")
    child = os.fork()
    if child == 0:
        try:
            client.messaging.send_text(CHAT, "child")
            LarkServiceClient().messaging.send_text(CHAT, "child")
        except BaseException:  # noqa: BLE001 - a child must not run the parent's tests
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0
    client.messaging.send_text(CHAT, "parent")
    assert [message["content"]["text"] for message in messages(lark)] == [
        "parent",
        "child",
        "child",
        "parent",
    ]
    assert (count(lark, TOKENS), lark.state(summary=True)["connections"]) == (1, 2)


def test_a_fork_in_the_middle_of_a_fetch_does_not_hang_the_child(lark: Emulator) -> None:
    lark.fault(path="*/tenant_access_token/internal", delay_ms=500)
    sender = threading.Thread(target=LarkServiceClient().messaging.send_text, args=(CHAT, "parent"))
    sender.start()
    while count(lark, TOKENS) == 0:
        threading.Event().wait(0.01)
    child = os.fork()
    if child == 0:
        try:
            LarkServiceClient(timeout=5).messaging.send_text(CHAT, "child")
        except BaseException:  # noqa: BLE001 - same reason as the line before
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    sender.join()
    assert status == 0
    assert len(messages(lark)) == 2


def test_making_a_client_touches_nothing(lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LARK_APP_ID", "LARK_APP_SECRET", "LARK_BASE_URL"):
        monkeypatch.delenv(name)
    LarkServiceClient("cli_your_app_id")
    AsyncLarkServiceClient("cli_airflow_app")
    assert lark.state(summary=True)["connections"] == 0


async def _until_asked_for_a_token(lark: Emulator) -> None:
    while count(lark, TOKENS) == 0:  # noqa: ASYNC110 - the emulator is another thread's
        await asyncio.sleep(0.01)


def test_a_wrong_argument_is_raised_where_the_coroutine_is_awaited(lark: Emulator) -> None:
    async def three() -> Any:
        send = AsyncLarkServiceClient().messaging.send_text
        return await asyncio.gather(*(send(to, "x") for to in (CHAT, "", CHAT)), return_exceptions=True)

    results = asyncio.run(three())
    assert [isinstance(result, InvalidRequestError) for result in results] == [False, True, False]
    assert len(messages(lark)) == 2


def test_loops_closed_without_ceremony_leave_nothing_behind(lark: Emulator) -> None:
    client = AsyncLarkServiceClient()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ResourceWarning
        )  # of the connections, which nobody can close any more
        for _ in range(5):
            loop = asyncio.new_event_loop()
            loop.run_until_complete(client.messaging.send_text(CHAT, "x"))
            loop.close()
        asyncio.run(_send_and_forget(client))
        gc.collect()
    assert len(PROCESS.pools._of_loops) <= 1


@pytest.mark.parametrize("lock", ["tokens", "memory"])
def test_a_lock_held_while_forking_does_not_hang_the_child(lark: Emulator, lock: str) -> None:
    held: Any = {"tokens": PROCESS.tokens._lock, "memory": PROCESS.answers._lock}[lock]
    with held:
        child = os.fork()
        if child == 0:
            signal.alarm(10)
            try:
                LarkServiceClient().messaging.send_text(CHAT, "child")
                PROCESS.answers.put(("k",), (0.0, 1))
            except BaseException:  # noqa: BLE001 - same reason as the line before
                os._exit(1)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0


def test_a_stale_token_is_used_on_while_lark_fails(lark: Emulator) -> None:
    clock = [1_000_000.0]
    client = LarkServiceClient()
    client._session.clock = lambda: clock[0]
    client.messaging.send_text(CHAT, "fresh")
    clock[0] += 7200 - 600
    lark.fault(path="*/tenant_access_token/internal", status=502, body="<html>", times=9)
    client.messaging.send_text(CHAT, "stale")
    wait_until(lambda: count(lark, TOKENS) == 2)  # it is renewed in the background
