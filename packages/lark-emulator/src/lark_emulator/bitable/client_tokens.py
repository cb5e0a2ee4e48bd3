"""`client_token`: a UUIDv4 under which a write is done once."""

from __future__ import annotations

import hashlib
import itertools
import re
from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.world.bases import Base, Replay

if TYPE_CHECKING:
    from collections.abc import Callable

    from lark_emulator.routing import Call

UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE)

_REPLAY_ERRORS = {"1254608": codes.SAME_REQUEST, "1255006": codes.CLIENT_TOKEN_CONFLICT}

UNCONFIRMED = (
    "a repeated `client_token` answers as before (settable, `client_token_replay`), with another body "
    "1255006; it is remembered for `client_token_window`, per app and table; a repeat while the first "
    "request waits to be performed is performed in its place (settable, `client_token_waiting`: else 1254608)"
)


def find_replay(call: Call, base: Base) -> dict[str, Any] | None:
    """Return the answer that the same write got before, or None if this one is new.

    Raises:
        RefusedError: 1254037 (no UUIDv4), 1255006 or 1254608 (repeated).
    """
    token = call.query.get("client_token")
    if token is None:
        return None
    if not UUID4.fullmatch(token):
        raise RefusedError(codes.INVALID_CLIENT_TOKEN)
    refused = call.settings.client_token_waiting in _REPLAY_ERRORS
    if refused and call.world.waiting_tokens[_make_key(call, token)]:
        raise RefusedError(codes.SAME_REQUEST)
    known = base.replays.get(_make_key(call, token))
    if known is None or _is_forgotten(call, known, call.world.clock.get_time()):
        return None
    if known.fingerprint != _compute_fingerprint(call):
        raise RefusedError(codes.CLIENT_TOKEN_CONFLICT)
    error = _REPLAY_ERRORS.get(call.settings.client_token_replay)
    if error is not None:
        raise RefusedError(error)
    answer: dict[str, Any] = orjson.loads(known.answer)
    return answer


def remember(call: Call, base: Base, answer: dict[str, Any]) -> dict[str, Any]:
    """Keep the answer of a successful write, and return it."""
    token = call.query.get("client_token")
    if token is None:
        return answer
    now = call.world.clock.get_time()
    replays, key = base.replays, _make_key(call, token)
    replays.pop(key, None)  # the newest stand last
    replays[key] = Replay(_compute_fingerprint(call), orjson.dumps(answer), now)
    for old in list(
        itertools.takewhile(lambda replay_key: _is_forgotten(call, replays[replay_key], now), replays)
    ):
        del replays[old]
    return answer


def note_waiting(call: Call) -> Callable[[], None]:
    """Note the token of a write that is performed later.

    Returns:
        A function that removes the note, to be called once the write is performed.
    """
    token = call.query.get("client_token")
    if token is None or "table_id" not in call.params:
        return lambda: None
    key = _make_key(call, token)
    call.world.waiting_tokens[key] += 1

    def on_done() -> None:
        call.world.waiting_tokens[key] -= 1

    return on_done


def _is_forgotten(call: Call, replay: Replay, now: float) -> bool:
    return now - replay.time >= call.settings.client_token_window


def _compute_fingerprint(call: Call) -> str:
    """Return what a repeat has in common with the first request, in every process that loads the state.

    Endpoints do not answer for one another.
    """
    return hashlib.sha256(call.route.name.encode() + b"\n" + call.body).hexdigest()


def _make_key(call: Call, token: str) -> tuple[str, str, str]:
    return call.app.app_id, call.params["table_id"], token.lower()
