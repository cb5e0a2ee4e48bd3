"""What untrusted clients send to the deployed gateway, and odd things that are Lark's all the same."""

from __future__ import annotations

import gzip
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lark_provider.callbacks.broker.pump import Pump
from lark_provider.callbacks.broker.topology import CARDS, DEAD, EVENTS
from lark_provider.callbacks.http import http_limits
from lark_provider.callbacks.http.app import application
from lark_provider.callbacks.http.endpoint import NOT_ALLOWED, RECEIVED
from lark_provider.storage import urls
from lark_provider.storage.engine import get_engine
from lark_provider.storage.inbox import Inbox
from tests.callbacks import mq
from tests.callbacks.commands import Command, gateway, ready
from tests.callbacks.parts import gateway as standing
from tests.callbacks.serving import serve
from tests.failures.waiting import wait_until
from tests.protocol.callbacks import sender
from tests.protocol.callbacks.sender import APP, KEY, TOKEN, dump, seal
from tests.services.postgres import PostgresServer
from tests.services.rabbitmq import RabbitServer
from tests.storage import prepared

PATH = f"/lark/callbacks/{APP}"
STATUS = re.compile(rb"HTTP/1.1 (\d+) ")
INSIDE = "what is inside"


@dataclass
class Site:
    """A gateway and what is behind it."""

    command: Command
    url: str
    broker: str
    database: URL

    def send(self, request: bytes) -> int:
        """Send bytes, and return the status of the answer, 0 for none."""
        where = urlsplit(self.url)
        with socket.create_connection((where.hostname, where.port), timeout=mq.LIMIT) as line:
            with suppress(ConnectionError):  # it may have heard enough before the end
                line.sendall(request)
            with suppress(ConnectionError):
                if match := STATUS.match(line.recv(65536)):
                    return int(match[1])
        return 0

    def post(self, content: Any) -> httpx.Response:
        """Send genuine content, encrypted and signed, and return the response."""
        body = sender.seal_body(content)
        return httpx.post(self.url + PATH, content=body, headers=fresh(body))

    def count_kept(self) -> int:
        """Drain all queues, and return how many messages were in them."""
        return sum(len(mq.drain(self.broker, queue)) for queue in (CARDS, EVENTS, DEAD))


