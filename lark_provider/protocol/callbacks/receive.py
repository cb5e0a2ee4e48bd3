"""Verify requests to a callback URL: what is not proven to be Lark's is refused.

What a request must carry depends on the keys that are known:

| known             | body      | signature                 | verification token  |
|-------------------|-----------|---------------------------|---------------------|
| encrypt key       | encrypted | with all but a challenge  | if it is known, too |
| only the token    | plain     | Lark sends none           | yes                 |
| neither           | refused   |                           |                     |

Old card callbacks, where they are accepted, are plain in any case and signed with the token.

While a key is replaced, the previous one is valid as well. Every request is compared with all valid keys, in
constant time, and refused with the same text whatever did not match.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import orjson

from lark_provider.protocol.callbacks.incoming import CallbackKeys, Incoming
from lark_provider.protocol.callbacks.model import CardClick, Challenge, Delivery
from lark_provider.protocol.callbacks.proof import (
    compute_old_card_signature,
    compute_signature,
    decrypt,
    matches_secret,
)
from lark_provider.protocol.callbacks.read import assign_app, modernize, read
from lark_provider.protocol.callbacks.times import parse_seconds
from lark_provider.protocol.errors import CallbackRefusedError
from lark_provider.support.secret import Secret

MAX_BODY_BYTES = 1024 * 1024
CARD_WINDOW = 5 * 60.0
EVENT_WINDOW = 7.5 * 3600.0  # Lark repeats after 15 s, 5 min, 1 h and 6 h more: the last time after 7.1 h
CLOCK_SKEW = 5 * 60.0
_UNPROVEN, _FORBIDDEN, _TOO_LARGE = 401, 403, 413
_CONSOLE = "the developer console, Events & callbacks → Encryption strategy"


def receive(
    incoming: Incoming,
    keys: CallbackKeys,
    now: float,
    *,
    accept_old_cards: bool = False,
    max_bytes: int = MAX_BODY_BYTES,
) -> Challenge | Delivery:
    """Verify, decrypt and read a request to the callback URL of an app.

    Args:
        incoming: The request.
        keys: The app's keys.
        now: Seconds since the epoch.
        accept_old_cards: Also take `card.action.trigger_v1`, which Lark does not encrypt.
        max_bytes: Larger bodies are refused unread.

    Returns:
        A challenge to be answered, a click on a card, or an event.

    Raises:
        CallbackRefusedError: It is not proven to be Lark's, for this app, and recent.
    """
    if keys.encrypt_key is None and keys.verification_token is None:
        raise CallbackRefusedError(
            f"No encrypt key or verification token is configured for app {keys.app_id}. Next: copy them from "
            f"{_CONSOLE}.",
            status=_FORBIDDEN,
            may_be_stale=True,
            reason="no_keys",
        )
    if len(incoming.body) > max_bytes:
        raise CallbackRefusedError(
            f"The body has {len(incoming.body)} bytes; the limit is {max_bytes}. Next: if Lark sent it, "
            "raise the limit.",
            status=_TOO_LARGE,
            reason="too_large",
        )
    body = _parse_body(incoming.body)
    if body is None:
        raise CallbackRefusedError(
            "The body is not a JSON object. Next: if Lark sent it, report it; ignore it otherwise."
        )
    if "open_message_id" in body and "schema" not in body:
        return _receive_old_card(incoming, body, keys, now, accepted=accept_old_cards)
    if keys.encrypt_key is None:
        return _receive_plain(body, keys, now)
    return _receive_encrypted(incoming, body, keys, now)


def _receive_plain(body: dict[str, Any], keys: CallbackKeys, now: float) -> Challenge | Delivery:
    """Check the token, the only proof here. Times are not checked: who has the token can forge them."""
    if "encrypt" in body:
        raise CallbackRefusedError(
            f"The body is encrypted, but no encrypt key is configured for app {keys.app_id}. Next: copy it "
            f"from {_CONSOLE}.",
            status=_UNPROVEN,
            may_be_stale=True,
            reason="no_keys",
        )
    if not _pop_and_verify_token(body, keys, now):
        raise _make_token_error(keys)
    return _find_challenge(body) or _read_delivery(body, keys)


def _receive_encrypted(
    incoming: Incoming, body: dict[str, Any], keys: CallbackKeys, now: float
) -> Challenge | Delivery:
    signed, encrypt_keys = incoming.read_signature_headers(), keys.list_encrypt_keys(now)
    signed_with = [
        key
        for key in encrypt_keys
        if matches_secret(signed.signature, compute_signature(signed, key, incoming.body))
    ]
    content = _decrypt(body, signed_with or encrypt_keys)
    token_is_valid = content is not None and _pop_and_verify_token(content, keys, now)
    challenge = _find_challenge(content) if content is not None and token_is_valid else None
    if challenge is not None:
        return challenge
    if not signed_with:
        # One error for all causes: one for wrong padding would let an attacker without the key decrypt a
        # recorded body byte by byte (padding oracle).
        raise CallbackRefusedError(
            f"The request is neither signed with the encrypt key of app {keys.app_id} nor a challenge "
            f"encrypted with it. Next: if Lark sent it, compare both keys with {_CONSOLE}.",
            status=_UNPROVEN,
            may_be_stale=True,
            reason="signature",
        )
    if content is None:
        raise CallbackRefusedError(
            "The body is signed, but does not contain an encrypted JSON object. Next: report it."
        )
    if not token_is_valid:
        raise _make_token_error(keys)
    delivery = _read_delivery(content, keys)
    sent = parse_seconds(signed.timestamp)
    if sent is None and ":" in signed.timestamp:
        # A date in an unknown notation: the time in the body, which is signed as well, is checked instead.
        sent = delivery.created_at.timestamp()
    if sent is None or not signed.nonce:
        raise _make_timestamp_error()
    _check_age(now - sent, CARD_WINDOW if isinstance(delivery, CardClick) else EVENT_WINDOW)
    return delivery


def _receive_old_card(
    incoming: Incoming, body: dict[str, Any], keys: CallbackKeys, now: float, *, accepted: bool
) -> Delivery:
    if not accepted:
        raise CallbackRefusedError(
            "The request looks like an old card callback (card.action.trigger_v1), which is not accepted. "
            "Next: subscribe to card.action.trigger in the developer console, or allow old cards.",
            status=_UNPROVEN,
            reason="old_card",
        )
    signed = incoming.read_signature_headers()
    signed_with = [
        token
        for token in keys.verification_tokens(now)
        if matches_secret(signed.signature, compute_old_card_signature(signed, token, incoming.body))
    ]
    if not signed_with:
        raise CallbackRefusedError(
            f"The old card callback is not signed with the verification token of app {keys.app_id}. Next: if "
            f"Lark sent it, compare the token with {_CONSOLE}.",
            status=_UNPROVEN,
            may_be_stale=True,
            reason="signature",
        )
    sent = parse_seconds(signed.timestamp)
    if sent is None:
        raise _make_timestamp_error()
    _check_age(now - sent, CARD_WINDOW)
    return read(modernize(body, event_id=f"v1-{signed.signature}", app_id=keys.app_id, created=sent))


def _parse_body(data: bytes) -> dict[str, Any] | None:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(value, dict):
        return None
    for holder in (value, value.get("header")):
        if isinstance(holder, dict) and isinstance(holder.get("token"), str):
            holder["token"] = Secret(holder["token"])
    return value


def _decrypt(body: dict[str, Any], encrypt_keys: Sequence[str]) -> dict[str, Any] | None:
    """Decrypt with the first key that fits. All keys are tried, so that the time reveals nothing."""
    sealed, content = body.get("encrypt"), None
    if not isinstance(sealed, str):
        return None
    for key in encrypt_keys:
        with suppress(ValueError):
            decrypted = _parse_body(decrypt(sealed, key))
            content = decrypted if content is None else content
    return content


def _pop_and_verify_token(content: dict[str, Any], keys: CallbackKeys, now: float) -> bool:
    """Remove the token from the content, and return whether it is valid, or no token is known."""
    holder = content.get("header") if "schema" in content else content
    token = holder.pop("token", None) if isinstance(holder, dict) else None
    tokens = keys.verification_tokens(now)
    is_valid = not tokens
    for expected in tokens:  # All of them are compared, in constant time.
        is_valid |= matches_secret(token, expected)
    return is_valid


def _find_challenge(content: dict[str, Any]) -> Challenge | None:
    if content.get("type") != "url_verification" or "schema" in content:
        return None
    challenge = content.get("challenge")
    return Challenge(challenge) if isinstance(challenge, str) and challenge else None


def _read_delivery(content: dict[str, Any], keys: CallbackKeys) -> Delivery:
    delivery = read(content)
    if delivery.app_id not in {keys.app_id, None, ""}:
        raise CallbackRefusedError(
            f"The delivery is for an app other than {keys.app_id}. Next: give each app its own URL.",
            status=_FORBIDDEN,
            reason="other_app",
        )
    return assign_app(delivery, keys.app_id)


def _check_age(age: float, window: float) -> None:
    if not -CLOCK_SKEW <= age <= window:
        raise CallbackRefusedError(
            f"The request is {age:.0f} s old; only {-CLOCK_SKEW:.0f} to {window:.0f} s are accepted. Next: "
            "if it is new, set this machine's clock.",
            status=_UNPROVEN,
            reason="stale",
        )


def _make_timestamp_error() -> CallbackRefusedError:
    return CallbackRefusedError(
        "The request has no readable time stamp or no nonce. Next: if Lark sent it, report it.",
        status=_UNPROVEN,
        reason="stale",
    )


def _make_token_error(keys: CallbackKeys) -> CallbackRefusedError:
    return CallbackRefusedError(
        f"The verification token is missing, or is not that of app {keys.app_id}. Next: if Lark sent it, "
        f"compare the token with {_CONSOLE}.",
        status=_UNPROVEN,
        may_be_stale=True,
        reason="token",
    )
