"""Frames of the long connection: protobuf (proto2, `pbbp2.Frame`), written and read by hand. Pure.

Seven scalar fields and one list of key and value need no protobuf library. Optional fields that are absent
are None and stay absent, so that a frame that is read and written again is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTROL, DATA = 0, 1

_VARINT, _FIXED64, _LENGTH, _GROUP, _GROUP_END, _FIXED32 = range(6)
_SIZES = {_FIXED64: 8, _FIXED32: 4}
_MAX_VARINT_LENGTH = 10
_UINT64 = 2**64
_INT32_BITS, _INT32_SIGN = 2**32, 2**31
_HIGHEST_TAG = 2**32

_SEQ_ID, _LOG_ID, _SERVICE, _METHOD, _HEADERS, _ENCODING, _TYPE, _PAYLOAD, _LOG_ID_NEW = range(1, 10)
_KEY, _VALUE = 1, 2
_NUMBERS = (_SEQ_ID, _LOG_ID, _SERVICE, _METHOD)
_OPTIONAL = (_ENCODING, _TYPE, _PAYLOAD, _LOG_ID_NEW)


class FrameError(ValueError):
    """These bytes are not a frame."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame.

    Args:
        method: The kind of frame: `CONTROL` (ping, pong) or `DATA` (events, card callbacks and their
            acknowledgements).
        headers: Pairs of key and value, in order; a key may come more than once.
        payload: The content of the frame: JSON, or a fragment of it.
        service: The `service_id` of the connection, an int32.
        seq_id: The sequence number of the message, a uint64.
        log_id: The number of the message in logs, a uint64.
        payload_encoding: The encoding of the payload; never seen to be set.
        payload_type: The type of the payload; never seen to be set.
        log_id_new: The trace id of the message, a string for logs.
    """

    method: int
    headers: tuple[tuple[str, str], ...] = ()
    payload: bytes | None = None
    service: int = 0
    seq_id: int = 0
    log_id: int = 0
    payload_encoding: str | None = None
    payload_type: str | None = None
    log_id_new: str | None = None

    def get_header(self, key: str) -> str | None:
        """Return the value of a header, the first one as the SDKs do; None if it is absent."""
        return next((value for name, value in self.headers if name == key), None)


def encode(frame: Frame) -> bytes:
    """Return a frame as it travels. The four required numbers are there even if they are zero."""
    out = bytearray()
    values = (frame.seq_id, frame.log_id, frame.service, frame.method)
    for number, scalar in zip(_NUMBERS, values, strict=True):
        _put_varint(out, number << 3 | _VARINT)
        _put_varint(out, scalar % _UINT64)  # negative numbers travel as their 64-bit complement
    for key, value in frame.headers:
        header = bytearray()
        _put_bytes(header, _KEY, key.encode())
        _put_bytes(header, _VALUE, value.encode())
        _put_bytes(out, _HEADERS, header)
    for number, content in (
        (_ENCODING, _encode_text(frame.payload_encoding)),
        (_TYPE, _encode_text(frame.payload_type)),
        (_PAYLOAD, frame.payload),
        (_LOG_ID_NEW, _encode_text(frame.log_id_new)),
    ):
        if content is not None:
            _put_bytes(out, number, content)
    return bytes(out)


def decode(data: bytes) -> Frame:
    """Read a frame; fields that it does not know are skipped.

    Raises:
        FrameError: the bytes are not a frame.
    """
    numbers: dict[int, int] = {}
    contents: dict[int, bytes] = {}
    headers = []
    for number, value in _iterate_fields(data):
        if isinstance(value, int):
            if number in _NUMBERS:
                numbers[number] = value
        elif number == _HEADERS:
            headers.append(_decode_header(value))
        elif number in _OPTIONAL:
            contents[number] = value
    missing = [number for number in _NUMBERS if number not in numbers]
    if missing:
        raise FrameError(f"required fields are missing: {missing}")
    return Frame(
        _decode_int32(numbers[_METHOD]),
        tuple(headers),
        contents.get(_PAYLOAD),
        _decode_int32(numbers[_SERVICE]),
        numbers[_SEQ_ID],
        numbers[_LOG_ID],
        _decode_text(contents.get(_ENCODING)),
        _decode_text(contents.get(_TYPE)),
        _decode_text(contents.get(_LOG_ID_NEW)),
    )


def _decode_header(data: bytes) -> tuple[str, str]:
    fields = {number: value for number, value in _iterate_fields(data) if isinstance(value, bytes)}
    key, value = _decode_text(fields.get(_KEY)), _decode_text(fields.get(_VALUE))
    if key is None or value is None:
        raise FrameError("a header needs a key and a value")
    return key, value


def _iterate_fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Go through numbers and texts; groups and values of fixed size, which a frame has not, are skipped."""
    at = 0
    groups: list[int] = []
    while at < len(data):
        tag, at = _decode_varint(data, at)
        number, kind = tag >> 3, tag & 7
        if number == 0 or tag >= _HIGHEST_TAG:
            raise FrameError(f"tag {tag} is invalid")
        if kind == _VARINT:
            value, at = _decode_varint(data, at)
            if not groups:
                yield number, value
        elif kind == _LENGTH:
            size, at = _decode_varint(data, at)
            start, at = at, _advance(data, at, size)
            if not groups:
                yield number, data[start:at]
        elif kind in _SIZES:
            at = _advance(data, at, _SIZES[kind])
        elif kind == _GROUP:
            groups.append(number)
        elif kind != _GROUP_END or not groups or groups.pop() != number:
            raise FrameError(f"wire type {kind} of field {number} is invalid")
    if groups:
        raise FrameError(f"group {groups[-1]} has no end")


def _decode_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(_MAX_VARINT_LENGTH):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:  # noqa: PLR2004 - the bit that says whether more follows
            return value % _UINT64, at
    raise FrameError("a number has no end")


def _advance(data: bytes, at: int, size: int) -> int:
    if size > len(data) - at:
        raise FrameError(f"{size} bytes announced, {len(data) - at} there")
    return at + size


def _decode_int32(value: int) -> int:
    low = value % _INT32_BITS
    return low - _INT32_BITS if low >= _INT32_SIGN else low


def _decode_text(content: bytes | None) -> str | None:
    try:
        return None if content is None else content.decode()
    except UnicodeDecodeError as error:
        raise FrameError(f"a text must be UTF-8: {error}") from None


def _encode_text(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


def _put_varint(out: bytearray, value: int) -> None:
    while value >= 0x80:  # noqa: PLR2004 - seven bits a byte
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def _put_bytes(out: bytearray, number: int, content: bytes | bytearray) -> None:
    _put_varint(out, number << 3 | _LENGTH)
    _put_varint(out, len(content))
    out += content
