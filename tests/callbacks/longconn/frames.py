"""Frames of the long connection, by hand: proto2, package pbbp2."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

_VARINT, _BYTES = 0, 2
CONTROL, DATA = 0, 1
_HEADERS, _PAYLOAD = 5, 8


@dataclass(frozen=True)
class Frame:
    """A frame."""

    method: int
    headers: dict[str, str]
    payload: bytes = b""
    seq_id: int = 0
    log_id: int = 0
    service: int = 1
    log_id_new: str = ""

    def encode(self) -> bytes:
        """Return the frame as it is sent."""
        parts = [
            _encode_number(number, value)
            for number, value in ((1, self.seq_id), (2, self.log_id), (3, self.service), (4, self.method))
        ]
        parts += [
            _encode_text(_HEADERS, _encode_text(1, key.encode()) + _encode_text(2, value.encode()))
            for key, value in self.headers.items()
        ]
        if self.payload:
            parts.append(_encode_text(_PAYLOAD, self.payload))
        if self.log_id_new:
            parts.append(_encode_text(9, self.log_id_new.encode()))
        return b"".join(parts)


@dataclass
class _Read:
    numbers: dict[int, int] = field(default_factory=dict)
    texts: dict[int, list[bytes]] = field(default_factory=dict)


def decode(data: bytes) -> Frame:
    """Read a frame."""
    read = _read(data)
    headers = dict(_read_header(raw) for raw in read.texts.get(_HEADERS, []))
    payload = read.texts.get(_PAYLOAD, [b""])[0]
    seq_id, log_id, service, method = (read.numbers[number] for number in (1, 2, 3, 4))
    return Frame(method, headers, payload, seq_id, log_id, service, read.texts.get(9, [b""])[0].decode())


def _read_header(data: bytes) -> tuple[str, str]:
    texts = _read(data).texts
    return texts[1][0].decode(), texts[2][0].decode()


def _read(data: bytes) -> _Read:
    fields, stream = _Read(), iter(data)
    for key in stream:
        number, kind = key >> 3, key & 7
        value = _varint(stream)
        if kind == _VARINT:
            fields.numbers[number] = value
        else:
            assert kind == _BYTES
            fields.texts.setdefault(number, []).append(bytes(next(stream) for _ in range(value)))
    return fields


def _varint(stream: Iterator[int]) -> int:
    value = shift = 0
    for byte in stream:
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    return value


def _encode(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _encode_number(number: int, value: int) -> bytes:
    return bytes([number << 3 | _VARINT]) + _encode(value)


def _encode_text(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | _BYTES]) + _encode(len(value)) + value
