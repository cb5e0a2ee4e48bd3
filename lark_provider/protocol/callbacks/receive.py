"""The way in: whatever comes to a callback URL is proven to be Lark's, or refused.

What is asked of a request depends on what is known of the app:

| known             | body      | signature                 | verification token  |
|-------------------|-----------|---------------------------|---------------------|
| encrypt key       | encrypted | with all but a challenge  | if it is known, too |
| only the token    | plain     | Lark sends none           | yes                 |
| neither           | refused   |                           |                     |

Old card callbacks, where they are accepted, are plain in any case and signed with the token.
"""

from __future__ import annotations

from typing import Any

import orjson

from lark_provider.protocol.callbacks.incoming import CallbackKeys, Incoming
from lark_provider.protocol.callbacks.model import CardClick, Challenge, Delivery
from lark_provider.protocol.callbacks.proof import decrypt, old_card_signature, same, signature
from lark_provider.protocol.callbacks.read import modern, read
from lark_provider.protocol.callbacks.refusal import CallbackRefusedError
from lark_provider.protocol.callbacks.times import seconds

MAX_BODY_BYTES = 1024 * 1024
CARD_WINDOW = 5 * 60.0
EVENT_WINDOW = 7 * 3600.0  # Lark's last repeat comes after 6 hours
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
    """Verify, decrypt and read what came to the callback URL of an app.

    Args:
        incoming: The request.
        keys: The app's.
        now: Seconds since the epoch.
        accept_old_cards: Also take `card.action.trigger_v1`, which Lark does not encrypt.
        max_bytes: Larger bodies are refused unread.

    Returns:
        A challenge to be answered, a click on a card, or an event.

    Raises:
        CallbackRefusedError: It is not proven to be Lark's, for this app, and of now.
    """
    if keys.encrypt_key is None and keys.verification_token is None:
        raise CallbackRefusedError(
            f"Nothing is accepted for app {keys.app_id}, since neither its encrypt key nor its verification "
            f"token is known. Next: configure what {_CONSOLE}, shows.",
            status=_FORBIDDEN,
        )
    if len(incoming.body) > max_bytes:
        raise CallbackRefusedError(
            f"The body has {len(incoming.body)} bytes; the limit is {max_bytes}. Next: if Lark sent it, "
            "raise the limit.",
            status=_TOO_LARGE,
        )
    body = _object(incoming.body)
    if body is None:
        raise CallbackRefusedError("The body is no JSON object. Next: if Lark did not send it, nothing.")
    if "open_message_id" in body and "schema" not in body:
        return _old_card(incoming, body, keys, now, accepted=accept_old_cards)
    if keys.encrypt_key is None:
        return _plain(body, keys)
    return _encrypted(incoming, body, keys, keys.encrypt_key, now)


def _plain(body: dict[str, Any], keys: CallbackKeys) -> Challenge | Delivery:
    """The token is the whole proof. Who knows it can forge times as well, so there is no window."""
    if "encrypt" in body:
        raise CallbackRefusedError(
            f"The body is encrypted, and the encrypt key of app {keys.app_id} is not known. Next: configure "
            f"the one that {_CONSOLE}, shows.",
            status=_UNPROVEN,
        )
    if not _token_fits(body, keys):
        raise _wrong_token(keys)
    return _challenge(body) or _delivery(body, keys)


