from __future__ import annotations

import json
import socket
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import pytest
from lark_emulator import Emulator
from lark_emulator.server import MAX_BODY_BYTES, MAX_HEAD_BYTES

if TYPE_CHECKING:
    from tests.emulator.conftest import Api

INFO = b"GET /open-apis/bot/v3/info HTTP/1.1\r\nHost: localhost\r\n\r\n"


def exchange(lark: Emulator, *pieces: bytes, half_close: bool = True) -> bytes:
    """Send raw bytes and return all that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", lark.port), timeout=60) as wire:
        for piece in pieces:
            wire.sendall(piece)
        if half_close:
            wire.shutdown(socket.SHUT_WR)
        answer = b""
        while received := wire.recv(65536):
            answer += received
        return answer


def test_pipelined_requests_are_answered_in_order(lark: Emulator) -> None:
    answer = exchange(lark, INFO + b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n" + INFO)
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"400", b"404", b"400"]
    assert lark.state(summary=True)["connections"] == 1


def test_head_is_answered_without_a_body(lark: Emulator) -> None:
    answer = exchange(lark, INFO.replace(b"GET", b"HEAD") + INFO)
    first, _, rest = answer.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 404")
    assert rest.startswith(b"HTTP/1.1 400")


def test_a_late_answer_holds_back_those_behind_it(lark: Emulator) -> None:
    lark.fault(path="/open-apis/bot/v3/info", delay_ms=30)
    answer = exchange(lark, INFO + b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"400", b"404"]


def test_a_long_answer_waits_for_a_slow_client_and_nobody_else(api: Api, lark: Emulator) -> None:
    lark.settings(new_base="bare")
    base = api.data("POST", "/bitable/v1/apps", {"name": "long"})["app"]
    lark.make_rows(base["app_token"], base["default_table_id"], 50_000, {"Text": "{n} " + "x" * 200})
    request = b"GET /_emulator/state HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection(("127.0.0.1", lark.port), timeout=30) as wire:
        wire.sendall(request + INFO)
        head = wire.recv(300)
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        for _ in range(20):  # the rest is some 13 MB, more than sockets hold
            assert api("GET", "/bot/v3/info")["code"] == 0
        wire.shutdown(socket.SHUT_WR)
        answer = head
        while received := wire.recv(1 << 20):
            answer += received
    header, _, rest = answer.partition(b"\r\n\r\n")
    length = int(header.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
    records = json.loads(rest[:length])["bitables"][0]["tables"][0]["records"]
    assert [record["fields"]["Text"].partition(" ")[0] for record in records] == [
        str(n) for n in range(50_000)
    ]
    assert rest[length:].startswith(b"HTTP/1.1 400")  # the request behind it, which has no token


def test_a_client_that_disconnects_in_a_long_answer(api: Api, lark: Emulator) -> None:
    lark.settings(new_base="bare")
    base = api.data("POST", "/bitable/v1/apps", {"name": "long"})["app"]
    lark.make_rows(base["app_token"], base["default_table_id"], 50_000, {"Text": "{n} " + "x" * 200})
    with socket.create_connection(("127.0.0.1", lark.port), timeout=30) as wire:
        wire.sendall(b"GET /_emulator/state HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert wire.recv(300)
    assert api("GET", "/bot/v3/info")["code"] == 0
    head = exchange(lark, b"HEAD /_emulator/state HTTP/1.1\r\nHost: localhost\r\n\r\n" + INFO)
    assert head.count(b"HTTP/1.1 ") == 2
    assert lark.state(summary=True)["crashes"] == 0


def test_requests_in_single_bytes(lark: Emulator) -> None:
    assert exchange(lark, *[INFO[i : i + 1] for i in range(len(INFO))]).startswith(b"HTTP/1.1 400")


def test_keep_alive_uses_one_connection(api: Api, lark: Emulator) -> None:
    for _ in range(5):
        assert api("GET", "/bot/v3/info")["code"] == 0
    assert lark.state(summary=True)["connections"] == 1


@pytest.mark.parametrize("version", [b"HTTP/1.0\r\n", b"HTTP/1.1\r\nConnection: close\r\n"])
def test_connections_that_should_close_do(lark: Emulator, version: bytes) -> None:
    raw = b"GET /open-apis/bot/v3/info " + version + b"Host: localhost\r\n\r\n"
    answer = exchange(lark, raw, half_close=False)
    assert b"Connection: close" in answer


def test_an_old_client_that_keeps_its_connection_is_told_that_it_may(lark: Emulator) -> None:
    raw = b"GET /open-apis/bot/v3/info HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n"
    assert exchange(lark, raw, raw).count(b"Connection: keep-alive\r\n") == 2
    assert b"Connection" not in exchange(lark, INFO)


def test_malformed_requests_get_400_and_end_the_connection(lark: Emulator) -> None:
    assert exchange(lark, b"NONSENSE\r\n\r\n", half_close=False).startswith(b"HTTP/1.1 400")
    assert exchange(lark, INFO + b"NONSENSE\r\n\r\n", half_close=False).count(b"HTTP/1.1 400") == 2


def test_chunked_bodies_are_understood(lark: Emulator) -> None:
    body = b'{"app_id":"cli_1a2b3c4d5e6f0001","app_secret":"emulator-secret"}'
    head = (
        b"POST /open-apis/auth/v3/tenant_access_token/internal HTTP/1.1\r\n"
        b"Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunks = [b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:])]
    assert b"tenant_access_token" in exchange(lark, head, *chunks, b"0\r\n\r\n")


def test_expect_100_continue(lark: Emulator) -> None:
    head = b"POST /x HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    assert exchange(lark, head, b"{}").startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404")


def test_oversized_bodies_and_heads_are_refused(lark: Emulator) -> None:
    announced = b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1)
    assert exchange(lark, announced, half_close=False).startswith(b"HTTP/1.1 413")
    head = b"GET /x HTTP/1.1\r\nHost: localhost\r\nX-Long: %s\r\n\r\n" % (b"x" * MAX_HEAD_BYTES)
    assert exchange(lark, head, half_close=False).startswith(b"HTTP/1.1 431")


def test_a_client_that_sends_all_before_it_reads_learns_why_it_was_refused(lark: Emulator) -> None:
    connection = HTTPConnection("127.0.0.1", lark.port, timeout=60)
    connection.request("POST", "/open-apis/im/v1/files", b"x" * (MAX_BODY_BYTES + 1))
    with connection.getresponse() as answer:
        assert (answer.status, answer.read()) == (413, b"request body too large")


def test_a_malformed_request_waits_for_the_answers_before_it(lark: Emulator) -> None:
    lark.fault(path="/open-apis/bot/v3/info", delay_ms=30, times=2)
    for bad in (b"garbage\r\n\r\n", INFO[:-2] + b"X: " + b"x" * MAX_HEAD_BYTES + b"\r\n\r\n"):
        answer = exchange(lark, INFO + bad, half_close=False)
        first, second = answer.split(b"HTTP/1.1 ")[1:]
        assert b"99991661" in first
        assert second.startswith((b"400", b"431"))


def test_an_upgrade_is_refused(lark: Emulator) -> None:
    raw = b"GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    assert b"HTTP/1.1 400" in exchange(lark, raw, half_close=False)


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "10.0.0.1:80"])
def test_a_foreign_host_header_is_rejected(api: Api, host: str) -> None:
    answer = api.http.get("/open-apis/bot/v3/info", headers={"Host": host})
    assert answer.status_code == 403
    assert "application/json" not in answer.headers["content-type"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:99", "[::1]"])
def test_loopback_names_are_served_and_no_cors_header_is_sent(api: Api, host: str) -> None:
    origins = {f"http://{host}": 200, f"https://{host}": 200, "http://evil.example": 403, "null": 403}
    for origin, status in origins.items():
        answer = api.http.get("/_emulator/state", headers={"Host": host, "Origin": origin})
        assert answer.status_code == status
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_allowed_hosts_replace_the_loopback_names() -> None:
    with Emulator(allowed_hosts=["lark.test"]) as lark:
        assert b" 403 " in exchange(lark, INFO)
        assert b" 400 " in exchange(lark, INFO.replace(b"localhost", b"lark.test"))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/open-apis/bot/v3/info"),
        ("GET", "/open-apis/bot/v3/info/"),
        ("POST", "/open-apis/drive/v1/medias/no_such_path"),
        ("POST", "/"),
        ("GET", "/open-apis/bitable/v1/apps/x/tables//records"),
    ],
)
def test_what_lark_does_not_have_is_a_plain_404(api: Api, method: str, path: str) -> None:
    answer = api.http.request(method, path)
    assert (answer.status_code, answer.text) == (404, "404 page not found")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-tt-logid"]
    assert answer.headers["x-request-id"]


def test_a_fixed_segment_wins_but_leaves_other_methods_to_the_parameter(api: Api) -> None:
    path = "/bitable/v1/apps/none/tables/none/records/batch_create"
    assert api("POST", path, {"records": []})["code"] == 1254040
    assert api("PUT", path, {"fields": {}})["code"] == 1254040
    assert api.http.get("/_emulator/requests").json()["requests"][-1]["route"].endswith("/:record_id")
