"""How callbacks and events are wrapped for an app, and the check of its address."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator.callbacks import signing
from lark_emulator.callbacks.post import UnreachableError

if TYPE_CHECKING:
    from lark_emulator.callbacks.post import Courier
    from lark_emulator.world.apps import Subscription


def wrap(to: Subscription, payload: dict[str, Any]) -> tuple[dict[str, str], bytes]:
    """Return headers and body of an event or a callback: encrypted and signed if there is a key.

    Signatures carry the wall time, however far the emulator's clock was moved: the receiver compares it
    with a clock that was not.
    """
    body = orjson.dumps(payload)
    if not to.encrypt_key:
        return {}, body
    body = signing.encrypt(body, to.encrypt_key, secrets.token_bytes(16))
    timestamp, nonce = _make_timestamp_and_nonce()
    return _make_signature_headers(
        timestamp, nonce, signing.compute_signature(timestamp, nonce, to.encrypt_key, body)
    ), body


def wrap_old(to: Subscription, payload: dict[str, Any]) -> tuple[dict[str, str], bytes]:
    """Return headers and body of an old card callback: signed with the verification token."""
    body = orjson.dumps(payload)
    timestamp, nonce = _make_timestamp_and_nonce()
    signature = signing.compute_old_signature(timestamp, nonce, to.verification_token, body)
    return _make_signature_headers(timestamp, nonce, signature), body


def _make_timestamp_and_nonce() -> tuple[str, str]:
    return str(int(time.time())), secrets.token_hex(8)


def _make_signature_headers(timestamp: str, nonce: str, signature: str) -> dict[str, str]:
    return {signing.TIMESTAMP: timestamp, signing.NONCE: nonce, signing.SIGNATURE: signature}


async def challenge(courier: Courier, url: str, to: Subscription, seconds: float) -> None:
    """Ask an address whether it is willing; the question is encrypted if there is a key, and not signed.

    Raises:
        ValueError: it did not return the challenge in time.
    """
    expected = secrets.token_hex(16)
    body = orjson.dumps({"challenge": expected, "token": to.verification_token, "type": "url_verification"})
    if to.encrypt_key:
        body = signing.encrypt(body, to.encrypt_key, secrets.token_bytes(16))
    try:
        reply = await courier.post(url, {}, body, timeout=seconds)
    except UnreachableError as error:
        raise ValueError(f"{url} did not return the challenge: {error}") from None
    try:
        returned = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        returned = None
    if reply.status != 200 or not isinstance(returned, dict) or returned.get("challenge") != expected:  # noqa: PLR2004 - OK
        raise ValueError(f"{url} did not return the challenge, but {reply.status} {reply.body[:200]!r}")
