"""Hosts and proxies that there cannot be: an error of whoever wrote them, and not a traceback of httpx."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from lark_provider import AsyncLarkServiceClient, LarkServiceClient
from lark_provider.core import transport
from lark_provider.emulator import Emulator
from lark_provider.errors import ConfigurationError, TransportError

Send = Callable[[str | None], object]


def send(base_url: str | None = None) -> object:
    return LarkServiceClient(base_url=base_url).bot.info()


def asend(base_url: str | None = None) -> object:
    async def awaited() -> object:
        async with AsyncLarkServiceClient(base_url=base_url) as client:
            return await client.bot.info()

    return asyncio.run(awaited())


each = pytest.mark.parametrize("do", [send, asend])


@each
@pytest.mark.parametrize("host", ["a..example", f"{'a' * 64}.example", "xn--a.example", "a\udcff.example"])
def test_a_host_that_cannot_be(do: Send, host: str, lark: Emulator) -> None:
    """Some names are refused by httpx, some by what looks them up, of which asyncio only says "not known"."""
    with pytest.raises((ConfigurationError, TransportError), match="base_url"):
        do(f"http://{host}")


@each
@pytest.mark.parametrize("proxy", ["foo://u:hunter2@proxy:1", "socks5://u:hunter2@proxy:1", "http://h:port"])
def test_a_proxy_of_the_environment_that_cannot_be(
    do: Send, proxy: str, lark: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, proxy)
    monkeypatch.setattr(transport, "_pools", {})  # as a new process has none
    with pytest.raises(ConfigurationError, match=r"The proxy cannot be used: .*Next: set HTTP_PROXY") as told:
        do(None)
    assert "hunter2" not in str(told.value)
