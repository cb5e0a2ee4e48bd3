"""Decide what to do after a failure to connect: retry, retry much later, or wait until a person has acted."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import NamedTuple

from lark_provider.protocol.errors import ConfigurationError, LarkAPIError, LarkError
from lark_provider.protocol.redact import redact


class ConnectVerdict(enum.Enum):
    """What to do after a failure to connect."""

    RETRY = "retry"
    """Reconnect with the delays of the client's configuration."""
    CROWDED = "crowded"
    """The app has too many connections: retry at intervals of minutes."""
    REFUSED = "refused"
    """A retry fails until a person has corrected something."""


class ConnectRefusal(NamedTuple):
    """Why a connection could not be opened.

    Attributes:
        verdict: The verdict: what to do about it.
        reason: What is wrong and the next step, without secrets.
    """

    verdict: ConnectVerdict
    reason: str


_OK = 200
_FORBIDDEN, _AUTH, _MISSING, _WRONG, _TOO_MANY = 403, 514, 1000040344, 1000040345, 1000040350
_CONSOLE = "choose the long connection under Events & callbacks in the developer console of a custom app"
_CREDENTIALS = "check the app's id and secret"
_UNPUBLISHED = (
    f"{_CREDENTIALS}; Lark says the same of an app that is not published or has not switched on the long "
    f"connection: publish a version, and {_CONSOLE}"
)
_FEWER = "stop some of this app's listeners: Lark allows 50 connections, and has refused the third"
_STEPS = {
    _FORBIDDEN: _CONSOLE,
    _AUTH: _CREDENTIALS,
    _MISSING: _CREDENTIALS,
    _WRONG: _UNPUBLISHED,
    _TOO_MANY: _FEWER,
}


def of_discovery(app_id: str, error: LarkError) -> ConnectRefusal:
    """Return the refusal for an error of the request for an address.

    Args:
        app_id: The app.
        error: The error that the request raised.
    """
    if isinstance(error, ConfigurationError):
        return ConnectRefusal(ConnectVerdict.REFUSED, str(error))
    # Any other HTTP status means that something on the way to the endpoint has answered, such as a gateway.
    if isinstance(error, LarkAPIError) and error.http_status == _OK and error.code in _STEPS:
        verdict = ConnectVerdict.CROWDED if error.code == _TOO_MANY else ConnectVerdict.REFUSED
        return _make_refusal(app_id, verdict, error.code, error.msg)
    return ConnectRefusal(ConnectVerdict.RETRY, str(error))


def of_handshake(app_id: str, status: int, headers: Mapping[str, str], *secrets: str) -> ConnectRefusal:
    """Return the refusal for a WebSocket handshake that failed.

    Args:
        app_id: The app.
        status: The HTTP status.
        headers: The headers of the answer, with case-insensitive names.
        secrets: Values that must not be shown if the answer quotes them.
    """
    code, inner = (_parse_number(headers.get(name)) for name in ("Handshake-Status", "Handshake-Autherrcode"))
    said = redact(headers.get("Handshake-Msg", ""), *secrets)[:200]
    if code == _AUTH and inner == _TOO_MANY:
        return _make_refusal(app_id, ConnectVerdict.CROWDED, inner, said)
    if code == _FORBIDDEN:
        return _make_refusal(app_id, ConnectVerdict.REFUSED, code, said)
    shown = f"HTTP {status}" if code is None else f"{code} {said}".strip()
    if inner is not None:
        shown += f" ({inner})"
    return ConnectRefusal(
        ConnectVerdict.RETRY,
        f"The WebSocket handshake failed: {shown}. Next: nothing; it is repeated. If it keeps failing, "
        "check the proxies on the way.",
    )


def _make_refusal(app_id: str, verdict: ConnectVerdict, code: int, said: str) -> ConnectRefusal:
    shown = f"{code}: {said}" if said else str(code)
    text = f"Lark refused the long connection of app {app_id} with {shown.rstrip('.')}"
    return ConnectRefusal(verdict, f"{text}. Next: {_STEPS[code]}.")


def _parse_number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
