"""The meaning of frames: pings, pongs, deliveries, and the answers to deliveries."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from lark_provider.protocol.longconn.frames import CONTROL, DATA, Frame, FrameError, encode

EVENT, CARD = "event", "card"
_TYPE, _MESSAGE_ID, _PARTS, _PART, _ELAPSED = "type", "message_id", "sum", "seq", "biz_rt"


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a ping.

    Attributes:
        config: The changes to the client's configuration, as Lark sent them; often empty.
    """

    config: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """A click or an event, or a part of one.

    Attributes:
        kind: `EVENT` or `CARD`. Clicks come as `EVENT`, unless the app's callback subscription is not set to
            the long connection.
        message_id: The id of the message, the same for all of its parts.
        part: The number of the part, from 0.
        parts: How many parts the message has.
    """

    kind: str
    message_id: str
    part: int
    parts: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """A valid frame that has no meaning here; it is not answered.

    Attributes:
        what: A description of the frame, for the log.
    """

    what: str


Meaning: TypeAlias = Pong | Part | Unknown


def ping(service: int) -> bytes:
    """Return the frame of a ping.

    Args:
        service: The id of the service, from the connection's URL.
    """
    return encode(Frame(CONTROL, ((_TYPE, "ping"),), service=service))


def read(frame: Frame) -> Meaning:
    """Return what a frame means.

    Args:
        frame: The frame, as it arrived.

    Raises:
        FrameError: It is a delivery without valid numbers.
    """
    kind = frame.find_header(_TYPE)
    if frame.method == CONTROL:
        return (
            Pong(_parse_config(frame.payload)) if kind == "pong" else Unknown(f"control frame {kind!a:.40}")
        )
    if frame.method != DATA or kind not in {EVENT, CARD}:
        return Unknown(f"frame of method {frame.method}, type {kind!a:.40}")
    return Part(
        kind,
        frame.find_header(_MESSAGE_ID) or "",
        _read_number(frame, _PART, 0),
        max(1, _read_number(frame, _PARTS, 1)),
    )


def answer(frame: Frame, code: int, body: bytes | None, milliseconds: int) -> bytes:
    """Return the frame that answers a delivery: the same one, with another payload.

    Args:
        frame: The delivery; of several parts, the one that completed the message.
        code: 200 if the delivery is stored, 500 if Lark is to repeat it.
        body: For a click, the JSON of its answer; None for nothing to show.
        milliseconds: The time from its arrival to its answer, in milliseconds.
    """
    payload: dict[str, Any] = {"code": code}
    if body is not None:
        payload |= {"headers": {}, "data": base64.b64encode(body).decode()}
    return encode(
        Frame(
            method=frame.method,
            headers=(*frame.headers, (_ELAPSED, str(max(0, milliseconds)))),
            payload=orjson.dumps(payload),
            service=frame.service,
            seq_id=frame.seq_id,
            log_id=frame.log_id,
            payload_encoding=frame.payload_encoding,
            payload_type=frame.payload_type,
            log_id_new=frame.log_id_new,
        )
    )


def _read_number(frame: Frame, name: str, absent: int) -> int:
    text = frame.find_header(name)
    if text is None or text == "":
        return absent
    if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) <= 10):  # noqa: PLR2004 - an int32
        raise FrameError(f"The frame is malformed: its header {name} is not a number: {text!a:.40}.")
    return int(text)


def _parse_config(payload: bytes | None) -> dict[str, Any]:
    """Return the configuration in a pong; an empty one if it is not a JSON object."""
    try:
        config = orjson.loads(payload or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return config if isinstance(config, dict) else {}
