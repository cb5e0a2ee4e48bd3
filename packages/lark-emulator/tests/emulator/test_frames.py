"""The frames of the long connection."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark_emulator.websocket.frames import Frame, FrameError, decode, encode
from lark_emulator.websocket.messages import PushMessage

texts = st.text(max_size=40)
int32 = st.integers(-(2**31), 2**31 - 1)
uint64 = st.integers(0, 2**64 - 1)
frames = st.builds(
    Frame,
    method=int32,
    headers=st.lists(st.tuples(texts, texts), max_size=6).map(tuple),
    payload=st.none() | st.binary(max_size=300),
    service=int32,
    seq_id=uint64,
    log_id=uint64,
    payload_encoding=st.none() | texts,
    payload_type=st.none() | texts,
    log_id_new=st.none() | texts,
)
#: Fields that a frame does not have: a number, eight bytes, a text, a group with such fields, four bytes.
STRANGE = [
    b"\x50\xff\x01",
    b"\x51" + b"8" * 8,
    b"\x52\x02hi",
    b"\x53\x08\x01\x0a\x01x\x5b\x5c\x54",
    b"\x55" + b"4" * 4,
]


@given(frames)
def test_what_is_written_is_read(frame: Frame) -> None:
    assert decode(encode(frame)) == frame


@given(frames, st.lists(st.sampled_from(STRANGE)), st.lists(st.sampled_from(STRANGE)))
def test_unknown_fields_are_skipped(frame: Frame, before: list[bytes], behind: list[bytes]) -> None:
    assert decode(b"".join(before) + encode(frame) + b"".join(behind)) == frame


@given(st.binary(max_size=200) | frames.map(encode), st.integers(0, 200), st.binary(max_size=3))
def test_whatever_comes_is_a_frame_or_an_error(data: bytes, at: int, inserted: bytes) -> None:
    try:
        frame = decode(data[:at] + inserted + data[at:])
    except FrameError:
        return
    assert decode(encode(frame)) == frame


def test_a_frame_byte_by_byte() -> None:
    frame = Frame(1, (("type", "event"),), b"{}", service=-1, seq_id=300, log_id=0, log_id_new="x")
    assert encode(frame) == (
        b"\x08\xac\x02\x10\x00\x18"
        + b"\xff" * 9
        + b"\x01\x20\x01\x2a\x0d\x0a\x04type\x12\x05event\x42\x02{}\x4a\x01x"
    )


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "required"),
        (b"\x08\x00\x10\x00\x18\x00", "required"),
        (b"\x08", "no end"),
        (b"\x08" + b"\xff" * 11, "no end"),
        (b"\x42\x05abc", "5 bytes announced"),
        (b"\x00\x00", "tag"),
        (b"\xf8\xff\xff\xff\x1f\x01", "tag"),
        (b"\x0f", "wire type 7"),
        (b"\x54", "wire type 4"),
        (b"\x53\x5c", "wire type 4"),
        (b"\x53", "no end"),
        (b"\x2a\x03\x0a\x01x", "header"),
        (b"\x08\x00\x10\x00\x18\x00\x20\x00\x4a\x01\xff", "UTF-8"),
    ],
)
def test_what_is_not_a_frame(data: bytes, what: str) -> None:
    with pytest.raises(FrameError, match=what):
        decode(data)


@given(st.binary(min_size=1, max_size=500), st.integers(0, 40))
def test_fragments_join_to_the_payload(payload: bytes, parts: int) -> None:
    message = PushMessage("m", "event", payload, "t", 7, 9)
    sent = message.make_frames(5, parts)
    joined: dict[str | None, Any] = {frame.get_header("seq"): frame.payload for frame in sent}
    assert b"".join(joined[str(seq)] for seq in range(len(sent))) == payload
    assert {frame.get_header("sum") for frame in sent} == {str(len(sent))}
    assert len(sent) == max(1, min(parts, len(payload)))
    assert all(frame.payload for frame in sent)
    assert {
        (frame.service, frame.seq_id, frame.log_id, frame.get_header("message_id")) for frame in sent
    } == {(5, 7, 9, "m")}
