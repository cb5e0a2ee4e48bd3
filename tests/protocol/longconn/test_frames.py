"""The codec of frames, beside the official SDK's protobuf."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark_oapi.ws.pb.pbbp2_pb2 import Frame as Official

from lark_provider.protocol.longconn.frames import Frame, FrameError, decode, encode

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
UINT64 = st.integers(0, 2**64 - 1)
INT32 = st.integers(-(2**31), 2**31 - 1)
FRAMES = st.builds(
    Frame,
    method=INT32,
    headers=st.lists(st.tuples(TEXT, TEXT), max_size=6).map(tuple),
    payload=st.none() | st.binary(max_size=300),
    service=INT32,
    seq_id=UINT64,
    log_id=UINT64,
    payload_encoding=st.none() | TEXT,
    payload_type=st.none() | TEXT,
    log_id_new=st.none() | TEXT,
)


def official(frame: Frame) -> Any:
    message = Official()
    message.SeqID, message.LogID, message.service, message.method = (
        frame.seq_id,
        frame.log_id,
        frame.service,
        frame.method,
    )
    for key, value in frame.headers:
        header = message.headers.add()
        header.key, header.value = key, value
    names = {
        "payload_encoding": frame.payload_encoding,
        "payload_type": frame.payload_type,
        "payload": frame.payload,
        "LogIDNew": frame.log_id_new,
    }
    for name, content in names.items():
        if content is not None:
            setattr(message, name, content)
    return message


def ours(message: Any) -> Frame:
    def optional(name: str) -> Any:
        return getattr(message, name) if message.HasField(name) else None

    return Frame(
        message.method,
        tuple((header.key, header.value) for header in message.headers),
        optional("payload"),
        message.service,
        message.SeqID,
        message.LogID,
        optional("payload_encoding"),
        optional("payload_type"),
        optional("LogIDNew"),
    )


@given(FRAMES)
def test_a_frame_is_the_same_after_its_journey(frame: Frame) -> None:
    assert decode(encode(frame)) == frame


@given(FRAMES)
def test_the_official_codec_reads_and_writes_the_same_bytes(frame: Frame) -> None:
    data = encode(frame)
    read = Official()
    read.ParseFromString(data)
    assert ours(read) == frame
    assert official(frame).SerializeToString() == data


VARINT = st.integers(0, 2**64 - 1)


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


UNKNOWN = st.one_of(
    st.tuples(st.integers(10, 2**29 - 1), VARINT).map(lambda f: varint(f[0] << 3) + varint(f[1])),
    st.tuples(st.integers(10, 2**29 - 1), st.binary(min_size=8, max_size=8)).map(
        lambda f: varint(f[0] << 3 | 1) + f[1]
    ),
    st.tuples(st.integers(10, 2**29 - 1), st.binary(max_size=200)).map(
        lambda f: varint(f[0] << 3 | 2) + varint(len(f[1])) + f[1]
    ),
    st.tuples(st.integers(10, 2**29 - 1), st.binary(min_size=4, max_size=4)).map(
        lambda f: varint(f[0] << 3 | 5) + f[1]
    ),
    # known fields, with another wire type than theirs
    st.binary(max_size=20).map(lambda data: varint(1 << 3 | 2) + varint(len(data)) + data),
    VARINT.map(lambda value: varint(8 << 3) + varint(value)),
    st.binary(min_size=4, max_size=4).map(lambda data: varint(5 << 3 | 5) + data),
)


@given(FRAMES, UNKNOWN, st.booleans())
def test_unknown_fields_are_skipped_as_the_official_codec_skips_them(
    frame: Frame, unknown: bytes, is_first: bool
) -> None:
    data = unknown + encode(frame) if is_first else encode(frame) + unknown
    assert decode(data) == frame
    read = Official()
    read.ParseFromString(data)
    assert ours(read) == frame


@given(FRAMES, st.data())
def test_damaged_frames_are_rejected_or_read_as_the_official_codec_reads_them(
    frame: Frame, draw: st.DataObject
) -> None:
    data = bytearray(encode(frame))
    for _ in range(draw.draw(st.integers(1, 4))):
        at = draw.draw(st.integers(0, len(data) - 1))
        match draw.draw(st.sampled_from(["flip", "cut", "insert"])):
            case "flip":
                data[at] ^= draw.draw(st.integers(1, 255))
            case "insert":
                data.insert(at, draw.draw(st.integers(0, 255)))
            case _:
                del data[max(1, at) :]
    try:
        decoded = decode(bytes(data))
    except FrameError:
        return
    read = Official()
    read.ParseFromString(bytes(data))
    assert ours(read) == decoded


@given(st.binary(max_size=300))
def test_whatever_arrives_is_a_frame_or_an_error(data: bytes) -> None:
    try:
        decoded = decode(data)
    except FrameError:
        return
    assert decode(encode(decoded)) == decoded


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", r"required fields \[1, 2, 3, 4\] are missing"),
        (bytes.fromhex("08001000180020"), "ends within a number"),
        (bytes.fromhex("0800100018002000") + b"\x42\x05ab", "has 5 bytes, of which 2 arrived"),
        (bytes.fromhex("0800100018002000") + b"\x2a\x03\x0a\x01k", "no key or no value"),
        (bytes.fromhex("0800100018002000") + b"\x2a\x06\x0a\x01\xff\x12\x01v", "UTF-8"),
        (bytes.fromhex("0800100018002000") + b"\x0b", "wire type"),
        (bytes.fromhex("0800100018002000") + b"\x00\x00", "number 0"),
        (b"\x08" + b"\xff" * 11, "more than 10 bytes"),
    ],
)
def test_an_error_says_what_is_wrong(data: bytes, what: str) -> None:
    with pytest.raises(FrameError, match=what):
        decode(data)


def test_the_last_of_several_equal_headers_counts() -> None:
    frame = Frame(1, (("type", "a"), ("type", "b")))
    assert frame.find_header("type") == "b"
    assert frame.find_header("seq") is None
    assert "secret" not in repr(Frame(1, payload=b"secret"))
