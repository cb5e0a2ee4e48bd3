"""A long-lived client: the token that it has in memory is used for as long as it is fresh."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.engine.token_cache import AwaitToken, UseToken
from tests.client.conftest import TOKENS, count
from tests.failures.waiting import wait_until
from tests.runtimes import own_tokens

CHATS = "GET /open-apis/im/v1/chats"


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
