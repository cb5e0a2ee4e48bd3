"""A long-lived client: the token that it has in memory is used for as long as it is fresh."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import AsyncLarkServiceClient, LarkServiceClient
from lark_provider.engine.token_cache import AwaitToken, UseToken
from lark_provider.errors import DeadlineExceededError
from tests.client.conftest import TOKENS, count
from tests.client.raw_server import TOKEN, Seen, http, raw_server
from tests.failures.waiting import wait_until
from tests.runtimes import own_tokens

CHATS = "GET /open-apis/im/v1/chats"


@dataclass(frozen=True)
class SlowTokens:
    """A Lark that takes a second for a token; whether one was asked for."""

    url: str
    requested: threading.Event


@pytest.fixture
def slow_tokens() -> Iterator[SlowTokens]:
    requested, ended = threading.Event(), threading.Event()

    def answer(seen: Seen) -> bytes:
        if "tenant_access_token" not in seen.path:
            return http({"code": 0, "msg": "ok", "data": {}})
        requested.set()
        ended.wait(1)
        return http(TOKEN)

    with raw_server(answer, answers_tokens=True) as server:
        yield SlowTokens(server.url, requested)
        ended.set()


def test_it_is_renewed_once_it_is_stale_and_no_call_is_made_twice(lark: Emulator) -> None:
    client = LarkServiceClient()
    own_tokens(client)
    start = client._session.clock()

    def call_at(left: int) -> None:
        client._session.clock = lambda: start + 7200 - left
        client.call("GET", "/im/v1/chats")

    call_at(7200)
    lark.advance(7200 - 1195)
    call_at(1205)
    assert count(lark, TOKENS) == 1
    call_at(1195)  # within the time for which the app need not be looked up
    wait_until(lambda: count(lark, TOKENS) == 2 and not client._session.runtime.tokens._flights)
    call_at(1195)
    lark.advance(1195)
    call_at(0)
    assert (count(lark, TOKENS), count(lark, CHATS)) == (2, 5)


def test_those_who_wait_for_the_first_token_use_it(lark: Emulator) -> None:
    client = LarkServiceClient()
    own_tokens(client)
    lark.fault(path="*/tenant_access_token/internal", delay_ms=1000)
    with ThreadPoolExecutor(8) as threads:
        for future in [threads.submit(client.call, "GET", "/im/v1/chats") for _ in range(8)]:
            future.result()
    assert (count(lark, TOKENS), count(lark, CHATS)) == (1, 8)


def call_slowly(client: LarkServiceClient | AsyncLarkServiceClient) -> Any:
    return client.call("GET", "/im/v1/chats")


def test_a_caller_with_a_short_deadline_fails_none_that_has_time(slow_tokens: SlowTokens) -> None:
    hasty, patient = (
        LarkServiceClient("cli_a", "s", base_url=slow_tokens.url, deadline=deadline) for deadline in (0.5, 30)
    )
    with ThreadPoolExecutor(2) as threads:
        late = threads.submit(call_slowly, hasty)
        assert slow_tokens.requested.wait(10)
        assert threads.submit(call_slowly, patient).result().code == 0
        with pytest.raises(DeadlineExceededError):
            late.result()


def test_a_task_with_a_short_deadline_fails_none_that_has_time(slow_tokens: SlowTokens) -> None:
    async def call_both() -> tuple[Any, ...]:
        hasty, patient = (
            AsyncLarkServiceClient("cli_a", "s", base_url=slow_tokens.url, deadline=deadline)
            for deadline in (0.5, 30)
        )
        late = asyncio.ensure_future(call_slowly(hasty))
        await asyncio.to_thread(slow_tokens.requested.wait, 10)
        return tuple(await asyncio.gather(late, call_slowly(patient), return_exceptions=True))

    late, answer = asyncio.run(call_both())
    assert isinstance(late, DeadlineExceededError)
    assert answer.code == 0


def test_a_token_that_lark_refuses_is_not_taken_again_from_a_renewal_that_gave_up(
    lark: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process renews it: the flight ends with the token that is stale, and that Lark has refused."""
    client = LarkServiceClient()
    own_tokens(client)
    client.call("GET", "/im/v1/chats")
    cache, clock = client._session.runtime.tokens, client._session.clock
    ((key, first),) = cache._tokens.items()
    renewed = cache.acquire(key, None, clock() + 7200 - 1195)
    assert isinstance(renewed, UseToken)
    assert renewed.renewal is not None
    steps: list[object] = []
    acquire = cache.acquire

    def record(*given: Any) -> Any:
        steps.append(acquire(*given))
        return steps[-1]

    monkeypatch.setattr(cache, "acquire", record)
    lark.fault(path="*/im/v1/chats", code=99991663, status=400)
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(client.call, "GET", "/im/v1/chats")
        wait_until(lambda: any(isinstance(step, AwaitToken) for step in steps))
        cache.resolve(renewed.renewal, first)
        answer.result()
    assert (count(lark, TOKENS), count(lark, CHATS)) == (2, 3)
