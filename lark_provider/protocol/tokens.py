"""Tenant tokens: whose, for how long, and how to get one.

Lark hands out the same token until 30 minutes of its life remain, then a new one while the old stays
valid. So a token is FRESH; then STALE, when one caller renews it and the others still use it; and INVALID
just before its end. See `POST /open-apis/auth/v3/tenant_access_token/internal`.
"""

from __future__ import annotations

import enum
import hashlib
import re
from dataclasses import dataclass, field

from lark_provider.protocol.calls import NeedToken, Procedure, perform, request
from lark_provider.protocol.errors import LarkAPIError, TokenAcquisitionError
from lark_provider.protocol.redact import redact

TENANT_TOKEN_PATH = "/open-apis/auth/v3/tenant_access_token/internal"  # noqa: S105 - a path
_TOKEN = re.compile(r"[!-~]+")  # as a header can carry it
_STALE_SECONDS, _STALE_SHARE = 20 * 60.0, 1 / 6
_INVALID_SECONDS, _INVALID_SHARE = 10.0, 1 / 20


@dataclass(frozen=True, slots=True)
class App:
    """An app at one Lark: base URL, app id and secret."""

    base_url: str
    app_id: str
    app_secret: str = field(repr=False)

    @property
    def token_key(self) -> str:
        """Where its tenant token is kept.

        Another secret is another key: nobody is served a token fetched with a secret since replaced.
        """
        fingerprint = hashlib.sha256(f"lark_provider\0{self.app_id}\0{self.app_secret}".encode()).hexdigest()[
            :16
        ]
        return f"{self.base_url}|{self.app_id}|{fingerprint}|tenant"


class Freshness(enum.Enum):
    """How a token stands at a given time."""

    FRESH = "fresh"
    STALE = "stale"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Token:
    """A token and its life. Times are seconds since the epoch."""

    value: str = field(repr=False)
    fetched_at: float
    expires_at: float

    def freshness(self, now: float) -> Freshness:
        """Say how it stands.

        Args:
            now: Seconds since the epoch.
        """
        life, left = self.expires_at - self.fetched_at, self.expires_at - now
        if left <= min(_INVALID_SECONDS, life * _INVALID_SHARE):
            return Freshness.INVALID
        return Freshness.STALE if left <= min(_STALE_SECONDS, life * _STALE_SHARE) else Freshness.FRESH


def tenant_token() -> Procedure[str]:
    """The token that calls carry now: the one in use, renewed if need be."""
    token: str = yield NeedToken()
    return token


def fetch(app: App) -> Procedure[tuple[str, float]]:
    """Get a tenant token from Lark.

    Args:
        app: Whose.

    Returns:
        The token, and the seconds for which it still lives.

    Raises:
        TokenAcquisitionError: Lark refuses the credentials.
        LarkAPIError: Lark is in trouble, or something else answered; `.retryable` tells which.
        TransportError: No answer came.
    """
    call = request(
        "POST",
        TENANT_TOKEN_PATH,
        json={"app_id": app.app_id, "app_secret": app.app_secret},
        safe=True,
        auth=False,
        secret=app.app_secret,
    )
    refusal: TokenAcquisitionError | None = None
    try:
        data = (yield from perform(call)).data
    except LarkAPIError as error:
        if error.code == 0 or error.retryable:
            raise
        refusal = _refused(app, error)
    if refusal is not None:  # raised out here, so that Lark's own error does not hang on it
        raise refusal
    token, expire = data.get("tenant_access_token"), data.get("expire")
    if not (isinstance(token, str) and _TOKEN.fullmatch(token)) or not isinstance(expire, int | float):
        raise LarkAPIError(
            f"{call.name} answered without a token and its life. Next: check base_url and proxy; it seems "
            "that something else than Lark answers."
        )
    return token, float(expire)


def _refused(app: App, error: LarkAPIError) -> TokenAcquisitionError:
    msg = redact(error.msg, app.app_secret)
    text = (
        f"Failed to get token: {error.code} {msg}. Next: check app id {app.app_id!r} and its secret, that "
        f"the app is enabled, and that it belongs to {app.base_url}."
    )
    if error.log_id:
        text += f" (log_id {error.log_id})"
    return TokenAcquisitionError(text, code=error.code, msg=msg, log_id=error.log_id)
