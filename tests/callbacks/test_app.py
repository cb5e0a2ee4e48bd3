"""The gateway behind a real web server."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from lark_provider.callbacks.http.app import application
from lark_provider.callbacks.http.endpoint import FAILED, RECEIVED
from tests.callbacks.logs import read_lines
from tests.callbacks.parts import FakeSink, gateway
from tests.callbacks.serving import serve
from tests.callbacks.virtual import never
from tests.failures.waiting import wait_until
from tests.protocol.callbacks import sender
from tests.protocol.callbacks.mutants import mutants
from tests.protocol.callbacks.sender import APP, KEY, TOKEN, seal_body

PATH = f"/lark/callbacks/{APP}"


@pytest.fixture
def place() -> FakeSink:
    return FakeSink()


@pytest.fixture
def url(place: FakeSink) -> Iterator[str]:
    with serve(application(gateway(place))) as url:
        yield url


def post(url: str, body: bytes, headers: dict[str, str] | None = None, path: str = PATH) -> httpx.Response:
    return httpx.post(
        url + path, content=body, headers=sender.make_headers(body) if headers is None else headers
    )


def test_a_click_an_event_and_a_challenge(url: str, place: FakeSink) -> None:
    clicked = post(url, seal_body(sender.card()))
    assert (clicked.status_code, clicked.content) == (200, RECEIVED)
    assert clicked.headers["content-type"] == "application/json"
    assert post(url, seal_body(sender.make_event())).content == b"{}"
    assert post(url, seal_body(sender.challenge()), {}).json() == {"challenge": "ajls384k-你好"}
    assert [kept.event_id[:4] for kept in place.stored] == ["f798", "5e37"]


def test_what_is_refused_gets_its_status(url: str, place: FakeSink) -> None:
    body = seal_body(sender.card())
    headers = sender.make_headers(body)
    assert post(url, body, {}).status_code == 401
    assert post(url, b"{", headers).status_code == 400
    assert post(url, body, headers, "/lark/callbacks/cli_other").status_code == 404
    assert post(url, body, headers, "/lark/callbacks/%2e%2e%2f%0a").status_code == 404
    assert post(url, body, headers, "/lark/callbacks/").status_code == 404
    assert post(url, body, headers, "/").status_code == 404
    assert httpx.get(url + PATH).status_code == 405
    twice = [*headers.items(), ("x-lark-signature", headers["X-Lark-Signature"])]
    assert httpx.post(url + PATH, content=body, headers=twice).status_code == 401
    assert place.calls == []


def raw(url: str, request: str) -> bytes:
    """Send what may be half a request, and return the answer's beginning."""
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port), timeout=20) as line:
        line.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\n{request}".encode())
        return line.recv(4096)


def test_a_body_that_is_too_large_is_not_read_to_its_end(place: FakeSink) -> None:
    with serve(application(gateway(place, endpoint={"max_bytes": 1000}, deadline=10))) as url:
        assert post(url, b"x" * 1001, {}).status_code == 413
        assert httpx.post(url + PATH, content=(b"x" * 500 for _ in range(3))).status_code == 413
        assert httpx.post(url + PATH, content=b"", headers={"Content-Length": "0"}).status_code == 400
        assert raw(url, "Content-Length: 1001\r\n\r\n").startswith(b"HTTP/1.1 413 ")
        chunk = f"{1001:x}\r\n{'x' * 1001}\r\n"
        assert raw(url, f"Transfer-Encoding: chunked\r\n\r\n{chunk}").startswith(b"HTTP/1.1 413 ")
    assert place.calls == []


def test_a_body_that_does_not_come_is_not_waited_for(place: FakeSink) -> None:
    with serve(application(gateway(place, deadline=0.2))) as url:
        assert raw(url, "Content-Length: 100\r\n\r\nabc").startswith(b"HTTP/1.1 408 ")


def test_who_hangs_up_breaks_nothing(url: str, place: FakeSink, caplog: pytest.LogCaptureFixture) -> None:
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port), timeout=20) as line:
        line.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc".encode())
    assert post(url, seal_body(sender.card())).content == RECEIVED
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_health_and_readiness() -> None:
    queue, table = FakeSink("queue"), FakeSink("table", is_up=False)
    with serve(application(gateway(queue, table))) as url:
        assert httpx.get(url + "/healthz").json() == {"status": "ok"}
        wait_until(lambda: httpx.get(url + "/readyz").status_code == 200)
        ready = httpx.get(url + "/readyz")
        assert (ready.status_code, ready.json()) == (
            200,
            {"status": "ready", "sinks": {"queue": True, "table": False}},
        )
        queue.is_up = False
        ready = httpx.get(url + "/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "not ready")
        assert httpx.get(url + "/healthz").status_code == 200


def test_what_runs_beside_it_ends_with_it(caplog: pytest.LogCaptureFixture) -> None:
    log: list[str] = []

    async def beside() -> None:
        log.append("begun")
        try:
            await never()
        finally:
            log.append("ended")

    async def broken() -> None:
        raise LookupError("beside")

    with serve(application(gateway(), background=[beside, broken])) as url:
        assert httpx.get(url + "/healthz").status_code == 200
        assert log == ["begun"]
    assert log == ["begun", "ended"]
    assert "Background task of the gateway failed" in caplog.text
    assert "LookupError: beside" in caplog.text


def test_clicks_at_the_same_time_do_not_wait_for_each_other() -> None:
    """One place hangs; each click is told so at its own deadline."""
    place = FakeSink("queue", never)

    async def many() -> list[httpx.Response]:
        transport = httpx.ASGITransport(application(gateway(place, deadline=0.5)))
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            bodies = []
            for number in range(200):
                content = sender.card()
                content["header"]["event_id"] = f"click-{number}"
                bodies.append(seal_body(content))
            return await asyncio.gather(
                *(client.post(PATH, content=body, headers=sender.make_headers(body)) for body in bodies)
            )

    answers = asyncio.run(many())
    assert [(answer.status_code, answer.content) for answer in answers] == [(200, FAILED)] * 200
    assert (len(place.calls), place.cancelled, place.stored) == (200, 200, [])


def test_ten_thousand_mutations_of_a_click_are_refused(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "lark_provider")
    place = FakeSink()

    async def work() -> set[int]:
        transport = httpx.ASGITransport(application(gateway(place, endpoint={"accept_old_cards": True})))
        statuses = set()
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            for headers, body in mutants(10_000, seed=20261130):
                sent = [
                    (name.encode(), value.encode("utf-8", "surrogatepass")) for name, value in headers.items()
                ]
                statuses.add((await client.post(PATH, content=body, headers=sent)).status_code)
        return statuses

    assert asyncio.run(work()) == {400, 401}
    assert place.calls == []


def test_no_secret_and_no_body_is_logged(url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for content in (sender.card({"value": "in the body"}), sender.make_event(), sender.challenge()):
        body = seal_body(content)
        post(url, body)
        post(url, body, {})
        post(url, body[:-5] + b"!!!!}")
    assert json.loads(post(url, seal_body(sender.card()), {}).content) == {"msg": "refused"}
    ours = read_lines(caplog)
    assert "Request refused status=401" in ours
    for secret in (KEY, TOKEN, "in the body", "c-295ee", "ou_3c14", "ajls384k"):
        assert secret not in ours
