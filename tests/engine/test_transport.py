"""Hosts and proxies that there cannot be: an error of whoever wrote them, and not a traceback of httpx."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import AsyncLarkServiceClient, LarkServiceClient, LarkWebhookClient
from lark_provider.engine import http, pools, transport
from lark_provider.engine.pools import Pools, Wire, make_tls_context
from lark_provider.engine.runtime import PROCESS
from lark_provider.errors import (
    ConfigurationError,
    DeadlineExceededError,
    InvalidRequestError,
    LarkError,
    TransportError,
)

Send = Callable[..., object]


def send(base_url: str | None = None, *, params: dict[str, str] | None = None, **settings: Any) -> object:
    client = LarkServiceClient(base_url=base_url, **settings)
    return client.call("GET", "/im/v1/chats", params=params) if params else client.bot.info()


def asend(base_url: str | None = None, *, params: dict[str, str] | None = None, **settings: Any) -> object:
    async def call_async() -> object:
        async with AsyncLarkServiceClient(base_url=base_url, **settings) as client:
            return await (client.call("GET", "/im/v1/chats", params=params) if params else client.bot.info())

    return asyncio.run(call_async())


sync_and_async = pytest.mark.parametrize("do", [send, asend])


@sync_and_async
@pytest.mark.parametrize("host", ["a..example", f"{'a' * 64}.example", "xn--a.example", "a\udcff.example"])
def test_a_host_that_cannot_be(do: Send, host: str, lark: Emulator) -> None:
    """Some names are refused by httpx, some by what looks them up, of which asyncio only says "not known"."""
    with pytest.raises((ConfigurationError, TransportError), match="base_url"):
        do(f"http://{host}")


@sync_and_async
@pytest.mark.parametrize("proxy", ["foo://u:hunter2@proxy:1", "socks5://u:hunter2@proxy:1", "http://h:port"])
def test_a_proxy_of_the_environment_that_cannot_be(
    do: Send, proxy: str, lark: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, proxy)
    monkeypatch.setattr(PROCESS, "pools", Pools())  # as a new process has none
    with pytest.raises(
        ConfigurationError, match=r"The proxy cannot be used: .*Next: set HTTP_PROXY"
    ) as raised:
        do(None)
    assert "hunter2" not in str(raised.value)


@sync_and_async
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_of_the_environment_that_cannot_be_read(
    do: Send, content: str | None, lark: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.setattr(PROCESS, "pools", Pools())  # as a new process has none
    text = rf"SSL_CERT_FILE must name certificates .* got '{file}': .+\. Next: correct the path"
    with pytest.raises(ConfigurationError, match=text):
        do(None)
    with pytest.raises(ConfigurationError, match=text):
        make_tls_context(Wire())


@contextmanager
def replying(reply: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Listen on a port, and send `reply` on each connection; yield the port, and a list of what arrived."""
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


@sync_and_async
def test_a_tls_connection_that_ends_early_is_tried_again(do: Send, lark: Emulator) -> None:
    with replying(b"") as (port, received), pytest.raises(TransportError, match="EOF") as lost:
        do(f"https://127.0.0.1:{port}", max_retries=2)
    assert len(received) == 3
    assert lost.value.retryable


@sync_and_async
def test_a_server_without_tls_is_not_tried_again(do: Send, lark: Emulator) -> None:
    page = b"HTTP/1.1 400 Bad Request\r\n\r\n"
    with replying(page) as (port, received), pytest.raises(TransportError, match="SSL") as lost:
        do(f"https://127.0.0.1:{port}", max_retries=2)
    assert len(received) == 1
    assert not lost.value.retryable


@sync_and_async
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


def test_a_client_of_another_library_is_an_error_with_the_next_step() -> None:
    with pytest.raises(TypeError, match=r"got int\. Next: pass an httpx\.Client or httpx2\.Client\."):
        http.find_library(1)


def test_a_library_that_keeps_its_transports_elsewhere() -> None:
    """What is taken from inside of a client may be renamed one day; then the client itself sends."""
    sent: list[tuple[object, dict[str, object]]] = []

    class Client:
        def send(self, request: object, **options: object) -> None:
            sent.append((request, options))

    pools._make_sender(Client(), "handle_request")("a request")
    assert sent == [("a request", {"stream": True, "follow_redirects": False})]


def test_a_pool_performs_a_request_without_the_library_s_own_client(
    lark: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    send()
    asend()
    assert not [record for record in caplog.records if record.name in {"httpx", "httpx2"}]


def test_a_name_that_is_looked_up_forever_ends_with_the_deadline(
    lark: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's look-up takes no timeout; what it finds later is closed."""
    over, looked_up = threading.Event(), threading.Event()
    known = socket.getaddrinfo

    def hanging(host: str, *rest: Any, **more: Any) -> Any:
        if host != "lark.example":
            return known(host, *rest, **more)
        over.wait(30)
        looked_up.set()
        return known("127.0.0.1", *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    try:
        with pytest.raises(DeadlineExceededError):
            send("https://lark.example", deadline=0.5)
        assert not looked_up.is_set()
    finally:
        over.set()
    assert looked_up.wait(30)


@sync_and_async
@pytest.mark.parametrize("page_token", ["a" * 70_000, "\ud800"], ids=["long", "surrogate"])
def test_what_a_call_adds_to_a_url_is_not_blamed_on_the_host(
    do: Send, lark: Emulator, page_token: str
) -> None:
    with pytest.raises(InvalidRequestError, match=r"GET /open-apis/im/v1/chats: .* Next: pass shorter"):
        do(None, params={"page_token": page_token})


@pytest.mark.parametrize("verify", [None, 5, ["ca.pem"]])
def test_certificates_that_cannot_be(verify: Any) -> None:
    with pytest.raises(ConfigurationError, match="verify must be True, False or the path"):
        send(verify=verify)


def test_certificates_may_be_a_path(lark: Emulator, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="check the path of the file"):
        send(verify=tmp_path / "no.pem")


@sync_and_async
def test_times_without_an_end(do: Send, lark: Emulator) -> None:
    endless = float("inf")
    do(None, timeout=endless, deadline=endless)
    do(None, timeout=1e300, deadline=1e300)


def test_no_url_with_a_secret_is_cached(lark: Emulator) -> None:
    transport._parse_url.cache_clear()
    LarkWebhookClient(lark.add_webhook(token="hook-token-0123456789")).send_text("x")
    assert transport._parse_url.cache_info().currsize == 0
