"""Tokens of users without a browser, and who sits at the browser of the authorization page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator.control.specs import read_flag, read_name_set, read_text, refuse_unknown, require_known
from lark_emulator.tokens import make_long_token
from lark_emulator.world.apps import DEFAULT_APP_ID
from lark_emulator.world.consents import Consent, RefreshToken

if TYPE_CHECKING:
    from lark_emulator.lark import Lark


def visit(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Say who sees the authorization page from now on (`user_id`), and whether they refuse (`deny`)."""
    refuse_unknown(spec, "user_id", "deny")
    user_id = read_text(spec, "user_id")
    if user_id:
        require_known(lark.world.users, "user", user_id)
    consents = lark.world.consents
    consents.visitor, consents.denies = user_id, read_flag(spec, "deny", default=False)
    return {"user_id": consents.visitor or next(iter(lark.world.users), ""), "deny": consents.denies}


def issue(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Issue tokens of a user, as if they had been at the authorization page.

    Args:
        lark: The emulator that issues the tokens.
        spec: Arguments by name: `user_id`; `app_id` (absent = the app that exists from the start); `scopes`
            (a list, or null for everything).

    Returns:
        `user_access_token`, `expires_in`, `refresh_token`, `refresh_token_expires_in`, `open_id`.
    """
    refuse_unknown(spec, "user_id", "app_id", "scopes")
    user = require_known(lark.world.users, "user", read_text(spec, "user_id"))
    app = require_known(lark.world.apps, "app", read_text(spec, "app_id") or DEFAULT_APP_ID)
    scopes, now = read_name_set(spec, "scopes"), lark.clock.get_time()
    consent = Consent(app, user.tenant_key, user, scopes, now)
    token, seconds = lark.tokens.give_user(app, user.tenant_key, user, scopes, jwt=True)
    life = lark.settings.refresh_token_life
    refresh = lark.world.consents.add_refresh(make_long_token(), RefreshToken(consent, now + life, jwt=True))
    return {
        "user_access_token": token,
        "expires_in": seconds,
        "refresh_token": refresh,
        "refresh_token_expires_in": round(life),
        "open_id": user.get_id(app, "open_id"),
    }
