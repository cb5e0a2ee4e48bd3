"""Who asks for tokens of users: `client_id` and `client_secret`, in the body or by Basic authentication."""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

import orjson

from lark_emulator.codes import RefusedError
from lark_emulator.oauth import refusals
from lark_emulator.validation import read_form_or_json

if TYPE_CHECKING:
    from lark_emulator.routing import Call
    from lark_emulator.world.apps import App


def read_body(call: Call) -> dict[str, Any]:
    """Return the body, JSON or form-encoded.

    Raises:
        RefusedError: 20063.
    """
    try:
        return read_form_or_json(call)
    except orjson.JSONDecodeError:
        raise RefusedError(refusals.MALFORMED) from None


def read_required_text(body: dict[str, Any], name: str) -> str:
    """Return a required member.

    Raises:
        RefusedError: 20001 (not there), 20063 (not a string).
    """
    value = body.get(name)
    if value is None or value == "":
        raise RefusedError(refusals.MISSING)
    if not isinstance(value, str):
        raise RefusedError(refusals.MALFORMED)
    return value


def require_client(call: Call, body: dict[str, Any]) -> App:
    """Return the app that asks.

    Raises:
        RefusedError: 20070, 20001, 20048, 20002, 20069 or 20009.
    """
    basic = _parse_basic(call.request.headers.get("authorization", ""))
    if basic is not None and body.get("client_secret"):
        raise RefusedError(refusals.TWO_METHODS)
    client_id, secret = basic or (
        read_required_text(body, "client_id"),
        read_required_text(body, "client_secret"),
    )
    app = call.world.apps.get(client_id)
    if app is None:
        raise RefusedError(refusals.APP_UNKNOWN)
    app.token_requests += 1
    if not secrets.compare_digest(app.secret.encode(), secret.encode()):
        raise RefusedError(refusals.SECRET)
    if not app.enabled:
        raise RefusedError(refusals.APP_DISABLED)
    if not app.tenant_keys:
        raise RefusedError(refusals.NOT_INSTALLED)
    return app


def _parse_basic(header: str) -> tuple[str, str] | None:
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise RefusedError(refusals.MALFORMED) from None
    if not colon:
        raise RefusedError(refusals.MALFORMED)
    return unquote_plus(name), unquote_plus(secret)
