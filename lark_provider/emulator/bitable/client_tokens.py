"""`client_token`: a UUIDv4 under which a write is done once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lark_provider.emulator import codes
from lark_provider.emulator.codes import RefusedError
from lark_provider.emulator.world.bases import Base, Replay

if TYPE_CHECKING:
    from lark_provider.emulator.routing import Call

UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE)

_REPLAY_ERRORS = {"1254608": codes.SAME_REQUEST, "1255006": codes.CLIENT_TOKEN_CONFLICT}

UNCONFIRMED = (
    "a repeated `client_token` answers as before (settable, `client_token_replay`), with another body "
    "1255006; it is remembered for `client_token_window`, per app and table"
)


def replayed(call: Call, base: Base) -> dict[str, Any] | None:
    """Return the answer that the same write got before, or None if this one is new.

    Raises:
        RefusedError: 1254037 (no UUIDv4), 1255006 or 1254608 (repeated).
    """
    token = call.query.get("client_token")
    if token is None:
        return None
    if not UUID4.fullmatch(token):
        raise RefusedError(codes.INVALID_CLIENT_TOKEN)
    known = base.replays.get(_key(call, token))
    if known is None or call.world.clock.now() - known.time >= call.settings.client_token_window:
        return None
    if known.fingerprint != hash(call.body):
        raise RefusedError(codes.CLIENT_TOKEN_CONFLICT)
    error = _REPLAY_ERRORS.get(call.settings.client_token_replay)
    if error is not None:
        raise RefusedError(error)
    return known.answer


def remember(call: Call, base: Base, answer: dict[str, Any]) -> dict[str, Any]:
    """Keep the answer of a successful write, and return it."""
    token = call.query.get("client_token")
    if token is not None:
        base.replays[_key(call, token)] = Replay(hash(call.body), answer, call.world.clock.now())
    return answer


def _key(call: Call, token: str) -> tuple[str, str, str]:
    return call.app.app_id, call.params["table_id"], token.lower()
