"""Issue, validate and expire access tokens."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lark_emulator import codes
from lark_emulator.codes import RefusedError

if TYPE_CHECKING:
    from collections.abc import Collection

    from lark_emulator.clock import Clock
    from lark_emulator.codes import Code
    from lark_emulator.settings import Settings
    from lark_emulator.world.apps import App
    from lark_emulator.world.users import User

TENANT_PREFIX = "t-"
APP_PREFIX = "a-"
USER_PREFIXES = ("u-", "eyJ")


@dataclass(slots=True)
class Grant:
    """A token given to an app: for one tenant, for one user, or, without a tenant, the store app's own."""

    token: str = field(repr=False)
    app: App
    tenant_key: str
    expires: float
    user: User | None = None
    scopes: frozenset[str] | None = None
    """What the user allowed; None = everything."""


class Tokens:
    """The tokens of all apps.

    Args:
        clock: The clock by which tokens expire.
        settings: The emulator's settings, which say how long tokens live.
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
            app: The app that the token is for.
            tenant_key: The key of the tenant that the token is for; empty = the app token of a store app.
        """
        now = self._clock.get_time()
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

    def give_user(
        self, app: App, tenant_key: str, user: User, scopes: frozenset[str] | None, *, jwt: bool
    ) -> tuple[str, int]:
        """Return a fresh token of a user for an app, and the seconds that it lives.

        Args:
            app: The app that may act for the user.
            tenant_key: The key of the user's tenant.
            user: The user for whom the app may act with the token.
            scopes: The scopes that the user granted to the app; None = everything.
            jwt: Whether the token has the long format of newer tokens, which looks like a JWT.
        """
        seconds = self._settings.user_token_life
        token = make_long_token() if jwt else f"{USER_PREFIXES[0]}emulator{secrets.token_hex(16)}"
        expires = self._clock.get_time() + seconds
        self._alive[token] = Grant(token, app, tenant_key, expires, user, scopes)
        self.issued += 1
        return token, round(seconds)

    def find_caller(self, authorization: str, kinds: Collection[str] = ("tenant",)) -> Grant:
        """Return whose request this is.

        Args:
            authorization: The `Authorization` header, or an empty string.
            kinds: The kinds of tokens that the endpoint takes: `tenant`, `user`, `app`.

        Raises:
            RefusedError: 99991661, 99991671, 99991664, 99991668, 99991677 or 99991663.
        """
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme != "Bearer" or not token:
            raise RefusedError(codes.MISSING_TOKEN)
        if token.startswith(APP_PREFIX):
            return self._check(
                token, codes.INVALID_APP_TOKEN, None if "app" in kinds else codes.INVALID_APP_TOKEN
            )
        if token.startswith(USER_PREFIXES):
            grant = self._alive.get(token)
            if grant is not None and grant.expires <= self._clock.get_time():
                raise RefusedError(codes.USER_TOKEN_EXPIRED)
            unsupported = None if "user" in kinds else codes.USER_TOKEN_UNSUPPORTED
            return self._check(token, codes.INVALID_USER_TOKEN, unsupported)
        if not token.startswith(TENANT_PREFIX):
            raise RefusedError(codes.TOKEN_PREFIX)
        # The app token of a custom app is its tenant token.
        supported = "tenant" in kinds or "app" in kinds
        return self._check(token, codes.INVALID_TOKEN, None if supported else codes.TENANT_TOKEN_UNSUPPORTED)

    def _check(self, token: str, dead: Code, unsupported: Code | None) -> Grant:
        grant = self._find_or_expire(token)
        if grant is None:
            raise RefusedError(dead)
        if unsupported is not None:
            raise RefusedError(unsupported)
        return grant

    def find_store_app(self, app_access_token: str) -> App | None:
        """Return the store app that an app token was given to, or None."""
        grant = self._find_or_expire(app_access_token)
        return None if grant is None or grant.tenant_key or grant.user else grant.app

    def _find_or_expire(self, token: str) -> Grant | None:
        """Return the grant of a valid token; None for an unknown or expired one, which is deleted."""
        grant = self._alive.get(token)
        if grant is not None and grant.expires <= self._clock.get_time():
            if grant.user is None:  # those of users are kept: Lark has a code for an expired one
                del self._alive[token]
            return None
        return grant

    def revoke(
        self, app_id: str | None = None, tenant_key: str | None = None, user_id: str | None = None
    ) -> int:
        """Make tokens invalid at once, of one app, tenant or user or of all; return how many there were."""
        doomed = [
            grant
            for grant in self._alive.values()
            if app_id in (None, grant.app.app_id)
            and tenant_key in (None, grant.tenant_key)
            and (user_id is None or (grant.user is not None and grant.user.user_id == user_id))
        ]
        for grant in doomed:
            del self._alive[grant.token]
            if grant.user is None:
                self._current.pop((grant.app.app_id, grant.tenant_key), None)
        return len(doomed)


def make_long_token() -> str:
    """Return a token of the newer shape: a JWT of more than 1,000 characters, which says nothing."""
    head, body = (
        base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode()
        for part in (
            '{"alg":"ES256","typ":"JWT"}',
            f'{{"jti":"emulator","pad":"{secrets.token_urlsafe(750)}"}}',
        )
    )
    return f"{head}.{body}.{secrets.token_urlsafe(64)}"
