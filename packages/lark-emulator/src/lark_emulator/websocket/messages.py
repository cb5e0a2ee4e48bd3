"""What travels in the frames: events and card callbacks, and their acknowledgements. Pure."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import orjson

from lark_emulator.websocket.frames import CONTROL, DATA, Frame

TYPE, MESSAGE_ID, TRACE_ID, SUM, SEQ, BIZ_RT = "type", "message_id", "trace_id", "sum", "seq", "biz_rt"
EVENT, CARD, PING, PONG = "event", "card", "ping", "pong"


@dataclass(frozen=True, slots=True)
class PushMessage:
    """An event or a card callback on its way to one connection.

    Args:
        message_id: The id of the message, by which the acknowledgement refers to it.
        kind: The type of the message: `event` or `card`.
        payload: The event or card callback as JSON.
        trace_id: The trace id of the message, for logs.
        seq_id: The sequence number of the message, the same in all its frames.
        log_id: The number of the message in logs, the same in all its frames.
    """

    message_id: str
    kind: str
    payload: bytes
    trace_id: str
    seq_id: int
    log_id: int

    def make_frames(self, service: int, parts: int) -> list[Frame]:
        """Return its frames, in order; no part is empty, since clients wait for such a part without end."""
        parts = max(1, min(parts, len(self.payload)))
        size, longer = divmod(len(self.payload), parts)
        frames, start = [], 0
        for part in range(parts):
            end = start + size + (part < longer)
            headers = {
                TYPE: self.kind,
                MESSAGE_ID: self.message_id,
                TRACE_ID: self.trace_id,
                SUM: str(parts),
                SEQ: str(part),
            }
            frames.append(
                Frame(
                    DATA,
                    tuple(headers.items()),
                    self.payload[start:end],
                    service,
                    self.seq_id,
                    self.log_id,
                    log_id_new=self.trace_id,
                )
            )
            start = end
        return frames


@dataclass(frozen=True, slots=True)
class Ack:
    """What a client acknowledged.

    Args:
        code: The status of the acknowledgement: 200, or 500 if the client's handler failed.
        data: The client's answer, a toast or a card as JSON; None without one. What is not Base64 is left as
            it came.
        biz_rt: How long the client's handler took, in milliseconds; the Node SDK sends it with the wrong
            sign.
        problems: The ways in which it differs from an acknowledgement that follows the rules.
        connection_id: The id of the connection over which the acknowledgement came.
    """

    code: int
    data: bytes | None
    biz_rt: str | None
    problems: tuple[str, ...]
    connection_id: str


def read_ack(frame: Frame, sent: list[Frame], connection_id: str) -> Ack:
    """Return what an acknowledgement says.

    Args:
        frame: The frame of the acknowledgement.
        sent: The frames of the message; the acknowledgement repeats one of them.
        connection_id: The id of the connection over which it came.

    Raises:
        ValueError: it cannot be read.
    """
    content = orjson.loads(frame.payload or b"")
    code = content.get("code") if isinstance(content, dict) else None
    if not isinstance(code, int) or isinstance(code, bool):
        raise ValueError(f"an acknowledgement is {{'code': 200, …}}, not {(frame.payload or b'')[:200]!r}")  # noqa: TRY004
    problems = []
    raw_data = content.get("data")
    data: bytes | None = None
    if isinstance(raw_data, str):
        try:
            data = base64.b64decode(raw_data, validate=True)
        except binascii.Error:
            data = raw_data.encode()
            problems.append("data must be Base64")
    elif raw_data is not None:
        data = orjson.dumps(raw_data)
        problems.append("data must be a Base64 string")
    echoed = tuple(pair for pair in frame.headers if pair[0] != BIZ_RT)
    if not any(set(echoed) >= set(sent_frame.headers) for sent_frame in sent):
        problems.append("it must repeat the headers of the message")
    # The Node SDK repeats LogID rounded to a double, as JavaScript's numbers are, and Lark accepts that.
    same_ids = (frame.seq_id, frame.service) == (sent[0].seq_id, sent[0].service)
    if not same_ids or float(frame.log_id) != float(sent[0].log_id):
        problems.append("it must repeat SeqID, LogID and service of the message")
    biz_rt = frame.get_header(BIZ_RT)
    if biz_rt is None and code == 200:  # noqa: PLR2004 - OK
        problems.append("the header biz_rt is missing")
    return Ack(code, data, biz_rt, tuple(problems), connection_id)


def make_pong(ping: Frame, config: dict[str, Any] | None) -> Frame:
    """Return the answer to a ping: with the client's configuration, or without a payload."""
    payload = None if config is None else orjson.dumps(config)
    return Frame(CONTROL, ((TYPE, PONG),), payload, ping.service, ping.seq_id, ping.log_id)
