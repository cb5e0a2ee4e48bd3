"""What frames mean, and how deliveries are answered."""

from __future__ import annotations

import base64
import json

import pytest
from lark_oapi.ws.pb.pbbp2_pb2 import Frame as Official

from lark_provider.protocol.longconn import messages
from lark_provider.protocol.longconn.frames import CONTROL, DATA, Frame, FrameError, decode
from lark_provider.protocol.longconn.messages import Part, Pong, Unknown


def delivery(**headers: str) -> Frame:
    return Frame(DATA, tuple({"type": "event", "message_id": "m", **headers}.items()), b"{}", 7, 8, 9)


def test_a_ping_is_what_the_official_client_sends() -> None:
    ping = Official()
    ping.SeqID, ping.LogID, ping.service, ping.method = 0, 0, 33554678, 0
    header = ping.headers.add()
    header.key, header.value = "type", "ping"
    assert messages.ping(33554678) == ping.SerializeToString()


@pytest.mark.parametrize(
    ("payload", "config"),
    [
        (None, {}),
        (b"", {}),
        (b"no JSON", {}),
        (b"[1]", {}),
        (b"\xff", {}),
        (b'{"PingInterval":60}', {"PingInterval": 60}),
    ],
)
def test_a_pong_may_change_the_configuration(payload: bytes | None, config: dict[str, int]) -> None:
    assert messages.read(Frame(CONTROL, (("type", "pong"),), payload)) == Pong(config)


@pytest.mark.parametrize(
    "frame",
    [
        Frame(CONTROL),
        Frame(CONTROL, (("type", "ping"),)),
        Frame(DATA, (("type", "pong"),)),
        Frame(DATA),
        Frame(-3, (("type", "event"),)),
    ],
)
def test_other_frames_have_no_meaning(frame: Frame) -> None:
    assert isinstance(messages.read(frame), Unknown)


def test_a_delivery_has_numbers_and_does_without_them() -> None:
    assert messages.read(delivery(sum="3", seq="2")) == Part("event", "m", 2, 3)
    assert messages.read(delivery(type="card")) == Part("card", "m", 0, 1)
    assert messages.read(delivery(sum="0", seq="")) == Part("event", "m", 0, 1)


@pytest.mark.parametrize("text", ["many", "1.5", "²", "9" * 5000, "--1", "-", " 1"])
def test_numbers_that_are_none_are_rejected(text: str) -> None:
    with pytest.raises(FrameError, match="is not a number"):
        messages.read(delivery(sum=text))


def test_an_answer_is_the_same_frame_with_another_payload() -> None:
    frame = delivery(sum="1", seq="0", trace_id="t")
    reply = decode(messages.answer(frame, 200, b'{"toast":{}}', 12))
    assert reply.headers == (*frame.headers, ("biz_rt", "12"))
    assert (reply.service, reply.seq_id, reply.log_id, reply.method) == (7, 8, 9, DATA)
    said = json.loads(reply.payload or b"")
    assert said == {"code": 200, "headers": {}, "data": base64.b64encode(b'{"toast":{}}').decode()}


def test_an_answer_with_nothing_to_show_is_a_code_alone_and_its_time_never_negative() -> None:
    reply = decode(messages.answer(delivery(), 500, None, -4))
    assert json.loads(reply.payload or b"") == {"code": 500}
    assert reply.find_header("biz_rt") == "0"
