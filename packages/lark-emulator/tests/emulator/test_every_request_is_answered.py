"""No request ends its connection without an answer, whatever stands in it and whatever was planned before."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lark_emulator import Emulator
from lark_emulator.control.plane import OPERATIONS
from lark_emulator.routes import ROUTES

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(settings={"rate_limits": False, "fallback_answers": True}) as lark:
        yield lark


def read_status_line(lark: Emulator, sent: bytes) -> bytes:
    """Return the status line of the answer; none within a minute fails."""
    with socket.create_connection(("127.0.0.1", lark.port), timeout=60) as wire:
        wire.sendall(sent)
        return wire.recv(65536).partition(b"\r\n")[0]


#: None that changes the settings for all that comes behind it, or breaks connections on purpose.
CONTROLS = sorted(
    f"/_emulator/{path}".replace(":message_id", "om_1")
    for method, path in OPERATIONS
    if not path.startswith(("connections", "faults", "settings"))
)
PATHS = st.sampled_from([route.path for route in ROUTES] + CONTROLS) | st.text(max_size=12).map("/".__add__)
NAMES = (
    *("match", "answer", "path", "json", "text", "headers", "times", "stubs", "status", "content", "name"),
    *("receive_id", "msg_type", "advance", "only", "limit", "app_id", "users", "rows", "type", "event"),
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from([1e300, "oc_emulator_data_team", "{{body}}", "/open-apis/*", "\r\nA: b"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(NAMES) | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
HEADERS = st.dictionaries(
    st.sampled_from(["Authorization", "Content-Type", "X-A", "Expect", "Range", "Origin"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=12),
    max_size=3,
)


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    path=PATHS,
    query=st.text(max_size=12),
    headers=HEADERS,
    body=VALUES | st.binary(max_size=12),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_request(
    emulator: Emulator, method: str, path: str, query: str, headers: dict[str, str], body: object
) -> None:
    from urllib.parse import quote

    content = body if isinstance(body, bytes) else orjson.dumps(body)
    lines = [f"{name}: {value}".encode("latin-1") for name, value in headers.items()]
    head = [
        f"{method} {quote(path, safe='/:')}?{quote(query, safe='=&%')} HTTP/1.1".encode(),
        b"Host: localhost",
        b"Content-Length: %d" % len(content),
        *lines,
    ]
    first = read_status_line(emulator, b"\r\n".join(head) + b"\r\n\r\n" + content)
    assert first.startswith(b"HTTP/1.1 ")
    assert emulator.state(summary=True)["crashes"] == 0, emulator.requests(limit=1)


GOOD = (
    b"GET /open-apis/bot/v3/info HTTP/1.1\r\nHost: localhost\r\n\r\n"
    b"POST /open-apis/im/v1/messages?receive_id_type=chat_id HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'8\r\n{"a": 1}\r\n0\r\n\r\n'
    b"PUT /open-apis/sheets/v2/spreadsheets/x/values HTTP/1.1\r\n"
    b"Host: localhost\r\nContent-Length: 2\r\n\r\n{}"
)
PIECES = st.binary(max_size=6) | st.sampled_from(
    [
        b"\r\n",
        b"\r\n\r\n",
        b"\0",
        b"Content-Length: -1\r\n",
        b"Transfer-Encoding: x\r\n",
        b"HTTP/9.9",
        b"%zz",
        b": ",
    ]
)


@given(
    edits=st.lists(st.tuples(st.integers(0, len(GOOD)), st.integers(0, 20), PIECES), min_size=1, max_size=3),
    end=st.integers(1, len(GOOD)),
)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_broken_http(emulator: Emulator, edits: list[tuple[int, int, bytes]], end: int) -> None:
    sent = GOOD
    for place, length, piece in edits:
        sent = sent[:place] + piece + sent[place + length :]
    sent = sent[:end]
    with socket.create_connection(("127.0.0.1", emulator.port), timeout=60) as wire:
        wire.sendall(sent)
        wire.shutdown(socket.SHUT_WR)
        answer = b""
        while received := wire.recv(65536):
            answer += received
    # Empty lines before a request are no request (RFC 9112).
    assert answer.startswith(b"HTTP/1.1 ") or not sent.strip(b"\r\n")
    assert emulator.state(summary=True)["crashes"] == 0


@pytest.mark.parametrize(
    "fault",
    [
        {"headers": {"A\r\nB": "c"}, "status": 500},
        {"headers": {"A": "会议"}, "status": 500},
        {"headers": {"A": "b\r\nSet-Cookie: c"}, "status": 500},
        {"status": 0},
        {"status": 99999},
    ],
)
def test_a_fault_that_cannot_be_sent_is_refused(emulator: Emulator, fault: dict[str, object]) -> None:
    content = orjson.dumps(fault)
    head = (
        b"POST /_emulator/faults HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % len(content)
    )
    assert read_status_line(emulator, head + content).startswith(b"HTTP/1.1 400")
