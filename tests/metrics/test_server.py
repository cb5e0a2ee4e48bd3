"""The port: /metrics and nothing else, whatever clients do."""

from __future__ import annotations

import socket
from contextlib import ExitStack, suppress

import httpx
import pytest

from lark_provider import metrics
from lark_provider.errors import ConfigurationError
from tests.failures.waiting import wait_until
from tests.metrics.conftest import Counted


@pytest.fixture
def port(counted: Counted) -> int:
    bound_port = metrics.start(0)
    assert bound_port is not None
    return bound_port


def test_it_serves_metrics_and_nothing_else(port: int) -> None:
    url = f"http://127.0.0.1:{port}"
    answer = httpx.get(f"{url}/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert "lark_token_wait_seconds_count 0.0" in answer.text
    assert "process_resident_memory_bytes" in answer.text
    assert "server" not in answer.headers or "Python" not in answer.headers["server"]
    accepting = {"Accept": "application/openmetrics-text; version=1.0.0"}
    assert httpx.get(f"{url}/metrics", headers=accepting).text.endswith("# EOF\n")
    for path in ("/", "/metricss", "/metrics/../etc", "/healthz"):
        assert httpx.get(url + path).status_code == 404
    assert httpx.post(f"{url}/metrics").status_code == 501


def test_it_listens_on_loopback_unless_told_otherwise(port: int) -> None:
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.2:{port}/metrics")


def test_clients_that_say_nothing_keep_no_scrape_out_for_long(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lark_provider.metrics import server

    monkeypatch.setattr(server._Handler, "timeout", 0.5)
    with ExitStack() as opened:
        for _ in range(50):
            opened.enter_context(socket.create_connection(("127.0.0.1", port)))

        def answers() -> bool:
            try:
                return httpx.get(f"http://127.0.0.1:{port}/metrics").status_code == 200
            except httpx.TransportError:
                return False

        wait_until(answers, 30)


def test_garbage_is_survived(port: int) -> None:
    for garbage in (
        b"\x16\x03\x01\x02\x00",
        b"GET\r\n\r\n",
        b"GET /metrics HTTP/9.9\r\n\r\n",
        b"\xff" * 70_000,
    ):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(garbage)
            client.shutdown(socket.SHUT_WR)
            client.settimeout(20)
            with suppress(ConnectionError):
                client.recv(100)
    assert httpx.get(f"http://127.0.0.1:{port}/metrics").status_code == 200


def test_a_port_that_is_taken_or_none_is_an_error_with_a_next_step(port: int) -> None:
    with pytest.raises(ConfigurationError, match=f"Cannot listen on 127.0.0.1:{port} for metrics"):
        metrics.start(port)
    with pytest.raises(ConfigurationError, match="must be a number from 0 to 65535, got 70000"):
        metrics.start(70000)


def test_several_ports_show_the_same(port: int) -> None:
    other = metrics.start(0)
    assert other != port
    texts = [httpx.get(f"http://127.0.0.1:{metrics_port}/metrics").text for metrics_port in (port, other)]
    assert all("lark_token_wait_seconds_count 0.0" in text for text in texts)


def test_ports_are_closed_with_the_metrics(port: int) -> None:
    metrics.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/metrics")
