"""Hosts and proxies that there cannot be: an error of whoever wrote them, and not a traceback of httpx."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import AsyncLarkServiceClient, LarkServiceClient
from lark_provider.engine import pools
from lark_provider.engine.pools import Pools
from lark_provider.engine.runtime import PROCESS
from lark_provider.errors import ConfigurationError, LarkError, TransportError

Send = Callable[..., object]


def send(base_url: str | None = None, **settings: Any) -> object:
    return LarkServiceClient(base_url=base_url, **settings).bot.info()


def asend(base_url: str | None = None, **settings: Any) -> object:
    async def awaited() -> object:
        async with AsyncLarkServiceClient(base_url=base_url, **settings) as client:
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
    monkeypatch.setattr(PROCESS, "pools", Pools())  # as a new process has none
    with pytest.raises(ConfigurationError, match=r"The proxy cannot be used: .*Next: set HTTP_PROXY") as told:
        do(None)
    assert "hunter2" not in str(told.value)


@contextmanager
def replying(reply: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A port that answers whatever comes first with some bytes and ends the connection; and what came."""
    received: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    received.append(connection.recv(65536))
                    connection.sendall(reply)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65536):
                        pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1], received
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@each
def test_a_tls_connection_that_ends_early_is_tried_again(do: Send, lark: Emulator) -> None:
    with replying(b"") as (port, received), pytest.raises(TransportError, match="EOF") as lost:
        do(f"https://127.0.0.1:{port}", max_retries=2)
    assert len(received) == 3
    assert lost.value.retryable


@each
def test_a_server_without_tls_is_not_tried_again(do: Send, lark: Emulator) -> None:
    page = b"HTTP/1.1 400 Bad Request\r\n\r\n"
    with replying(page) as (port, received), pytest.raises(TransportError, match="SSL") as lost:
        do(f"https://127.0.0.1:{port}", max_retries=2)
    assert len(received) == 1
    assert not lost.value.retryable


@each
@pytest.mark.parametrize(
    ("status", "tries"),
    [("407 Proxy Authentication Required", 1), ("403 Forbidden", 1), ("502 Bad Gateway", 3)],
)
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_proxy_that_refuses_is_not_tried_again(
    do: Send, status: str, tries: int, scheme: str, lark: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARK_ALLOW_HTTP", "1")
    reply = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
    with replying(reply) as (port, received), pytest.raises(LarkError, match=status[:3]) as refused:
        do(f"{scheme}://lark.example", proxy=f"http://u:hunter2@127.0.0.1:{port}", max_retries=2)
    assert len(received) == tries
    assert refused.value.retryable is (tries > 1)
    assert (
        tries > 1 or "Next: check that the proxy" in str(refused.value) or "and proxy" in str(refused.value)
    )
    assert "hunter2" not in str(refused.value)


def test_a_library_that_keeps_its_transports_elsewhere() -> None:
    """What is taken from inside of a client may be renamed one day; then the client itself sends."""
    sent: list[tuple[object, dict[str, object]]] = []

    class Client:
        def send(self, request: object, **options: object) -> None:
            sent.append((request, options))

    pools._sender(Client(), "handle_request")("a request")
    assert sent == [("a request", {"stream": True, "follow_redirects": False})]


def test_a_pool_performs_a_request_without_the_library_s_own_client(
    lark: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    send()
    asend()
    assert not [one for one in caplog.records if one.name in {"httpx", "httpx2"}]
