from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any, Protocol

import pytest
from lark_emulator import Emulator

from lark_provider import AsyncLarkServiceClient, LarkServiceClient

CHAT = "oc_emulator_data_team"
MESSAGES = "POST /open-apis/im/v1/messages"
TOKENS = "POST /open-apis/auth/v3/tenant_access_token/internal"


class Do(Protocol):
    """Runs `work(client)`, awaiting what has to be awaited."""

    def __call__(self, work: Callable[[Any], Any], **settings: Any) -> Any: ...


@pytest.fixture(params=["sync", "async"])
def do(request: pytest.FixtureRequest, lark: Emulator) -> Do:
    """Return a function that calls `work` with a sync or an async client, each in a run of its own."""

    def run(work: Callable[[Any], Any], **settings: Any) -> Any:
        if request.param == "sync":
            with LarkServiceClient(**settings) as client:
                return work(client)

        async def work_async() -> Any:
            async with AsyncLarkServiceClient(**settings) as client:
                result = work(client)
                if inspect.isawaitable(result):
                    return await result
                return [item async for item in result] if hasattr(result, "__aiter__") else result

        return asyncio.run(work_async())

    return run


@pytest.fixture
def client(lark: Emulator) -> LarkServiceClient:
    return LarkServiceClient()


def count(lark: Emulator, endpoint: str) -> int:
    """Return how often an endpoint was called."""
    return int(lark.state(summary=True)["by_endpoint"].get(endpoint, 0))


def messages(lark: Emulator, chat_id: str = CHAT) -> list[dict[str, Any]]:
    """Return the messages of a chat."""
    chats = {chat["chat_id"]: chat for chat in lark.state()["chats"]}
    chat_messages: list[dict[str, Any]] = chats[chat_id]["messages"]
    return chat_messages
