"""The part of the control plane for callbacks: what is set in the console of an app, and what users do."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from lark_emulator.callbacks import payloads
from lark_emulator.callbacks.post import check_url
from lark_emulator.callbacks.subscription import challenge
from lark_emulator.control.specs import (
    MAX_COPIES,
    read_count,
    read_flag,
    read_text,
    refuse_unknown,
    require_known,
)
from lark_emulator.extras import require_cryptography
from lark_emulator.world.apps import DEFAULT_APP_ID, TENANT_KEY, Subscription

if TYPE_CHECKING:
    from lark_emulator.lark import Lark
    from lark_emulator.world.apps import App


def _find_app(lark: Lark, spec: dict[str, Any]) -> App:
    return require_known(lark.world.apps, "app", read_text(spec, "app_id") or DEFAULT_APP_ID)


async def set_callback(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Set where an app wants its callbacks and events; the address must return a challenge first.

    Args:
        lark: The emulator that holds the app.
        spec: Arguments by name: `app_id`; `url` (empty = no callbacks); `event_url` (absent = `url`);
            `encrypt_key` (absent = nothing is encrypted or signed); `verification_token` (generated if
            absent); `old_cards` (card callbacks come as `card.action.trigger_v1`); `verify` (false: no
            challenge).

    Returns:
        `app_id`, `url`, `event_url`, `encrypt_key` and `verification_token`; nothing else ever shows these.

    Raises:
        MissingExtraError: there is an `encrypt_key`, and what encrypts is not installed.
        ValueError: an address did not return the challenge; nothing is changed then.
    """
    refuse_unknown(
        spec, "app_id", "url", "event_url", "encrypt_key", "verification_token", "old_cards", "verify"
    )
    app = _find_app(lark, spec)
    url = read_text(spec, "url")
    to = Subscription(
        url,
        url if spec.get("event_url") is None else read_text(spec, "event_url"),
        read_text(spec, "verification_token") or secrets.token_hex(16),
        read_text(spec, "encrypt_key"),
        read_flag(spec, "old_cards", default=False),
    )
    if to.encrypt_key:
        require_cryptography("an Encrypt Key")
    for address in sorted({to.url, to.event_url} - {""}):
        check_url(address)
        if read_flag(spec, "verify", default=True):
            await challenge(lark.courier, address, to, lark.settings.challenge_timeout)
    app.subscription = to
    return {
        "app_id": app.app_id,
        "url": to.url,
        "event_url": to.event_url,
        "encrypt_key": to.encrypt_key,
        "verification_token": to.verification_token,
    }


async def push_event(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Send an app an event, and wait for the first try.

    Args:
        lark: The emulator that holds the app.
        spec: Arguments by name: `app_id`; `type`, such as `im.message.receive_v1`; `event` (its content);
            `version` (`2.0` or `1.0`); `tenant_key`; `copies` (how many times it arrives, 1 if absent).

    Returns:
        The event as in the state: `event_id`, `state`, `attempts` (each with `at`, `way`, `status` and
        `error`) and `next_attempt` (seconds since the epoch, or null).

    Raises:
        ValueError: the app has no address for events and no long connection.
    """
    refuse_unknown(spec, "app_id", "type", "event", "version", "tenant_key", "copies")
    app, kind, event = _find_app(lark, spec), read_text(spec, "type"), spec.get("event", {})
    copies, version = read_count(spec, "copies", limit=MAX_COPIES), read_text(spec, "version") or "2.0"
    if not kind or not isinstance(event, dict):
        raise ValueError("an event needs a 'type', and an object as 'event'")
    now, tenant_key = lark.clock.get_time(), read_text(spec, "tenant_key") or TENANT_KEY
    if version == "2.0":
        payload = payloads.make_event(app, now, kind, event, tenant_key)
    elif version == "1.0":
        ids = {"app_id": app.app_id, "tenant_key": tenant_key}
        payload = payloads.make_old_event(app, now, {**ids, **event, "type": kind})
    else:
        raise ValueError(f"'version' must be 2.0 or 1.0, not {version!r}")
    delivery = lark.events.push(app, payload, copies=copies)
    if delivery is None:
        raise ValueError(f"app {app.app_id!r} has no address for events and no long connection")
    await lark.events.settle(delivery)
    return delivery.to_dict()
