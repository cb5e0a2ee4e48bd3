"""PostgreSQL stops, freezes and comes back under a stream of messages: none fails, with one warning."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable

import pytest
from lark_emulator import Emulator

from lark_provider import AsyncLarkServiceClient, LarkServiceClient
from lark_provider.engine import credentials
from lark_provider.storage.applications import ApplicationManager
from lark_provider.storage.crypto import KEY_VARIABLE, generate_key
from tests.client.conftest import messages
from tests.failures import work
from tests.failures.crowd import Crowd
from tests.failures.stream import Stream, warnings
from tests.failures.waiting import wait_until
from tests.services.postgres import OwnPostgres


@pytest.mark.parametrize("how", ["stop", "kill", "pause"])
def test_a_stream_of_messages_goes_on(
    lark: Emulator,
    fetched: Callable[[], int],
    server: OwnPostgres,
    how: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stream = Stream()
    with stream.running():
        stream.wait_for_more()
        assert fetched() == 1
        getattr(server, how)()
        for _ in range(3):
            stream.wait_for_more()
        assert fetched() > 1
        assert len(warnings(caplog)) == 1
        (server.resume if how == "pause" else server.start)()
        stream.until_used_again(fetched)
    assert stream.failed == []
    [warning] = warnings(caplog)
    assert "Next: check that it runs" in warning
    assert len(messages(lark)) == stream.sent


def test_the_registry_may_be_unavailable_too(
    lark: Emulator,
    fetched: Callable[[], int],
    server: OwnPostgres,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, generate_key())
    monkeypatch.setenv("LARK_REGISTRY_PATH", server.url)
    ApplicationManager().create_application(lark.app_id, lark.app_secret)
    monkeypatch.setattr(credentials, "CACHE_SECONDS", 0.0)
    stream = Stream()
    with stream.running():
        stream.wait_for_more()
        server.stop()
        stream.wait_for_more()
        stream.wait_for_more()
    assert stream.failed == []
    assert len(warnings(caplog)) == 1  # though registry and tokens are both unavailable


def test_registry_and_tokens_in_one_frozen_database_are_waited_for_once(
    lark: Emulator, fetched: Callable[[], int], server: OwnPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARK_REGISTRY_PATH", server.url)
    server.pause()
    LarkServiceClient(timeout=2.0).call("GET", "/im/v1/chats")
    asking = [thread for thread in threading.enumerate() if thread.name == "lark-provider"]
    server.resume()
    assert len(asking) == 1
    for thread in asking:
        thread.join()


def test_an_event_loop_is_not_blocked_by_a_frozen_database(
    lark: Emulator, fetched: Callable[[], int], server: OwnPostgres
) -> None:
    async def ticks_meanwhile() -> int:
        ticks = 0
        client = AsyncLarkServiceClient(timeout=4.0)
        call = asyncio.create_task(client.call("GET", "/im/v1/chats"))
        while not call.done():
            await asyncio.sleep(0.01)
            ticks += 1
        await call
        return ticks

    asyncio.run(ticks_meanwhile())
    work.forget()
    server.pause()
    assert asyncio.run(ticks_meanwhile()) > 20
    assert fetched() == 2
    server.resume()


def test_a_frozen_database_keeps_no_process_from_ending(
    lark: Emulator, fetched: Callable[[], int], server: OwnPostgres
) -> None:
    with Crowd(2) as crowd:
        asked_before, never = crowd.pids
        assert crowd.one(asked_before, work.call).error == ""
        assert crowd.one(asked_before, work.forget).error == ""
        server.pause()
        for pid in (asked_before, never):
            outcome = crowd.one(pid, work.call, 4.0)
            assert outcome.error == ""
            assert len(outcome.warnings) == 1
            assert crowd.one(pid, work.threads).value > 1  # the one that asks still hangs
        crowd.leave()
    server.resume()


def test_a_process_that_can_start_no_thread_goes_on(
    lark: Emulator, fetched: Callable[[], int], server: OwnPostgres
) -> None:
    with Crowd(1) as crowd:
        [outcome] = crowd.all(work.call_without_threads)
    assert (outcome.value, outcome.error) == (0, "")
    [warning] = outcome.warnings
    assert "can't start new thread" in warning


def test_a_fork_in_the_middle_of_a_question_does_not_hang_the_child(
    lark: Emulator, fetched: Callable[[], int], server: OwnPostgres
) -> None:
    server.pause()
    asking = threading.Thread(target=LarkServiceClient(timeout=6.0).call, args=("GET", "/im/v1/chats"))
    asking.start()
    wait_until(lambda: any(thread.name == "lark-provider" for thread in threading.enumerate()))
    child = os.fork()
    if child == 0:
        try:
            work.call(6.0)
        except BaseException:  # noqa: BLE001 - a child must not run the parent's tests
            os._exit(1)
        os._exit(0)
    server.resume()
    asking.join()
    assert os.waitpid(child, 0)[1] == 0