def _encrypted(
    incoming: Incoming, body: dict[str, Any], keys: CallbackKeys, encrypt_key: str, now: float
) -> Challenge | Delivery:
    signed = incoming.signed()
    proven = same(signed.signature, signature(signed, encrypt_key, incoming.body))
    content = _opened(body, encrypt_key)
    token_fits = content is not None and _token_fits(content, keys)
    challenge = _challenge(content) if content is not None and token_fits else None
    if challenge is not None:
        return challenge
    if not proven:
        # One refusal for all that can be wrong: else it would tell whoever cannot sign whether the padding
        # was right, and so, byte by byte, what a recorded body holds.
        raise CallbackRefusedError(
            f"It is neither signed with the encrypt key of app {keys.app_id} nor a challenge encrypted with "
            f"it. Next: if Lark sent it, compare both keys with {_CONSOLE}.",
            status=_UNPROVEN,
        )
    if content is None:
        raise CallbackRefusedError("The body is signed, but holds no encrypted JSON object. Next: report it.")
    if not token_fits:
        raise _wrong_token(keys)
    delivery = _delivery(content, keys)
    sent = seconds(signed.timestamp)
    if sent is None and ":" in signed.timestamp:
        # A date in words that we do not know: the body's own time is signed as well.
        sent = delivery.created_at.timestamp()
    if sent is None or not signed.nonce:
        raise _no_time()
    _check_age(now - sent, CARD_WINDOW if isinstance(delivery, CardClick) else EVENT_WINDOW)
    return delivery


def _old_card(
    incoming: Incoming, body: dict[str, Any], keys: CallbackKeys, now: float, *, accepted: bool
) -> Delivery:
    if not accepted:
        raise CallbackRefusedError(
            "It looks like an old card callback (card.action.trigger_v1), which is not accepted. Next: "
            "subscribe to card.action.trigger in the developer console, or allow old cards.",
            status=_UNPROVEN,
        )
    signed, token = incoming.signed(), keys.verification_token
    if token is None or not same(signed.signature, old_card_signature(signed, token, incoming.body)):
        raise CallbackRefusedError(
            f"The old card callback is not signed with the verification token of app {keys.app_id}. Next: if "
            f"Lark sent it, compare the token with {_CONSOLE}.",
            status=_UNPROVEN,
        )
    sent = seconds(signed.timestamp)
    if sent is None:
        raise _no_time()
    _check_age(now - sent, CARD_WINDOW)
    return read(modern(body, event_id=f"v1-{signed.signature}", app_id=keys.app_id, created=sent))


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _opened(body: dict[str, Any], encrypt_key: str) -> dict[str, Any] | None:
    sealed = body.get("encrypt")
    if not isinstance(sealed, str):
        return None
    try:
        return _object(decrypt(sealed, encrypt_key))
    except ValueError:
        return None


def _token_fits(content: dict[str, Any], keys: CallbackKeys) -> bool:
    """Whether the token is right, or not known to us. It is taken out, to travel no further with `raw`."""
    holder = content.get("header") if "schema" in content else content
    token = holder.pop("token", None) if isinstance(holder, dict) else None
    return keys.verification_token is None or same(token, keys.verification_token)


def _challenge(content: dict[str, Any]) -> Challenge | None:
    if content.get("type") != "url_verification" or "schema" in content:
        return None
    challenge = content.get("challenge")
    return Challenge(challenge) if isinstance(challenge, str) and challenge else None


def _delivery(content: dict[str, Any], keys: CallbackKeys) -> Delivery:
    delivery = read(content)
    if delivery.app_id not in {keys.app_id, None}:
        raise CallbackRefusedError(
            f"It is for another app than {keys.app_id}. Next: give each app a URL of its own.",
            status=_FORBIDDEN,
        )
    return delivery


def _check_age(age: float, window: float) -> None:
    if not -CLOCK_SKEW <= age <= window:
        raise CallbackRefusedError(
            f"It was sent {age:.0f} s ago; the window is {window:.0f} s. Next: if it is new, set this "
            "machine's clock.",
            status=_UNPROVEN,
        )


def _no_time() -> CallbackRefusedError:
    return CallbackRefusedError(
        "Its time stamp cannot be read, or there is no nonce. Next: if Lark sent it, report it.",
        status=_UNPROVEN,
    )


def _wrong_token(keys: CallbackKeys) -> CallbackRefusedError:
    return CallbackRefusedError(
        f"The verification token is missing, or not that of app {keys.app_id}. Next: if Lark sent it, "
        f"compare the token with {_CONSOLE}.",
        status=_UNPROVEN,
    )
