"""Long connections over which clients send what they should not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lark_emulator.websocket.frames import DATA, Frame, encode
from tests.emulator.test_frames import frames
from tests.emulator.wire_client import PING, SECONDS, DeafWire, Wire, mask_frame
from websockets.frames import Opcode

if TYPE_CHECKING:
    from lark_emulator import Emulator
from tests.emulator.long_connection_failures.waiting import wait, works

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
).map(encode)
GARBAGE = [
    b"",
    b"\xff" * 50,
    b"\x08\x00",
    "text",
    PING.decode("latin-1"),
    encode(Frame(0, (("type", "pong"),))),
    encode(Frame(0)),
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_counted_and_ignored(lark: Emulator, garbage: bytes | str) -> None:
    with Wire(lark) as wire:
        wire.socket.send(garbage)
        assert wire.ping().get_header("type") == "pong"
        (connection,) = lark.connections()
        assert (connection["garbage"], bool(connection["last_garbage"])) == (1, True)
        assert works(lark, wire)


def test_whatever_frames_come_the_connection_works(lark: Emulator) -> None:
    lark.settings(pong_payload="empty")
    with Wire(lark) as wire:

        @settings(deadline=None)
        @given(st.binary(max_size=100) | st.text(max_size=20) | frames.map(encode) | odd_control_or_data)
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
        (mask_frame(b"x", Opcode.CONT), 1002),  # goes on with nothing
        (b"\x82\xff\x00\x00\x00\x7f\xff\xff\xff\xff\0\0\0\0", 1009),  # announces 2 TB
        (mask_frame(b"x" * (1024 * 1024 + 1)), 1009),
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
        assert other.ping().get_header("type") == "pong"


def test_a_message_in_pieces(lark: Emulator) -> None:
    with DeafWire(lark) as wire:
        pieces = (
            mask_frame(PING[:3], fin=False)
            + mask_frame(PING[3:5], Opcode.CONT, fin=False)
            + mask_frame(PING[5:], Opcode.CONT)
        )
        for at in range(len(pieces)):
            wire.socket.sendall(pieces[at : at + 1])
        assert wait(lambda: lark.connections()[0]["pings"]) == 1
        wire.socket.sendall(mask_frame(b"a", Opcode.TEXT, fin=False) + mask_frame(PING, Opcode.CONT))
        assert wait(lambda: lark.connections()[0]["garbage"]) == 1


def test_what_comes_right_behind_the_handshake(lark: Emulator) -> None:
    with DeafWire(lark, behind=mask_frame(PING)):
        assert wait(lambda: lark.connections()[0]["pings"]) == 1


def test_what_comes_while_the_handshake_is_late(lark: Emulator) -> None:
    lark.fault("GET", "/ws/v2", delay_ms=100)
    with DeafWire(lark, behind=mask_frame(PING)):
        assert wait(lambda: lark.connections()[0]["pings"]) == 1
    lark.fault("GET", "/ws/v2", delay_ms=60_000)
    with pytest.raises((AssertionError, ConnectionError)), DeafWire(lark, behind=b"x" * 100_000) as wire:
        assert b" 101 " in wire.answer
