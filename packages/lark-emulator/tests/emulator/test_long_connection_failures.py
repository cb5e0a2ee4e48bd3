"""Long connections that break, hang, or carry what they should not; and clients that misbehave."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lark_emulator.websocket.frames import DATA, Frame, FrameError, decoded, encoded
from tests.emulator.app_server import PATIENT
from tests.emulator.test_frames import frames
from tests.emulator.wire_client import PING, SECONDS, DeafWire, Wire, masked, url_of
from websockets.exceptions import ConnectionClosed
from websockets.frames import OP_CONT, OP_TEXT

if TYPE_CHECKING:
    from lark_emulator import Emulator

HOUR = 3600
#: Frames that are almost pings or acknowledgements.
odd_control_or_data = st.builds(
    Frame,
    st.sampled_from([0, 1]),
    st.lists(
        st.tuples(
            st.sampled_from(["type", "message_id", "biz_rt", "sum", "seq"]),
            st.sampled_from(["ping", "event", ""]),
        ),
        max_size=5,
    ).map(tuple),
    st.none() | st.binary(max_size=20) | st.just(b'{"code":200}'),
).map(encoded)
SHORT = 0.05


@pytest.fixture(autouse=True)
def patient(lark: Emulator) -> None:
    lark.settings(**PATIENT)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as made:
        yield made


def wait(until: Callable[[], Any]) -> Any:
    """Wait for something to become true, and return it."""
    deadline = time.monotonic() + SECONDS
    while not (value := until()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.005)
    return value


def works(lark: Emulator, wire: Wire) -> bool:
    """Say whether an event goes over a connection and is acknowledged."""
    with ThreadPoolExecutor(1) as pool:
        pushed = pool.submit(lark.push_event, "x", {})
        wire.ack(wire.take())
        return bool(pushed.result(SECONDS)["state"] == "delivered")


# what clients send ------------------------------------------------------------------------------------------
GARBAGE = [
    b"",
    b"\xff" * 50,
    b"\x08\x00",
    "text",
    PING.decode("latin-1"),
    encoded(Frame(0, (("type", "pong"),))),
    encoded(Frame(0)),
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_counted_and_ignored(lark: Emulator, garbage: bytes | str) -> None:
    with Wire(lark) as wire:
        wire.socket.send(garbage)
        assert wire.ping().header("type") == "pong"
        (connection,) = lark.connections()
        assert (connection["garbage"], bool(connection["last_garbage"])) == (1, True)
        assert works(lark, wire)


def test_whatever_frames_come_the_connection_works(lark: Emulator) -> None:
    lark.settings(pong_payload="empty")
    with Wire(lark) as wire:

        @settings(deadline=None)
        @given(st.binary(max_size=100) | st.text(max_size=20) | frames.map(encoded) | odd_control_or_data)
        def send(message: bytes | str) -> None:
            wire.socket.send(message)
            wire.send(Frame(0, (("type", "ping"),), service=77))
            while wire.take().service != 77:
                pass

        send()
        assert works(lark, wire)


def test_whatever_bytes_come_the_server_works(lark: Emulator) -> None:
    @settings(deadline=None, max_examples=40)
    @given(st.binary(max_size=40), st.booleans())
    def send(data: bytes, is_whole: bool) -> None:
        with DeafWire(lark, behind=data if is_whole else b"") as wire, suppress(ConnectionError):
            wire.socket.sendall(data)

    send()
    with Wire(lark) as wire:
        wait(lambda: len(lark.connections()) == 1)
        assert works(lark, wire)


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"[]", b"null", b'{"code":"200"}', b'{"code":true}', b"\xff", None]
)
def test_an_acknowledgement_that_cannot_be_read_is_none(lark: Emulator, payload: bytes | None) -> None:
    with Wire(lark) as wire, ThreadPoolExecutor(1) as pool:
        pushed = pool.submit(lark.push_event, "x", {})
        frame = wire.take()
        wire.ack(frame, payload=payload)
        wire.ack(frame)
        assert pushed.result(SECONDS)["state"] == "delivered"
        assert lark.connections()[0]["garbage"] == 1


def test_acknowledgements_of_nothing_are_ignored(lark: Emulator) -> None:
    with Wire(lark) as wire, Wire(lark, app_id=None) as other:
        for frame in (Frame(DATA), Frame(DATA, (("message_id", "none"),), b"{}"), Frame(7)):
            wire.send(frame)
        wire.ping()
        assert lark.state()["long_connections"]["late_acks"] == 3
        lark.drop_connections(connection_id=wire.connection_id)
        assert works(lark, other)


def test_nobody_acknowledges_what_another_connection_got(lark: Emulator) -> None:
    with Wire(lark) as wire, ThreadPoolExecutor(1) as pool:
        pushed = pool.submit(lark.push_event, "x", {})
        frame = wire.take()
        with Wire(lark) as other:
            other.ack(frame)
            other.ping()
        assert not pushed.done()
        wire.ack(frame)
        assert pushed.result(SECONDS)["attempts"][0]["connection_id"] == wire.connection_id


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x82\x05hello", 1002),  # not masked
        (b"\x83\x80\0\0\0\0", 1002),  # an opcode that does not exist
        (b"\xf2\x80\0\0\0\0", 1002),  # reserved bits
        (masked(b"x", OP_CONT), 1002),  # goes on with nothing
        (b"\x82\xff\x00\x00\x00\x7f\xff\xff\xff\xff\0\0\0\0", 1009),  # announces 2 TB
        (masked(b"x" * (1024 * 1024 + 1)), 1009),
    ],
    ids=["unmasked", "opcode", "reserved", "continuation", "announced", "too-large"],
)
def test_what_breaks_the_websocket_protocol_ends_the_connection(
    lark: Emulator, sent: bytes, code: int
) -> None:
    with DeafWire(lark) as wire, Wire(lark) as other:
        with suppress(ConnectionError):  # it may be closed before all was sent
            wire.socket.sendall(sent)
        received = b""
        with suppress(ConnectionError):
            while piece := wire.socket.recv(4096):
                received += piece
        if received:
            assert received[:1] == b"\x88"
            assert int.from_bytes(received[2:4], "big") == code
        wait(lambda: len(lark.connections()) == 1)
        assert other.ping().header("type") == "pong"


def test_a_message_in_pieces(lark: Emulator) -> None:
    with DeafWire(lark) as wire:
        pieces = (
            masked(PING[:3], fin=False) + masked(PING[3:5], OP_CONT, fin=False) + masked(PING[5:], OP_CONT)
        )
        for at in range(len(pieces)):
            wire.socket.sendall(pieces[at : at + 1])
        assert wait(lambda: lark.connections()[0]["pings"]) == 1
        wire.socket.sendall(masked(b"a", OP_TEXT, fin=False) + masked(PING, OP_CONT))
        assert wait(lambda: lark.connections()[0]["garbage"]) == 1


def test_what_comes_right_behind_the_handshake(lark: Emulator) -> None:
    with DeafWire(lark, behind=masked(PING)):
        assert wait(lambda: lark.connections()[0]["pings"]) == 1


def test_what_comes_while_the_handshake_is_late(lark: Emulator) -> None:
    lark.fault("GET", "/ws/v2", delay_ms=100)
    with DeafWire(lark, behind=masked(PING)):
        assert wait(lambda: lark.connections()[0]["pings"]) == 1
    lark.fault("GET", "/ws/v2", delay_ms=60_000)
    with pytest.raises((AssertionError, ConnectionError)), DeafWire(lark, behind=b"x" * 100_000) as wire:
        assert b" 101 " in wire.answer


# clients that hang ------------------------------------------------------------------------------------------


def test_a_client_that_stops_reading_is_dropped_before_it_fills_the_memory(lark: Emulator) -> None:
    lark.settings(callback_timeout=0.001, fragment_bytes=0, missed_pings=0)
    event = {"text": "x" * 1_000_000}
    with DeafWire(lark):
        for _ in range(40):
            lark.push_event("x", event)
            if not lark.connections():
                break
        assert lark.connections() == []
    assert len(lark.state()["events"]) > 8  # what it may have outstanding


def test_a_client_that_stops_reading_gets_the_event_again_elsewhere(
    lark: Emulator, pool: ThreadPoolExecutor
) -> None:
    lark.settings(callback_timeout=SHORT)
    with DeafWire(lark):
        event = lark.push_event("x", {})
    assert event["state"] == "pending"
    wait(lambda: not lark.connections())
    lark.settings(**PATIENT)
    with Wire(lark) as wire:
        passing = pool.submit(lark.advance, 300)
        wire.ack(wire.take())
        passing.result(SECONDS)
    assert lark.state()["events"][0]["state"] == "delivered"


def test_a_client_that_does_not_ping_is_dropped_and_one_that_does_is_not(lark: Emulator) -> None:
    lark.settings(ping_interval=2)
    with Wire(lark) as lively, DeafWire(lark) as silent:
        wait(lambda: lively.ping().header("type") == "pong" and len(lark.connections()) == 1)
        assert silent.socket.recv(1) == b""
        assert lark.connections()[0]["connection_id"] == lively.connection_id
    assert lark.state()["long_connections"]["missed_pings"] == 1


def test_clients_that_vanish_leave_nothing_behind(lark: Emulator) -> None:
    for _ in range(20):
        with DeafWire(lark):
            pass
    wait(lambda: not lark.connections())
    with suppress(ConnectionClosed), Wire(lark) as wire:
        wire.socket.close(1000, "bye")
    wait(lambda: not lark.connections())
    counts = lark.state()["long_connections"]
    assert counts["opened"] == counts["closed"] == 21


# failures on demand -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_dropped_around_a_message(lark: Emulator, pool: ThreadPoolExecutor, kind: str) -> None:
    lark.connection_fault(kind)
    with Wire(lark) as wire:
        event = lark.push_event("x", {})
        assert "was closed" in event["attempts"][0]["error"]
        if kind == "drop_after":
            assert wire.take().header("type") == "event"
        with pytest.raises(ConnectionClosed) as closed:
            wire.socket.recv(timeout=SECONDS)
        assert closed.value.rcvd is None  # without a close frame
    with Wire(lark) as again:
        passing = pool.submit(lark.advance, 300)
        again.ack(again.take())
        passing.result(SECONDS)
    assert lark.state()["events"][0]["state"] == "delivered"


def test_a_message_that_is_lost(lark: Emulator, pool: ThreadPoolExecutor) -> None:
    lark.settings(callback_timeout=SHORT)
    lark.connection_fault("lose", times=2)
    with Wire(lark) as wire:
        assert lark.push_event("x", {})["state"] == "pending"
        lark.advance(300)
        lark.settings(**PATIENT)
        passing = pool.submit(lark.advance, HOUR)
        wire.ack(wire.take())
        passing.result(SECONDS)
        assert len(lark.state()["events"][0]["attempts"]) == 3


def test_garbage_before_a_message(lark: Emulator, pool: ThreadPoolExecutor) -> None:
    lark.connection_fault("garbage")
    with Wire(lark) as wire:
        pushed = pool.submit(lark.push_event, "x", {})
        bad = 0
        while True:
            try:
                frame = wire.take()
            except FrameError:
                bad += 1
                continue
            break
        wire.ack(frame)
        assert (pushed.result(SECONDS)["state"], bad > 0) == ("delivered", True)


def test_a_message_twice(lark: Emulator, pool: ThreadPoolExecutor) -> None:
    lark.connection_fault("duplicate")
    with Wire(lark) as wire:
        pushed = pool.submit(lark.push_event, "x", {})
        first, second = wire.take(), wire.take()
        assert first == second
        wire.ack(first)
        wire.ack(second)
        assert pushed.result(SECONDS)["state"] == "delivered"


@pytest.mark.parametrize(("kind", "order"), [("shuffle", ["2", "0", "1"]), ("incomplete", ["0", "1"])])
def test_fragments_out_of_order_or_incomplete(
    lark: Emulator, pool: ThreadPoolExecutor, kind: str, order: list[str]
) -> None:
    lark.connection_fault(kind)
    with Wire(lark) as wire:
        pushed = pool.submit(lark.push_event, "x", {})
        frames = [wire.take() for _ in order]
        assert [frame.header("seq") for frame in frames] == order
        assert {frame.header("sum") for frame in frames} == {"3"}
        wire.ack(frames[-1])
        assert pushed.result(SECONDS)["attempts"][0]["problems"] == []


def test_frames_of_type_card_and_deaf_ears(lark: Emulator) -> None:
    lark.settings(callback_timeout=SHORT)
    for kind, expected in (("card", "card"), ("ignore_ack", "event")):
        lark.connection_fault(kind)
        with Wire(lark) as wire, ThreadPoolExecutor(1) as pool:
            pushed = pool.submit(lark.push_event, "x", {})
            frame = wire.take()
            wire.ack(frame)
            assert frame.header("type") == expected
            assert pushed.result(SECONDS)["state"] == "pending"


def test_a_fault_can_wait_and_mean_one_app(lark: Emulator) -> None:
    lark.add_app("cli_other", "s")
    lark.settings(callback_timeout=SHORT)
    lark.connection_fault("drop_before", app_id="cli_other")
    lark.connection_fault("drop_before", app_id=lark.app_id, skip=1)
    with Wire(lark), Wire(lark, app_id="cli_other", secret="s"):
        lark.push_event("x", {})
        assert len(lark.connections()) == 2
        lark.push_event("x", {})
        assert [each["app_id"] for each in lark.connections()] == ["cli_other"]
        lark.clear_connection_faults()
        lark.push_event("x", {}, app_id="cli_other")
        assert len(lark.connections("cli_other")) == 1


def test_a_connection_that_hangs(lark: Emulator) -> None:
    lark.settings(callback_timeout=SHORT)
    with Wire(lark) as wire:
        assert lark.hang_connections() == 1
        wire.socket.send(PING)
        assert "no acknowledgement" in lark.push_event("x", {})["attempts"][0]["error"]
        with pytest.raises(TimeoutError):
            wire.socket.recv(timeout=0.2)
        assert lark.connections()[0]["hangs"] is True
        assert lark.drop_connections() == 1
    lark.connection_fault("hang")
    with Wire(lark) as wire:
        lark.push_event("x", {})
        assert lark.connections()[0]["hangs"] is True
        lark.drop_connections()


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012, 4001])
def test_close_codes(lark: Emulator, code: int) -> None:
    with Wire(lark) as wire:
        assert lark.drop_connections(lark.app_id, code=code, reason="维护") == 1
        assert lark.connections() == []
        with pytest.raises(ConnectionClosed) as closed:
            wire.socket.recv(timeout=SECONDS)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (code, "维护")


def test_a_close_frame_that_is_never_answered(lark: Emulator) -> None:
    with DeafWire(lark) as wire:
        lark.drop_connections(code=1000)
        assert lark.connections() == []
        while wire.socket.recv(4096):  # until the server gives up waiting
            pass


def test_the_end_of_its_life(lark: Emulator) -> None:
    lark.settings(connection_life=60)
    with Wire(lark) as wire:
        lark.advance(59)
        assert wire.ping().header("type") == "pong"
        lark.advance(1)
        with pytest.raises(ConnectionClosed):
            wire.socket.recv(timeout=SECONDS)


def test_anything_can_be_sent(lark: Emulator) -> None:
    with Wire(lark) as wire:
        assert lark.send_raw(b"\xff\x00") == 1
        assert lark.send_raw("文", connection_id=wire.connection_id) == 1
        assert [wire.socket.recv(timeout=SECONDS) for _ in range(2)] == [b"\xff\x00", "文"]


@pytest.mark.parametrize(
    ("method", "path", "spec", "named"),
    [
        ("POST", "drop", {"app_id": "cli_none"}, "cli_none"),
        ("POST", "drop", {"connection_id": "7"}, "connection '7'"),
        ("POST", "drop", {"code": 1005}, "1005"),
        ("POST", "drop", {"code": "1000"}, "1000"),
        ("POST", "drop", {"code": True}, "True"),
        ("POST", "drop", {"reason": "x"}, "needs a 'code'"),
        ("POST", "drop", {"code": 1000, "reason": "维" * 50}, "123"),
        ("POST", "hang", {"colour": "red"}, "colour"),
        ("POST", "send", {}, "'data' and 'text'"),
        ("POST", "send", {"data": "!"}, "Base64"),
        ("POST", "send", {"data": "", "text": ""}, "'data' and 'text'"),
        ("POST", "faults", {}, "'kind'"),
        ("POST", "faults", {"kind": "rain"}, "rain"),
        ("POST", "faults", {"kind": "lose", "times": 0}, "times"),
        ("POST", "faults", {"kind": "lose", "skip": -1}, "skip"),
        ("POST", "faults", {"kind": "lose", "app_id": "cli_none"}, "cli_none"),
        ("POST", "../apps/change", {"app_id": "cli_emulator0001", "event_mode": "pigeon"}, "pigeon"),
        ("POST", "../settings", {"reconnect_count": -2}, "reconnect_count"),
        ("POST", "../settings", {"gap_events": "never"}, "gap_events"),
    ],
)
def test_controls_that_make_no_sense(lark: Emulator, method: str, path: str, spec: Any, named: str) -> None:
    with Wire(lark) as wire:
        answer = httpx.request(method, f"{lark.base_url}/_emulator/connections/{path}", json=spec)
        assert (answer.status_code, named in answer.text) == (400, True)
        assert wire.ping().header("type") == "pong"


def test_controls_over_http(lark: Emulator) -> None:
    base = f"{lark.base_url}/_emulator/connections"
    with Wire(lark) as wire:
        httpx.post(f"{base}/faults", json={"kind": "lose"})
        shown = httpx.get(base).json()
        assert shown["faults"] == [{"kind": "lose", "app_id": "", "times": 1, "skip": 0}]
        assert [each["connection_id"] for each in shown["connections"]] == [wire.connection_id]
        assert shown["counts"] == {"opened": 1}
        httpx.delete(f"{base}/faults")
        assert httpx.get(base).json()["faults"] == []
        assert httpx.post(f"{base}/send", json={"text": "x"}).json() == {"sent": 1}
        assert httpx.post(f"{base}/hang", json={}).json() == {"hanging": 1}
        assert httpx.post(f"{base}/drop", json={}).json() == {"dropped": 1}


# the server -------------------------------------------------------------------------------------------------


def test_an_event_under_way_when_the_emulator_stops_comes_again(
    lark: Emulator, pool: ThreadPoolExecutor
) -> None:
    with Wire(lark) as wire:
        pushing = pool.submit(lark.push_event, "x", {})
        wire.take()
        lark.stop()
        assert pushing.result(SECONDS)["state"] == "pending"
        with pytest.raises(ConnectionClosed):
            wire.socket.recv(timeout=SECONDS)
    assert lark.connections() == []
    lark.settings(gap_events="on_connect")
    lark.start()
    with Wire(lark) as wire:
        assert wire.ping().header("type") == "pong"
        wire.ack(wire.take())
        wait(lambda: lark.state()["events"][0]["state"] == "delivered")


def test_a_reset_drops_connections_tickets_and_faults(lark: Emulator, pool: ThreadPoolExecutor) -> None:
    url = url_of(lark)
    with Wire(lark) as wire:
        pushing = pool.submit(lark.push_event, "x", {})
        wire.take()
        lark.connection_fault("lose")
        lark.reset()
        assert pushing.result(SECONDS)["state"] == "pending"
        with pytest.raises(ConnectionClosed):
            wire.socket.recv(timeout=SECONDS)
    with pytest.raises(Exception, match="403"):
        Wire(lark, url)
    lark.settings(**PATIENT)
    with Wire(lark) as again:
        assert works(lark, again)


def test_many_connections_at_once(lark: Emulator) -> None:
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(lark)) for _ in range(50)]
        with ThreadPoolExecutor(10) as pool:
            assert {pong.header("type") for pong in pool.map(Wire.ping, wires)} == {"pong"}
        with pytest.raises(Exception, match="403"):
            Wire(lark)
        assert lark.drop_connections() == 50
    assert lark.state(summary=True)["crashes"] == 0


def test_websockets_are_loaded_by_the_first_handshake_only() -> None:
    code = (
        "import sys, httpx\n"
        "from lark_emulator import Emulator\n"
        "with Emulator() as lark:\n"
        "    secrets = {'AppID': lark.app_id, 'AppSecret': lark.app_secret}\n"
        "    answer = httpx.post(lark.base_url + '/callback/ws/endpoint', json=secrets).json()\n"
        "    print(answer['code'], 'websockets' in sys.modules)\n"
    )
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "0 False"


def test_frames_travel_as_json_of_the_event(lark: Emulator, pool: ThreadPoolExecutor) -> None:
    with Wire(lark) as wire:
        pushed = pool.submit(lark.push_event, "x", {"n": 1})
        message = wire.socket.recv(timeout=SECONDS)
        assert isinstance(message, bytes)
        wire.ack(decoded(message))
        assert json.loads(decoded(message).payload or b"")["event"] == {"n": 1}
        assert pushed.result(SECONDS)["state"] == "delivered"
