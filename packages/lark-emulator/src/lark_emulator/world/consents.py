"""What users allowed apps to do: authorization codes, refresh tokens, and who sits at the browser."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lark_emulator.world.apps import App
    from lark_emulator.world.users import User

#: What every authorization brings, asked for or not.
BASIC_SCOPES = frozenset({"auth:user.id:read", "user_profile"})
OFFLINE = "offline_access"


@dataclass(slots=True)
class Consent:
    """What one user allowed one app.

    Args:
        app: The app that may act for the user.
        tenant_key: The key of the user's tenant.
        user: The user who allowed it.
        scopes: The scopes that the user granted to the app; None = everything, as only the control plane
            gives it.
        since: When the user allowed it, in seconds since the epoch.
    """

    app: App
    tenant_key: str
    user: User
    scopes: frozenset[str] | None
    since: float


@dataclass(slots=True)
class AuthorizationCode:
    """A code that the authorization page gave; `challenge` and `method` are those of PKCE."""

    consent: Consent
    redirect_uri: str
    expires: float
    challenge: str = ""
    method: str = "plain"
    used: bool = False


@dataclass(slots=True)
class RefreshToken:
    """A refresh token, good for one use; those of older endpoints (`jwt` false) are good there only."""

    consent: Consent
    expires: float
    jwt: bool
    used: bool = False
    revoked: bool = False


@dataclass(slots=True)
class Consents:
    """All codes and refresh tokens, used ones included, as Lark tells them from unknown ones."""

    visitor: str = ""
    """The user_id of who sees the authorization page; empty = the first user."""
    denies: bool = False
    """Whether that user refuses."""
    codes: dict[str, AuthorizationCode] = field(default_factory=dict, repr=False)
    refresh_tokens: dict[str, RefreshToken] = field(default_factory=dict, repr=False)
    granted: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    """(app_id, user_id) -> all that this user ever allowed: authorizations add up."""

    def add_code(self, code: AuthorizationCode) -> str:
        """Keep a code and return what the app gets."""
        name = secrets.token_urlsafe(48)
        self.codes[name] = code
        return name

    def make_refresh_name(self) -> str:
        """Return a fresh refresh token of the older shape."""
        return f"ur-emulator{secrets.token_hex(16)}"

    def add_refresh(self, token: str, refresh: RefreshToken) -> str:
        """Keep a refresh token."""
        self.refresh_tokens[token] = refresh
        return token

    def grant(self, app: App, user: User, scopes: frozenset[str]) -> frozenset[str]:
        """Add scopes to what a user allowed an app, and return all of them."""
        key = (app.app_id, user.user_id)
        self.granted[key] = self.granted.get(key, BASIC_SCOPES) | scopes
        return self.granted[key]

    def withdraw(self, app_id: str | None, user_id: str | None) -> None:
        """Revoke the refresh tokens, and all that was allowed, of an app or a user, or of all."""
        for refresh in self.refresh_tokens.values():
            if app_id in (None, refresh.consent.app.app_id) and user_id in (
                None,
                refresh.consent.user.user_id,
            ):
                refresh.revoked = True
        for key in [
            grant for grant in self.granted if app_id in (None, grant[0]) and user_id in (None, grant[1])
        ]:
            del self.granted[key]
