"""Tokens: which are alive, which one an app is given next, and what a bearer token is worth."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lark_emulator import codes
from lark_emulator.codes import RefusedError

if TYPE_CHECKING:
    from lark_emulator.clock import Clock
    from lark_emulator.settings import Settings
    from lark_emulator.world.apps import App

TENANT_PREFIX = "t-"
APP_PREFIX = "a-"
USER_PREFIXES = ("u-", "eyJ")


@dataclass(slots=True)
class Grant:
    """A token given to an app: for one tenant, or, with none, the app token of a store app."""

    token: str
    app: App
    tenant_key: str
    expires: float


class Tokens:
    """The tokens of all apps.

    Args:
        clock: says when they expire.
        settings: says how long they live.
    """

    def __init__(self, clock: Clock, settings: Settings) -> None:
        self._clock = clock
        self._settings = settings
        self._alive: dict[str, Grant] = {}
        self._current: dict[tuple[str, str], Grant] = {}
        self.requests = 0
        """Token requests answered, refused ones included."""
        self.issued = 0
        """Different tokens handed out."""

    def give(self, app: App, tenant_key: str = "") -> tuple[str, int]:
        """Return an app's token and the seconds it has left.

        The same token until `token_overlap` remains; then a new one, while the old one lives on.

        Args:
            app: whose token.
            tenant_key: for which tenant; none = the app token of a store app.
        """
        now = self._clock.now()
        grant = self._current.get((app.app_id, tenant_key))
        if grant is None or grant.expires - now < min(
            self._settings.token_overlap, self._settings.token_life
        ):
            prefix = TENANT_PREFIX if tenant_key else APP_PREFIX
            token = f"{prefix}emulator{secrets.token_hex(16)}"
            grant = Grant(token, app, tenant_key, now + self._settings.token_life)
            self._current[app.app_id, tenant_key] = self._alive[token] = grant
            self.issued += 1
        return grant.token, max(0, round(grant.expires - now))

    def caller_of(self, authorization: str) -> Grant:
        """Return whose request this is.

        Args:
            authorization: the `Authorization` header, or an empty string.

        Raises:
            RefusedError: 99991661, 99991671, 99991664, 99991668 or 99991663.
        """
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme != "Bearer" or not token:
            raise RefusedError(codes.MISSING_TOKEN)
        # No emulated endpoint takes an app's or a user's token, alive or not.
        if token.startswith(APP_PREFIX):
            raise RefusedError(codes.INVALID_APP_TOKEN)
        if token.startswith(USER_PREFIXES):
            raise RefusedError(codes.INVALID_USER_TOKEN)
        if not token.startswith(TENANT_PREFIX):
            raise RefusedError(codes.TOKEN_PREFIX)
        grant = self._living(token)
        if grant is None:
            raise RefusedError(codes.INVALID_TOKEN)
        return grant

    def store_app_of(self, app_access_token: str) -> App | None:
        """Return the store app that an app token was given to, or None."""
        grant = self._living(app_access_token)
        return None if grant is None or grant.tenant_key else grant.app

    def _living(self, token: str) -> Grant | None:
        grant = self._alive.get(token)
        if grant is not None and grant.expires <= self._clock.now():
            del self._alive[token]
            return None
        return grant

    def revoke(self, app_id: str | None = None, tenant_key: str | None = None) -> int:
        """Make tokens invalid at once, of one app or tenant or of all, and return how many were alive."""
        doomed = [
            grant
            for grant in self._alive.values()
            if app_id in (None, grant.app.app_id) and tenant_key in (None, grant.tenant_key)
        ]
        for grant in doomed:
            del self._alive[grant.token]
            self._current.pop((grant.app.app_id, grant.tenant_key), None)
        return len(doomed)
