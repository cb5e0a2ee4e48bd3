"""Clients that vanish or stop reading, and a local Lark that stops, is reset or crowded."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest
from lark_emulator.websocket.frames import decode
from tests.emulator.app_server import PATIENT
from tests.emulator.wire_client import SECONDS, DeafWire, Wire, discover_url
from websockets.exceptions import ConnectionClosed

if TYPE_CHECKING:
    from lark_emulator import Emulator
from tests.emulator.long_connection_failures.waiting import SHORT, wait, works


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
        wait(lambda: lively.ping().get_header("type") == "pong" and len(lark.connections()) == 1)
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
        assert wire.ping().get_header("type") == "pong"
        wire.ack(wire.take())
        wait(lambda: lark.state()["events"][0]["state"] == "delivered")


def test_a_reset_drops_connections_tickets_and_faults(lark: Emulator, pool: ThreadPoolExecutor) -> None:
    url = discover_url(lark)
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
            assert {pong.get_header("type") for pong in pool.map(Wire.ping, wires)} == {"pong"}
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
        wire.ack(decode(message))
        assert json.loads(decode(message).payload or b"")["event"] == {"n": 1}
        assert pushed.result(SECONDS)["state"] == "delivered"