@pytest.fixture(scope="module")
def site(
    rabbitmq_server: RabbitServer, postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    log = tmp_path_factory.mktemp("site") / "serve.log"
    with rabbitmq_server.vhost() as broker, postgres_server.databases() as databases:
        database = urls.parse(text := databases.make(), "test")
        prepared.upgrade(database)
        command = gateway(log, 0, RABBITMQ_URL=broker, LARK_DATABASE_URL=text)
        url = command.start().split()[-1].replace("/lark/callbacks/{app_id}", "")
        try:
            wait_until(lambda: ready(url))
            yield Site(command, url, broker, database)
        finally:
            command.end()


def card(**changes: Any) -> dict[str, Any]:
    """Return a click of now; `header__token=5` changes a part of it, and `...` takes one out."""
    content = sender.card({"value": {"x": INSIDE}, "tag": "button"}, now=time.time())
    for path, value in changes.items():
        *parents, last = path.split("__")
        part = content
        for parent in parents:
            part = part[parent]
        part[last] = value
        if value is ...:
            del part[last]
    return content


def fresh(body: bytes, **signing: Any) -> dict[str, str]:
    return sender.make_headers(body, **{"timestamp": str(int(time.time())), **signing})


def request(
    body: bytes,
    signed: dict[str, str] | None = None,
    *more: str,
    line: str = f"POST {PATH} HTTP/1.1",
    length: bool = True,
) -> bytes:
    """Return a request as it is sent."""
    headers = [f"{name}: {value}" for name, value in (fresh(body) if signed is None else signed).items()]
    counted = [f"Content-Length: {len(body)}"] if length else []
    return "\r\n".join([line, "Host: x", *headers, *counted, *more, "", ""]).encode() + body


NO_TIMES: list[Any] = [None, "", "-5", True, 1.5, [], "9" * 20]
NO_SCHEMAS: list[Any] = ["3.0", 2, None, []]


def forgeries() -> Iterator[tuple[str, bytes, set[int]]]:
    body, now = sender.seal_body(card()), int(time.time())
    signed = fresh(body)

    def signed_at(timestamp: object) -> bytes:
        return request(body, fresh(body, timestamp=str(timestamp)))

    def forge_content(**changes: Any) -> bytes:
        return request(sender.seal_body(card(**changes)))

    def plain(old: bytes, new: bytes) -> bytes:
        return request(dump({"encrypt": seal(dump(card()).replace(old, new))}))

    yield "no signature", request(body, {}), {401}
    yield "no nonce", request(body, fresh(body, nonce="")), {401}
    without = {name: value for name, value in signed.items() if "Nonce" not in name}
    yield "the nonce left out", request(body, without), {401}
    yield (
        "the signature twice",
        request(body, signed, f"x-lark-signature: {signed['X-Lark-Signature']}"),
        {401},
    )
    for timestamp in (
        now - 301,
        now + 400,
        -now,
        f"+{now}",
        "",
        "nan",
        "1e9",
        "9" * 40,
        now * 10,
        f"{now}_0",
    ):
        yield f"signed at {timestamp}", signed_at(timestamp), {401}
    yield (
        "another app's key",
        request(other := sender.seal_body(card(), "theirs"), fresh(other, key="theirs")),
        {401},
    )
    yield "another app's click", forge_content(header__app_id="cli_other"), {403}
    yield "another app's URL", request(body, line="POST /lark/callbacks/cli_other HTTP/1.1"), {404}
    for token in (5, [TOKEN], {"t": TOKEN}, None, True, "", f"{TOKEN} ", ...):
        yield f"token {token}", forge_content(header__token=token), {401}
    yield "not encrypted", request(dump(card())), {400}
    yield "a list in encrypt", request(dump({"encrypt": [INSIDE]})), {400}
    yield "gzip", request(gzip.compress(body), None, "Content-Encoding: gzip"), {400}
    yield "NaN", plain(b'"button"', b"NaN"), {400}
    yield "a lone surrogate", plain(b'"button"', b'"\\ud800"'), {400}
    yield "no UTF-8", plain(b'"button"', b'"\xff"'), {400}
    yield "a number without end", plain(b'"button"', b"9" * 400), {400}
    yield "nested so deeply", plain(b'"button"', b"[" * 2000 + b"]" * 2000), {400}
    yield "nested deeper than can be passed on", plain(b'"button"', b"[" * 245 + b"]" * 245), {400}
    for event_id in (5, None, "", "e\0", "e" * 256, "e" * 500_000, "a\nb", ["e"], ...):
        yield f"event id {str(event_id)[:9]!a}", forge_content(header__event_id=event_id), {400}
    for open_id in (None, "", 5, ["ou_1"], ...):
        yield f"open_id {open_id}", forge_content(event__operator__open_id=open_id), {400}
    for message_id in (5, "om\0", "o" * 256, ["om_1"]):
        yield (
            f"message id {str(message_id)[:9]!a}",
            forge_content(event__context__open_message_id=message_id),
            {400},
        )
    for form in (5, "x", [1], True):
        yield f"form_value {form}", forge_content(event__action__form_value=form), {400}
    for options in ("x", [5], {"a": 1}, [None]):
        yield f"options {options}", forge_content(event__action__options=options), {400}
    for created in NO_TIMES:
        yield f"create_time {created}", forge_content(header__create_time=created), {400}
    for schema in NO_SCHEMAS:
        yield f"schema {schema}", forge_content(schema=schema), {400, 401}
    yield "no operator", forge_content(event__operator=...), {400}
    yield "no event", forge_content(event=...), {400}
    for empty in (b"", b"[]", b"null", b"{}", b"{", b"\0" * 100):
        yield f"{empty[:5]!r}", request(empty), {400, 401}
    yield "too large", request(b"x" * (1024 * 1024 + 1)), {413}
    yield "said to be too large", request(b"", {}, "Content-Length: 1048577", length=False), {413}
    yield (
        "a length beyond numbers",
        request(b"", {}, f"Content-Length: {'9' * 5000}", length=False),
        {400, 413},
    )
    yield "a negative length", request(b"", {}, "Content-Length: -1", length=False), {400}
    yield "two lengths", request(body, signed, "Content-Length: 5"), {400}
    yield "length and chunks", request(body, signed, "Transfer-Encoding: chunked"), {400}
    yield "no chunks", request(b"zz\r\n", {}, "Transfer-Encoding: chunked", length=False), {400}
    yield "a WebSocket", request(b"", {}, "Connection: Upgrade", "Upgrade: websocket"), {400}
    yield "TLS", bytes.fromhex("16030100a5010000a1"), {400}
    yield "no path", request(body, line="POST http://[ HTTP/1.1"), {400}
    yield "a redirect", request(body, line=f"POST {PATH}/ HTTP/1.1"), {404}
    yield "odd characters", request(body, line="POST /lark/callbacks/%00%ff%0a HTTP/1.1"), {404}
    yield "another method", request(body, line=f"PUT {PATH} HTTP/1.1"), {405}
    yield "headers without end", request(body, signed, *["A: b"] * 200_000), {0}


def test_what_is_forged_is_refused_with_its_status_and_leaves_no_trace(site: Site) -> None:
    answered = [(what, site.send(raw), expected) for what, raw, expected in forgeries()]
    assert [(what, status) for what, status, expected in answered if status not in expected] == []
    assert site.count_kept() == 0
    with get_engine(site.database).connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM card_callbacks")) == 0
    logged = site.command.log.read_text()
    assert "Request refused status=401" in logged
    assert logged.count('reason="Invalid HTTP request received."') == 1
    for secret in (INSIDE, KEY, TOKEN, "ou_3c14", "c-295ee", "zzz"):
        assert secret not in logged


ODD: dict[str, dict[str, Any]] = {
    "NUL in what was entered": {"event__action__form_value": {"a\0": "\0", "b": "\\u0000", "": None}},
    "NUL in ids by which nothing is found": {"event__operator__open_id": "ou\0", "header__tenant_key": "\0"},
    "a form of anything": {"event__action__form_value": {"a": {"b": [1, None, {"c": 2.5}]}}},
    "no message": {"event__context": ...},
    "an empty message id": {"event__context__open_message_id": ""},
    "a text as value": {"event__action__value": "text"},
    "a list as value": {"event__action__value": [1]},
    "a number as a wait": {"event__action__value": {"lark_wait": 5}},
    "NUL in a wait": {"event__action__value": {"lark_wait": "w\0"}},
    "a long wait": {"event__action__value": {"lark_wait": "w" * 5000}},
    "large numbers": {"event__action__value": [2**64 - 1, 2**70, -(2**63)]},
    "a long id of wide characters": {"header__event_id": "你" * 255},
    "characters that are none": {"event__action__value": "\uffff\u2028\x7f\U0001f600"},
    "a time long ago": {"header__create_time": "0"},
    "a time as a number": {"header__create_time": 1_791_100_000},
}


def test_what_is_odd_but_genuine_is_stored_once_and_can_be_told(site: Site) -> None:
    for number, changes in enumerate(ODD.values()):
        content = card(**{"header__event_id": f"odd-{number}", **changes})
        for _ in range(2):
            answer = site.post(content)
            assert (answer.status_code, answer.content) == (200, RECEIVED), changes
    stranger = card(header__event_id="stranger", event__action__value={"lark_allowed": [[], {}, None, 5]})
    assert site.post(stranger).content == NOT_ALLOWED
    while Pump(mq.at(site.broker), Inbox(site.database)).run_once(seconds=mq.LIMIT):
        pass
    assert mq.drain(site.broker, DEAD) == []
    with get_engine(site.database).connect() as connection:
        rows = connection.execute(
            sa.text("SELECT event_id, payload::jsonb AS parsed FROM card_callbacks")
        ).all()
    assert len(rows) == len(ODD) + 1
    [entered] = [row.parsed["event"]["action"] for row in rows if row.event_id == "odd-0"]
    assert entered["form_value"] == {"a\ufffd": "\ufffd", "b": "\\u0000", "": None}


def test_chunks_and_headers_in_any_case_are_taken(site: Site) -> None:
    body = sender.seal_body(card(header__event_id="in-chunks"))
    chunks = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    shouted = {name.upper(): value for name, value in fresh(body).items()}
    assert site.send(request(chunks, shouted, "Transfer-Encoding: chunked", length=False)) == 200
    assert mq.list_ids(mq.drain(site.broker, CARDS)) == ["in-chunks"]


# --- connections on which nothing is asked ---


@pytest.fixture(params=[H11Protocol, HttpToolsProtocol])
def url(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(http_limits, "IDLE_SECONDS", 0.2)
    app: Starlette = application(standing(deadline=1.5))
    with serve(app, http=http_limits.make_strict_protocol(request.param), ws="none") as base_url:
        yield base_url


@pytest.mark.parametrize("begun", [b"", b"POST / HT", b"POST / HTTP/1.1\r\nHost: x\r\n"])
def test_who_asks_nothing_is_hung_up_on(url: str, begun: bytes) -> None:
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port), timeout=mq.LIMIT) as line:
        line.sendall(begun)
        assert line.recv(100) == b""


