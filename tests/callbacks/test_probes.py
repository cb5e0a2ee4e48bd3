"""`/healthz` and `/readyz` of services without a web server: true, and answered whatever other clients do."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.engine import URL

from lark_provider.callbacks.broker.pump import Pump
from lark_provider.callbacks.probes import pages
from lark_provider.callbacks.probes.pages import ProbePage
from lark_provider.callbacks.probes.probes import Probes
from lark_provider.callbacks.probes.readiness import Dependency
from lark_provider.errors import ConfigurationError
from lark_provider.protocol.callbacks import CardClick
from tests.callbacks import mq
from tests.callbacks.commands import Command
from tests.callbacks.consuming import Seen, consuming, make_event, send
from tests.callbacks.logs import read_lines
from tests.callbacks.parts import FakeSink
from tests.callbacks.pumping import Watched, cards, read_stored
from tests.failures.waiting import wait_until
from tests.services.postgres import OwnPostgres
from tests.services.processes import HOST, free_port
from tests.services.rabbitmq import OwnRabbit


def render_url(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def readyz(url: str) -> tuple[int, Mapping[str, Any]]:
    answer = httpx.get(f"{url}/readyz")
    return answer.status_code, answer.json()


def is_ready(url: str, **sinks: bool) -> bool:
    """Return whether the probe reports these sinks; False while it does not answer."""
    try:
        return readyz(url) == (200 if all(sinks.values()) else 503, _shape(sinks))
    except httpx.TransportError:
        return False


def _shape(sinks: Mapping[str, bool]) -> dict[str, Any]:
    return {"status": "ready" if all(sinks.values()) else "not ready", "sinks": dict(sinks)}


@contextmanager
def probe_loop(
    *checks: Dependency, more: pages.Pages | None = None, **settings: Any
) -> Iterator[tuple[Probes, asyncio.AbstractEventLoop]]:
    """Serve the probes of an event loop in a thread; yield the probes and the loop."""
    probes, loops = Probes(HOST, 0, more), list[asyncio.AbstractEventLoop]()
    begun, stop = threading.Event(), threading.Event()

    async def work() -> None:
        async with probes.serve_probes(checks, **settings):
            loops.append(asyncio.get_running_loop())
            begun.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    try:
        assert begun.wait(mq.LIMIT)
        yield probes, loops[0]
    finally:
        stop.set()
        thread.join(mq.LIMIT)
        assert not thread.is_alive()


# --- what is answered ---


def test_the_shape_is_the_gateways() -> None:
    good, bad = FakeSink("rabbitmq"), FakeSink("database")
    with probe_loop(good, bad) as (probes, _):
        assert httpx.get(f"{probes.url}/healthz").json() == {"status": "ok"}
        wait_until(lambda: is_ready(probes.url, rabbitmq=True, database=True))
        bad.is_up = False
        assert readyz(probes.url) == (503, _shape({"rabbitmq": True, "database": False}))
        bad.is_up = True
        probes.is_draining = True
        sinks = {"rabbitmq": True, "database": True}
        assert readyz(probes.url) == (503, {"status": "draining", "sinks": sinks})


def test_any_of_several_sinks_may_be_enough() -> None:
    with probe_loop(FakeSink("rabbitmq", is_up=False), FakeSink("database"), enough=any) as (probes, _):
        wait_until(lambda: httpx.get(f"{probes.url}/readyz").status_code == 200)
        assert readyz(probes.url)[1] == {"status": "ready", "sinks": {"rabbitmq": False, "database": True}}


def test_further_pages_and_what_is_no_page(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> ProbePage:
        raise ValueError("a bug")

    more = {
        "/metrics": lambda: ProbePage(b"clicks 1\n", media_type="text/plain; version=0.0.4"),
        "/bug": broken,
    }
    with probe_loop(more=more) as (probes, _):
        answer = httpx.get(f"{probes.url}/metrics?name=clicks")
        assert (answer.status_code, answer.text) == (200, "clicks 1\n")
        assert answer.headers["content-type"] == "text/plain; version=0.0.4"
        head = httpx.head(f"{probes.url}/metrics")
        assert (head.status_code, head.text, head.headers["content-length"]) == (200, "", "9")
        assert httpx.get(f"{probes.url}/other").status_code == 404
        assert httpx.post(f"{probes.url}/healthz", content=b"x" * 100_000).status_code == 405
        assert httpx.get(f"{probes.url}/bug").status_code == 500
    assert "Page of a service failed path=/bug" in read_lines(caplog)
    assert "a bug" in caplog.text


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"\r\n\r\n", b"400"),
        (b"GET /healthz HTTP/2\r\n\r\n", b"400"),
        (b"GET /" + b"x" * 9000, b"431"),
        (b"GET /healthz HTTP/1.0\r\n\r\n", b"200"),
    ],
)
def test_whatever_is_sent_is_answered_once(request_: bytes, status: bytes) -> None:
    with (
        probe_loop() as (probes, _),
        socket.create_connection((HOST, httpx.URL(probes.url).port or 0)) as client,
    ):
        client.settimeout(mq.LIMIT)
        for byte in (request_[:5], request_[5:]):
            client.sendall(byte)
        answer = b""
        while part := client.recv(65536):
            answer += part
        assert answer.startswith(b"HTTP/1.1 " + status)
        assert answer.count(b"HTTP/1.1") == 1


# --- whatever other clients do ---


def test_slow_clients_delay_no_probe_and_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "REQUEST_SECONDS", 3600.0)  # so that only their number closes them
    with probe_loop() as (probes, _), ExitStack() as stack:
        port = httpx.URL(probes.url).port or 0
        slow = []
        for number in range(3 * pages.MAX_CONNECTIONS):
            slow.append(stack.enter_context(socket.create_connection((HOST, port))))
            slow[-1].sendall(b"GET /hea")
            if number % 50 == 0:
                assert httpx.get(f"{probes.url}/healthz").status_code == 200
        assert httpx.get(f"{probes.url}/healthz").status_code == 200
        slow[-1].sendall(b"lthz HTTP/1.1\r\n\r\n")
        assert slow[-1].recv(100).startswith(b"HTTP/1.1 200 OK")
        slow[0].settimeout(mq.LIMIT)
        assert slow[0].recv(1) == b""


def test_one_that_neither_sends_nor_reads_is_closed_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "REQUEST_SECONDS", 0.2)
    large = {"/large": lambda: ProbePage(b"x" * 50_000_000)}
    with probe_loop(more=large) as (probes, _), ExitStack() as stack:
        port = httpx.URL(probes.url).port or 0
        silent, deaf = (stack.enter_context(socket.create_connection((HOST, port))) for _ in range(2))
        deaf.sendall(b"GET /large HTTP/1.1\r\n\r\n")
        silent.settimeout(mq.LIMIT)
        assert silent.recv(1) == b""
        deaf.settimeout(mq.LIMIT)
        assert sum(iter(lambda: len(deaf.recv(65536)), 0)) < 50_000_000


def test_a_loop_that_stands_still_is_not_alive() -> None:
    release = threading.Event()
    with probe_loop() as (probes, loop):
        loop.call_soon_threadsafe(release.wait)
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{probes.url}/healthz", timeout=0.5)
        release.set()
        assert httpx.get(f"{probes.url}/healthz", timeout=mq.LIMIT).status_code == 200


@pytest.mark.parametrize(("host", "port"), [(HOST, -1), (HOST, 65536), ("no.such.host.invalid", 0)])
def test_an_address_that_cannot_be_used(host: str, port: int) -> None:
    with pytest.raises(ConfigurationError, match=r"Next: choose another --probe-port"):
        Probes(host, port)


# --- of real services ---


def pump(tmp_path: Path, port: int, broker: str, database: URL) -> Command:
    settings = {"RABBITMQ_URL": broker, "LARK_DATABASE_URL": render_url(database)}
    return Command(tmp_path / "pump.log", "pump", "--probe-port", str(port), settings=settings)


def test_a_pump_is_ready_while_both_its_broker_and_its_database_answer(
    tmp_path: Path, node: OwnRabbit, server: OwnPostgres, own_database: URL
) -> None:
    command = pump(tmp_path, port := free_port(), node.url, own_database)
    command.start()
    url = f"http://{HOST}:{port}"
    try:
        wait_until(lambda: is_ready(url, rabbitmq=True, database=True))
        for broken, sinks in ((node, {"rabbitmq": False}), (server, {"database": False})):
            broken.pause()  # frozen, without a click on its way
            wait_until(lambda s=sinks: is_ready(url, **{"rabbitmq": True, "database": True, **s}), 60)  # type: ignore[misc]
            assert httpx.get(f"{url}/healthz").json() == {"status": "ok"}
            broken.resume()
            wait_until(lambda: is_ready(url, rabbitmq=True, database=True), 60)
        node.stop()
        wait_until(lambda: is_ready(url, rabbitmq=False, database=True))
        node.start()
        wait_until(lambda: is_ready(url, rabbitmq=True, database=True))
        assert command.process is not None
        os.kill(command.process.pid, signal.SIGSTOP)
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{url}/healthz", timeout=1)
        os.kill(command.process.pid, signal.SIGCONT)
        assert httpx.get(f"{url}/healthz", timeout=mq.LIMIT).status_code == 200
    finally:
        assert command.end() == 0


def test_a_pump_that_drains_says_so(rabbitmq: str, database: URL) -> None:
    release, storing, stop = threading.Event(), threading.Event(), threading.Event()

    def before(_: list[CardClick]) -> None:
        storing.set()
        assert release.wait(mq.LIMIT)

    probes = Probes(HOST, 0)
    thread = threading.Thread(
        target=Pump(mq.at(rabbitmq), Watched(database, before), probes).run, args=(stop,)
    )
    thread.start()
    try:
        wait_until(lambda: is_ready(probes.url, rabbitmq=True, database=True))
        mq.send(rabbitmq, "card.cli_1", *cards(1))
        assert storing.wait(mq.LIMIT)
        stop.set()
        wait_until(lambda: readyz(probes.url)[1]["status"] == "draining")
        assert readyz(probes.url)[0] == 503
    finally:
        release.set()
        thread.join(mq.LIMIT)
    assert not thread.is_alive()
    assert len(read_stored(database)) == 1


def test_a_consumer_is_ready_while_both_answer(
    node: OwnRabbit, server: OwnPostgres, own_database: URL, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "lark_provider")
    port = free_port()
    url = f"http://{HOST}:{port}"
    seen = Seen()
    with consuming(node.url, seen, database_url=render_url(own_database), probe_port=port):
        wait_until(lambda: is_ready(url, rabbitmq=True, database=True))
        server.pause()
        wait_until(lambda: is_ready(url, rabbitmq=True, database=False))
        assert httpx.get(f"{url}/healthz").status_code == 200
        server.resume()
        wait_until(lambda: is_ready(url, rabbitmq=True, database=True))
        send(node.url, make_event("e1"))
        wait_until(lambda: seen.ids == ["e1"])
    assert f"Probes started url={url}" in read_lines(caplog)


def test_a_consumer_that_waits_for_its_database_is_alive_and_not_ready(rabbitmq: str) -> None:
    port = free_port()
    url = f"http://{HOST}:{port}"
    dead = "postgresql://127.0.0.1:1/none"
    with consuming(rabbitmq, Seen(), database_url=dead, probe_port=port):
        wait_until(lambda: is_ready(url, rabbitmq=True, database=False))
        assert httpx.get(f"{url}/healthz").status_code == 200


def test_a_port_that_is_taken_ends_the_pump(tmp_path: Path, rabbitmq: str, database: URL) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        command = pump(tmp_path, port, rabbitmq, database)
        with pytest.raises(AssertionError):  # no first line
            command.start()
        assert command.end() == 1
    assert f"lark-provider: Cannot listen on {HOST}:{port}: " in command.log.read_text()
    assert "Next: choose another --probe-port or --probe-host." in command.log.read_text()
