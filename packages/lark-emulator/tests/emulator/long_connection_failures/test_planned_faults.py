"""Long connections that break, hang or carry what they should not, as a test has planned it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from lark_emulator.websocket.frames import FrameError
from tests.emulator.app_server import PATIENT
from tests.emulator.wire_client import PING, SECONDS, DeafWire, Wire
from websockets.exceptions import ConnectionClosed

if TYPE_CHECKING:
    from lark_emulator import Emulator
from tests.emulator.long_connection_failures.waiting import SHORT

HOUR = 3600


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_dropped_around_a_message(lark: Emulator, pool: ThreadPoolExecutor, kind: str) -> None:
    lark.connection_fault(kind)
    with Wire(lark) as wire:
        event = lark.push_event("x", {})
        assert "was closed" in event["attempts"][0]["error"]
        if kind == "drop_after":
            assert wire.take().get_header("type") == "event"
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
        assert [frame.get_header("seq") for frame in frames] == order
        assert {frame.get_header("sum") for frame in frames} == {"3"}
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
            assert frame.get_header("type") == expected
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
        assert [connection["app_id"] for connection in lark.connections()] == ["cli_other"]
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
        assert wire.ping().get_header("type") == "pong"
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
        ("POST", "../apps/change", {"app_id": "cli_1a2b3c4d5e6f0001", "event_mode": "pigeon"}, "pigeon"),
        ("POST", "../settings", {"reconnect_count": -2}, "reconnect_count"),
        ("POST", "../settings", {"gap_events": "never"}, "gap_events"),
    ],
)
def test_controls_that_make_no_sense(lark: Emulator, method: str, path: str, spec: Any, named: str) -> None:
    with Wire(lark) as wire:
        answer = httpx.request(method, f"{lark.base_url}/_emulator/connections/{path}", json=spec)
        assert (answer.status_code, named in answer.text) == (400, True)
        assert wire.ping().get_header("type") == "pong"


def test_controls_over_http(lark: Emulator) -> None:
    base = f"{lark.base_url}/_emulator/connections"
    with Wire(lark) as wire:
        httpx.post(f"{base}/faults", json={"kind": "lose"})
        shown = httpx.get(base).json()
        assert shown["faults"] == [{"kind": "lose", "app_id": "", "times": 1, "skip": 0}]
        assert [connection["connection_id"] for connection in shown["connections"]] == [wire.connection_id]
        assert shown["counts"] == {"opened": 1}
        httpx.delete(f"{base}/faults")
        assert httpx.get(base).json()["faults"] == []
        assert httpx.post(f"{base}/send", json={"text": "x"}).json() == {"sent": 1}
        assert httpx.post(f"{base}/hang", json={}).json() == {"hanging": 1}
        assert httpx.post(f"{base}/drop", json={}).json() == {"dropped": 1}