@pytest.mark.parametrize("protocol", [H11Protocol, HttpToolsProtocol])
def test_who_reads_no_answers_is_hung_up_on(protocol: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_limits, "IDLE_SECONDS", 1.0)
    monkeypatch.setattr(http_limits, "ANSWER_SECONDS", 1.0)
    lost = threading.Event()

    class Watched(http_limits.make_strict_protocol(protocol)):  # type: ignore[misc]
        def connection_made(self, transport: Any) -> None:
            # By itself, the system would hold all these answers, and uvicorn none.
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            lost.set()

    with serve(application(standing(deadline=0.5)), http=Watched, ws="none") as url, socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        line.settimeout(mq.LIMIT)
        where = urlsplit(url)
        line.connect((where.hostname, where.port))
        with suppress(ConnectionError):  # It was hung up on before all of it was sent.
            line.sendall(request(b"", {}) * 5_000)
        assert lost.wait(4 * mq.LIMIT), "the line stays open, and nothing but the limits ends the connection"


def test_who_has_asked_once_and_asks_no_more_is_hung_up_on(url: str) -> None:
    where, head = urlsplit(url), b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
    with socket.create_connection((where.hostname, where.port), timeout=mq.LIMIT) as line:
        line.sendall(head + b"\r\n" + head)
        answered = b"".join(iter(lambda: line.recv(4096), b""))
        assert answered.startswith(b"HTTP/1.1 200 ")
        assert answered.count(b"HTTP/1.1") == 1


def test_who_is_being_answered_is_not(url: str) -> None:
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port), timeout=mq.LIMIT) as line:
        line.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n".encode())
        assert line.recv(4096).startswith(b"HTTP/1.1 408 ")


def test_who_asks_again_and_again_is_not(url: str) -> None:
    with httpx.Client(base_url=url) as client:
        end = time.monotonic() + 1
        while time.monotonic() < end:
            assert client.get("/healthz").status_code == 200


def test_headers_without_end_are_not_listened_to(url: str) -> None:
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port), timeout=mq.LIMIT) as line:
        with suppress(ConnectionError):
            line.sendall(b"POST / HTTP/1.1\r\n" + b"A: b\r\n" * 200_000)
        answer = b"-"
        with suppress(ConnectionError):
            answer = line.recv(4096)
        assert answer in {b"-", b""} or answer.startswith(b"HTTP/1.1 400 ")
