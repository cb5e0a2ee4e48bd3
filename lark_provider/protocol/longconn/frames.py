"""The frames of the long connection, as protobuf (proto2, package `pbbp2`), written out by hand.

A WebSocket message holds one frame. The message type has nine fields, so a codec of its own is smaller than a
dependency on protobuf:

    1 SeqID uint64    2 LogID uint64    3 service int32    4 method int32
    5 headers {1 key string, 2 value string}, repeated
    6 payload_encoding string    7 payload_type string    8 payload bytes    9 LogIDNew string

Fields 1 to 4, and both fields of a header, are required. Unknown fields are skipped, and so are known ones
with another wire type, as protobuf does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

CONTROL, DATA = 0, 1
"""The methods of frames: the first for pings and pongs, the second for clicks, events and their answers."""

_SEQ_ID, _LOG_ID, _SERVICE, _METHOD, _HEADERS, _ENCODING, _TYPE, _PAYLOAD, _LOG_ID_NEW = range(1, 10)
_REQUIRED = (_SEQ_ID, _LOG_ID, _SERVICE, _METHOD)
_KEY, _VALUE = 1, 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}
_MORE, _LOW_BITS, _WIRE_BITS = 0x80, 0x7F, 3
_MAX_VARINT_LENGTH = 10
_MASK64 = (1 << 64) - 1
_SIGN32 = 1 << 31


class FrameError(ValueError):
    """The bytes are not a frame, or the frame lacks something that its kind must have."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame.

    Attributes:
        method: `CONTROL` or `DATA`; others are unknown.
        headers: Keys and values, in order.
        payload: JSON, or a fragment of it; empty for a ping.
        service: The id of the service, from the query of the connection's URL.
        seq_id: The server's sequence number, which an answer repeats.
        log_id: The server's number for its logs, which an answer repeats.
        payload_encoding: Optional, and not used by Lark so far.
        payload_type: Optional, and not used by Lark so far.
        log_id_new: The log id as text, optional.
    """

    method: int
    headers: tuple[tuple[str, str], ...] = ()
    payload: bytes | None = field(default=None, repr=False)
    service: int = 0
    seq_id: int = 0
    log_id: int = 0
    payload_encoding: str | None = None
    payload_type: str | None = None
    log_id_new: str | None = None

    def find_header(self, key: str) -> str | None:
        """Return the value of a header, the last one if there are several; None if there is none."""
        return next((value for name, value in reversed(self.headers) if name == key), None)


def encode(frame: Frame) -> bytes:
    """Encode a frame.

    Args:
        frame: The frame. Its required numbers are written even if they are 0.
    """
    out = bytearray()
    for number, value in zip(
        _REQUIRED, (frame.seq_id, frame.log_id, frame.service, frame.method), strict=True
    ):
        _write_varint(out, number << _WIRE_BITS | _VARINT)
        _write_varint(out, value & _MASK64)  # A negative int32 takes ten bytes, as in protobuf.
    for key, value_ in frame.headers:
        header = bytearray()
        _write_bytes(header, _KEY, key.encode())
        _write_bytes(header, _VALUE, value_.encode())
        _write_bytes(out, _HEADERS, header)
    optional: tuple[tuple[int, bytes | None], ...] = (
        (_ENCODING, _encode_text(frame.payload_encoding)),
        (_TYPE, _encode_text(frame.payload_type)),
        (_PAYLOAD, frame.payload),
        (_LOG_ID_NEW, _encode_text(frame.log_id_new)),
    )
    for number, content in optional:
        if content is not None:
            _write_bytes(out, number, content)
    return bytes(out)


def decode(data: bytes) -> Frame:
    """Decode a frame.

    Args:
        data: A WebSocket message.

    Raises:
        FrameError: It is not a frame.
    """
    numbers: dict[int, int] = {}
    contents: dict[int, bytes] = {}
    headers: list[tuple[str, str]] = []
    for read in _iterate_fields(data):
        if isinstance(read.value, int):
            numbers[read.number] = read.value
        elif read.number == _HEADERS:
            headers.append(_decode_header(read.value))
        else:
            contents[read.number] = read.value
    missing = [number for number in _REQUIRED if number not in numbers]
    if missing:
        raise FrameError(f"The frame is incomplete: required fields {missing} are missing.")
    return Frame(
        method=_decode_int32(numbers[_METHOD]),
        headers=tuple(headers),
        payload=contents.get(_PAYLOAD),
        service=_decode_int32(numbers[_SERVICE]),
        seq_id=numbers[_SEQ_ID],
        log_id=numbers[_LOG_ID],
        payload_encoding=_decode_text(contents.get(_ENCODING)),
        payload_type=_decode_text(contents.get(_TYPE)),
        log_id_new=_decode_text(contents.get(_LOG_ID_NEW)),
    )


class _Field(NamedTuple):
    """A field: a varint as int, a length-delimited one as bytes."""

    number: int
    value: int | bytes


def _iterate_fields(data: bytes) -> Iterator[_Field]:
    """Yield the fields of a frame; fields of fixed size, of which it has none, are skipped."""
    at, end = 0, len(data)
    while at < end:
        key, at = _read_varint(data, at)
        number, wire = key >> _WIRE_BITS, key & 7
        if number == 0:
            raise FrameError("The frame is malformed: a field has the number 0.")
        if wire == _VARINT:
            value, at = _read_varint(data, at)
            yield _Field(number, value)
            continue
        if wire == _BYTES:
            size, at = _read_varint(data, at)
        elif wire in _FIXED_SIZES:
            size = _FIXED_SIZES[wire]
        else:
            raise FrameError(f"The frame is malformed: field {number} has the unsupported wire type {wire}.")
        if size > end - at:
            raise FrameError(
                f"The frame is truncated: field {number} has {size} bytes, of which {end - at} arrived."
            )
        if wire == _BYTES:
            yield _Field(number, data[at : at + size])
        at += size


def _decode_header(data: bytes) -> tuple[str, str]:
    fields = {read.number: read.value for read in _iterate_fields(data) if isinstance(read.value, bytes)}
    if _KEY not in fields or _VALUE not in fields:
        raise FrameError("The frame is malformed: a header has no key or no value.")
    return _decode_utf8(fields[_KEY]), _decode_utf8(fields[_VALUE])


def _decode_utf8(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise FrameError("The frame is malformed: a string is not valid UTF-8.") from None


def _decode_text(data: bytes | None) -> str | None:
    return None if data is None else _decode_utf8(data)


def _encode_text(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


def _decode_int32(value: int) -> int:
    low = value & 0xFFFF_FFFF
    return low - (1 << 32) if low & _SIGN32 else low


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number and the position after it."""
    value = 0
    for index in range(_MAX_VARINT_LENGTH):
        if at + index >= len(data):
            raise FrameError("The frame is truncated: it ends within a number.")
        byte = data[at + index]
        value |= (byte & _LOW_BITS) << (7 * index)
        if byte < _MORE:
            return value & _MASK64, at + index + 1
    raise FrameError(f"The frame is malformed: a number has more than {_MAX_VARINT_LENGTH} bytes.")


def _write_varint(out: bytearray, value: int) -> None:
    while value >= _MORE:
        out.append(value & _LOW_BITS | _MORE)
        value >>= 7
    out.append(value)


def _write_bytes(out: bytearray, number: int, content: bytes | bytearray) -> None:
    _write_varint(out, number << _WIRE_BITS | _BYTES)
    _write_varint(out, len(content))
    out += content
