"""Tokens of custom apps: the two token endpoints, and what a bearer token is worth."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lark_provider.emulator import codes
from lark_provider.emulator.codes import Code, RefusedError
from lark_provider.emulator.routing import Call, Route
from lark_provider.emulator.validation import json_object

if TYPE_CHECKING:
    from lark_provider.emulator.settings import Settings
    from lark_provider.emulator.world import App, World

TENANT_PREFIX = "t-"
KNOWN_PREFIXES = (TENANT_PREFIX, "u-", "a-", "eyJ")


@dataclass(slots=True)
class _Grant:
    token: str
    app: App
    expires: float


class Tokens:
    """The tokens of one tenant: which are alive, and which one an app is given next."""

    def __init__(self, world: World, settings: Settings) -> None:
        self._world = world
        self._settings = settings
        self._alive: dict[str, _Grant] = {}
        self._current: dict[str, _Grant] = {}
        self.requests = 0
        """Token requests answered, refused ones included."""
        self.issued = 0
        """Different tokens handed out."""

    def give(self, app: App) -> tuple[str, int]:
        """Return the app's token and the seconds it has left.

        The same token until `token_overlap` remains; then a new one, while the old one lives on.
        """
        now = self._world.clock.now()
        grant = self._current.get(app.app_id)
        if grant is None or grant.expires - now < min(
            self._settings.token_overlap, self._settings.token_life
        ):
            grant = _Grant(
                f"{TENANT_PREFIX}emulator{secrets.token_hex(16)}", app, now + self._settings.token_life
            )
            self._current[app.app_id] = self._alive[grant.token] = grant
            self.issued += 1
        return grant.token, max(0, round(grant.expires - now))

    def app_of(self, authorization: str) -> App:
        """Return whose request this is.

        Args:
            authorization: the `Authorization` header, or an empty string.

        Raises:
            RefusedError: 99991661, 99991671 or 99991663.
        """
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme != "Bearer" or not token:
            raise RefusedError(codes.MISSING_TOKEN)
        if not token.startswith(KNOWN_PREFIXES):
            raise RefusedError(codes.TOKEN_PREFIX)
        grant = self._alive.get(token)
        if grant is None:
            raise RefusedError(codes.INVALID_TOKEN)
        if grant.expires <= self._world.clock.now():
            del self._alive[token]
            raise RefusedError(codes.INVALID_TOKEN)
        return grant.app

    def revoke(self, app_id: str | None = None) -> int:
        """Make tokens invalid at once, of one app or of all, and return how many were alive."""
        doomed = [token for token, grant in self._alive.items() if app_id in (None, grant.app.app_id)]
        for token in doomed:
            self._current.pop(self._alive.pop(token).app.app_id, None)
        return len(doomed)


def _refused(call: Call, code: Code) -> RefusedError:
    """Token endpoints answer failures with a status of their own, see `wrong_secret_status`."""
    if code is codes.INVALID_TOKEN_PARAM:
        return RefusedError(code)
    return RefusedError(code._replace(status=call.settings.wrong_secret_status))


def _app_by_secret(call: Call) -> App:
    call.tokens.requests += 1
    body = json_object(call, codes.INVALID_TOKEN_PARAM)
    app_id, secret = body.get("app_id"), body.get("app_secret")
    if not isinstance(app_id, str) or not isinstance(secret, str) or not app_id or not secret:
        raise _refused(call, codes.INVALID_TOKEN_PARAM)
    app = call.world.apps.get(app_id)
    if app is None:
        raise _refused(call, codes.APP_ID_NOT_EXISTS)
    if not secrets.compare_digest(app.secret.encode(), secret.encode()):
        raise _refused(call, codes.APP_SECRET_INVALID)
    return app


def tenant_access_token(call: Call) -> dict[str, Any]:
    """Answer `POST /auth/v3/tenant_access_token/internal`."""
    token, expire = call.tokens.give(_app_by_secret(call))
    return {"tenant_access_token": token, "expire": expire}


def app_access_token(call: Call) -> dict[str, Any]:
    """Answer `POST /auth/v3/app_access_token/internal`."""
    token, expire = call.tokens.give(_app_by_secret(call))
    return {"app_access_token": token, "tenant_access_token": token, "expire": expire}


_STATUS = "HTTP status of a refused request: 200 here, settable (`wrong_secret_status`)"

ROUTES = (
    Route(
        "POST",
        "/open-apis/auth/v3/tenant_access_token/internal",
        tenant_access_token,
        token=False,
        flat=True,
        unconfirmed=(_STATUS,),
    ),
    Route(
        "POST",
        "/open-apis/auth/v3/app_access_token/internal",
        app_access_token,
        token=False,
        flat=True,
        unconfirmed=(_STATUS, "that a custom app's app token equals its tenant token"),
    ),
)
