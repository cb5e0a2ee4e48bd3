"""Messages that no client should see, and each must survive."""

from __future__ import annotations

from tests.callbacks.longconn.frames import CONTROL, DATA, Frame

GOOD = {"type": "event", "message_id": "m", "trace_id": "t", "sum": "1", "seq": "0"}


GARBAGE: dict[str, bytes | str] = {
    "empty": b"",
    "no-frame": b"\x00\xff garbage",
    "noise": bytes(byte * 7 % 251 for byte in range(1, 5000)),
    "text": "a text, and no bytes",
    "no-headers": Frame(DATA, {}, b"{}").encode(),
    "few-headers": Frame(DATA, {"type": "event"}, b"{}").encode(),
    "unknown-type": Frame(DATA, GOOD | {"type": "novel"}, b"{}").encode(),
    "sum-no-number": Frame(DATA, GOOD | {"sum": "many"}, b"{}").encode(),
    "beyond-the-last": Frame(DATA, GOOD | {"sum": "3", "seq": "3"}, b"{}").encode(),
    "before-the-first": Frame(DATA, GOOD | {"sum": "3", "seq": "-1"}, b"{}").encode(),
    "unknown-method": Frame(7, GOOD, b"{}").encode(),
    "control-of-no-type": Frame(CONTROL, {}, b"{}").encode(),
    "control-of-unknown-type": Frame(CONTROL, {"type": "novel"}, b"{}").encode(),
    "ping": Frame(CONTROL, {"type": "ping"}, b"{}").encode(),
    "pong-that-says-nothing": Frame(CONTROL, {"type": "pong"}, b"no JSON").encode(),
}
