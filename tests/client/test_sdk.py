"""The official SDK on our tokens, for endpoints that are not wrapped."""

from __future__ import annotations

import asyncio
import builtins
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import AsyncLarkServiceClient, LarkServiceClient
from lark_provider.errors import ConfigurationError
from tests.client.conftest import CHAT, TOKENS, count


def list_members(official: Any, chat_id: str) -> Any:
    from lark_oapi.api.im.v1 import GetChatMembersRequest

    return official.im.v1.chat_members.get(GetChatMembersRequest.builder().chat_id(chat_id).build())


@pytest.mark.filterwarnings("default::DeprecationWarning")
def test_it_shares_our_token(lark: Emulator) -> None:
    client = LarkServiceClient()
    client.messaging.send_text(CHAT, "x")
    answer = list_members(client.sdk, CHAT)
    assert answer.success(), answer.msg
    assert len(answer.data.items) == 3
    lark.revoke_tokens()
    client.messaging.send_text(CHAT, "y")  # meets the rejection and replaces the token, for both
    assert list_members(client.sdk, CHAT).success()
    assert count(lark, TOKENS) == 2


@pytest.mark.filterwarnings("default::DeprecationWarning")
def test_a_proxy_of_the_client_does_not_apply_to_it(lark: Emulator) -> None:
    """As the page without Airflow says; once the SDK has a setting for one, it is to be passed on."""
    LarkServiceClient().bot.info()  # fetches the token, for both
    assert list_members(LarkServiceClient(proxy="http://127.0.0.1:1").sdk, CHAT).success()


@pytest.mark.filterwarnings("default::DeprecationWarning")
def test_two_apps_do_not_share_tokens(lark: Emulator) -> None:
    lark.add_app("cli_second", "second-secret")
    first, second = LarkServiceClient(), LarkServiceClient("cli_second", "second-secret")
    assert list_members(first.sdk, CHAT).success()
    assert list_members(second.sdk, CHAT).code == 232011
    assert list_members(first.sdk, CHAT).success()


@pytest.mark.filterwarnings("default::DeprecationWarning")
def test_two_tenants_of_a_store_app_do_not_share_tokens(lark: Emulator) -> None:
    lark.add_app("cli_store", "store-secret", store=True, tenant_keys=["a", "b"])
    lark.advance(3600)  # a ticket is pushed every hour
    LarkServiceClient("cli_store", "store-secret", tenant_key="a").store_app.keep_ticket(
        lark.state(summary=True)["apps"][-1]["app_ticket"]
    )
    of_a, of_b = (LarkServiceClient("cli_store", "store-secret", tenant_key=tenant) for tenant in ("a", "b"))
    official = of_a.sdk, of_b.sdk
    for sdk, tenant_key in zip((*official, *official), ("a", "b", "a", "b"), strict=True):
        list_members(sdk, CHAT)
        assert lark.requests()[-1]["tenant_key"] == tenant_key


@pytest.mark.filterwarnings("default::DeprecationWarning")
def test_the_same_app_at_two_larks(lark: Emulator) -> None:
    with Emulator() as other:
        other_client = LarkServiceClient(other.app_id, other.app_secret, base_url=other.base_url)
        here = LarkServiceClient()
        assert list_members(here.sdk, CHAT).success()
        assert list_members(other_client.sdk, CHAT).success()
        assert list_members(here.sdk, CHAT).success()


@pytest.mark.filterwarnings("default::DeprecationWarning")
def test_the_asynchronous_client_has_it_too(lark: Emulator) -> None:
    async def ask() -> Any:
        client = AsyncLarkServiceClient()
        await client.messaging.send_text(CHAT, "x")
        return list_members(client.sdk, CHAT)

    assert asyncio.run(ask()).success()


@pytest.mark.filterwarnings("default::DeprecationWarning")
def test_its_asynchronous_methods_fetch_the_token_without_blocking_the_loop(lark: Emulator) -> None:
    from lark_oapi.api.im.v1 import GetChatMembersRequest

    async def ask() -> int:
        client = AsyncLarkServiceClient()
        request = GetChatMembersRequest.builder().chat_id(CHAT).build()
        lark.fault(path="*/tenant_access_token/internal", delay_ms=1000, times=1)
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0.01)
                turns += 1

        turning = asyncio.create_task(turn())
        await client.resolve()
        assert (await client.sdk.im.v1.chat_members.aget(request)).success()
        turning.cancel()
        return turns

    assert asyncio.run(ask()) > 20
    assert count(lark, TOKENS) == 1


@pytest.mark.filterwarnings("default::DeprecationWarning")
def test_any_request_and_an_option_of_the_callers_own(lark: Emulator) -> None:
    from lark_oapi import AccessTokenType, BaseRequest, HttpMethod, RequestOption

    official = LarkServiceClient().sdk
    request = (
        BaseRequest.builder()
        .http_method(HttpMethod.GET)
        .uri("/open-apis/im/v1/chats")
        .token_types({AccessTokenType.TENANT})
        .build()
    )
    assert official.request(request).success()
    own = RequestOption.builder().tenant_access_token("t-of-the-caller").build()
    assert official.request(request, own).code == 99991663
    named = RequestOption.builder().headers({"X-Mine": "1"}).build()
    assert official.request(request, named).success()
    assert (named.headers, named.tenant_access_token) == ({"X-Mine": "1"}, None)


@pytest.mark.filterwarnings("default::DeprecationWarning")
def test_the_callers_http_client_of_the_other_kind_is_left_alone(lark: Emulator) -> None:
    import httpx2

    async def ask() -> Any:
        async with httpx2.AsyncClient() as http_client:
            client = AsyncLarkServiceClient(http_client=http_client)
            await client.resolve()
            return await asyncio.to_thread(list_members, client.sdk, CHAT)

    assert asyncio.run(ask()).success()


def test_without_the_sdk_the_extra_is_named(lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("lark_oapi"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigurationError, match=r"airflow-provider-lark\[sdk\]"):
        LarkServiceClient().sdk  # noqa: B018 - making it is the test
