"""Tenant tokens: their app, their lifetime, and how to get one.

Lark returns the same token until 30 minutes of its lifetime remain, then a new one while the old one stays
valid. So a token is FRESH at first; then STALE, when one caller renews it while others still use it; and
INVALID just before it expires. See `POST /open-apis/auth/v3/tenant_access_token/internal`.

For a store (ISV) app, Lark pushes a ticket. The ticket is exchanged for an app token, and that for the token
of each tenant that installed the app.
"""

from __future__ import annotations

import enum
import hashlib
import re
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from lark_provider.protocol.calls import LarkResponse, make_request
from lark_provider.protocol.codes import TOKENS
from lark_provider.protocol.effects import KeepTicket, NeedAppToken, NeedTicket, NeedToken
from lark_provider.protocol.errors import InvalidRequestError, LarkAPIError, TokenAcquisitionError
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.redact import redact
from lark_provider.support.secret import Secret

Granted: TypeAlias = tuple[str, float]
"""A token, and the seconds until it expires."""

_AUTH = "/open-apis/auth/v3"
TENANT_TOKEN_PATH = f"{_AUTH}/tenant_access_token/internal"
STORE_TENANT_TOKEN_PATH = f"{_AUTH}/tenant_access_token"
STORE_APP_TOKEN_PATH = f"{_AUTH}/app_access_token"
RESEND_TICKET_PATH = f"{_AUTH}/app_ticket/resend"
_TICKET_REJECTED = 10012
_APP_TOKEN_REJECTED = frozenset({10012, 10013, 99991664})
REFUSAL_CODES = frozenset({10003, *TOKENS})
"""Codes by which the token endpoints refuse credentials; metrics distinguish them."""
_NOT_CREDENTIALS = frozenset({10005, 10012, 10016})
"""Refusals that may also occur with correct credentials."""
TICKET_SECONDS = 10 * 365 * 86400.0
"""A ticket is valid until the next one comes, and has no expiry of its own."""
_TOKEN = re.compile(r"[!-~]+")  # characters that a header can carry
_STALE_SECONDS, _STALE_SHARE = 20 * 60.0, 1 / 6
_EXPIRED_SECONDS, _EXPIRED_SHARE = 10.0, 1 / 20


@dataclass(frozen=True, slots=True)
class App:
    """An app at one Lark: base URL, app id and secret.

    Attributes:
        base_url: The URL before `/open-apis`.
        app_id: The app's id.
        app_secret: The app's secret.
        tenant_key: For a store (ISV) app, the tenant for which it acts; None for a custom app.
        token_key: The cache key of its tenant token, which each call looks up.
    """

    base_url: str
    app_id: str
    app_secret: str = field(repr=False)
    tenant_key: str | None = None
    token_key: str = field(init=False, repr=False, compare=False)
    name: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Replace the secret by one that is masked when it is shown."""
        object.__setattr__(self, "app_secret", Secret(self.app_secret))
        kind = "tenant" if self.tenant_key is None else f"tenant|{self.tenant_key}"
        object.__setattr__(self, "token_key", self.make_cache_key(kind))
        name = "|".join(filter(None, (self.base_url, self.app_id, self.tenant_key)))
        object.__setattr__(self, "name", name)

    def make_cache_key(self, kind: str) -> str:
        """Return the cache key of something that belongs to this app.

        The key depends on the secret, so that a token that was fetched with an older secret is not used.

        Args:
            kind: The kind of thing that is cached, such as `tenant`.
        """
        digest = hashlib.sha256(b"lark_provider\0")
        digest.update(self.app_id.encode() + b"\0" + self.app_secret.encode())
        fingerprint = digest.hexdigest()
        return f"{self.base_url}|{self.app_id}|{fingerprint[:16]}|{kind}"


class Freshness(enum.Enum):
    """Whether a token can be used at a given time."""

    FRESH = "fresh"
    STALE = "stale"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Token:
    """A token and its lifetime. Times are seconds since the epoch."""

    value: str = field(repr=False)
    fetched_at: float
    expires_at: float

    def __post_init__(self) -> None:
        """Replace the token by one that is masked when it is shown."""
        object.__setattr__(self, "value", Secret(self.value))

    def compute_freshness(self, now: float) -> Freshness:
        """Return whether the token can be used, and whether it should be renewed.

        Args:
            now: Seconds since the epoch.
        """
        life, left = self.expires_at - self.fetched_at, self.expires_at - now
        if left <= min(_EXPIRED_SECONDS, life * _EXPIRED_SHARE):
            return Freshness.EXPIRED
        return Freshness.STALE if left <= min(_STALE_SECONDS, life * _STALE_SHARE) else Freshness.FRESH


def request_tenant_token() -> Procedure[str]:
    """Return the current tenant token, fetching it if needed."""
    token: str = yield NeedToken()
    return token


def keep_ticket(app_ticket: str) -> Procedure[None]:
    """Store an app_ticket that Lark has pushed, for all clients of this store app.

    Lark pushes one about once an hour, as an event of type `app_ticket`; the newest is used.

    Args:
        app_ticket: The ticket, `event.app_ticket`.

    Raises:
        InvalidRequestError: It is empty.
        ConfigurationError: The app is unknown or disabled.
    """
    if not (isinstance(app_ticket, str) and app_ticket.strip()):
        raise InvalidRequestError(
            "app_ticket must be a non-empty string. Next: pass event.app_ticket of the event."
        )
    yield KeepTicket(app_ticket.strip())


def fetch(app: App) -> Procedure[Granted]:
    """Get a tenant token from Lark.

    Args:
        app: The app; for a store app, with its tenant.

    Returns:
        The token, and the seconds until it expires.

    Raises:
        TokenAcquisitionError: Lark refuses the credentials.
        LarkAPIError: Lark failed (`.retryable`), or something else answered.
        TransportError: No answer came.
    """
    if app.tenant_key is not None:
        return _fetch_for_tenant(app, app.tenant_key)
    body = {"app_id": app.app_id, "app_secret": app.app_secret}
    return _request_token(app, TENANT_TOKEN_PATH, body, "tenant_access_token")


def _fetch_for_tenant(app: App, tenant_key: str) -> Procedure[Granted]:
    rejected: str | None = None
    while True:
        token: str = yield NeedAppToken(rejected)
        body = {"app_access_token": token, "tenant_key": tenant_key}
        try:
            return (yield from _request_token(app, STORE_TENANT_TOKEN_PATH, body, "tenant_access_token"))
        except TokenAcquisitionError as error:
            if error.code not in _APP_TOKEN_REJECTED or rejected is not None:
                raise
            rejected = token


def fetch_app_token(app: App) -> Procedure[Granted]:
    """Get the app token of a store app, which needs the app_ticket that Lark pushes about once an hour.

    Args:
        app: The app.

    Returns:
        The token, and the seconds until it expires.

    Raises:
        TokenAcquisitionError: Lark refuses the credentials, or no ticket came.
        LarkAPIError: Lark failed (`.retryable`), or something else answered.
        TransportError: No answer came.
    """
    rejected: str | None = None
    while True:
        ticket: str = yield NeedTicket(rejected)
        body = {"app_id": app.app_id, "app_secret": app.app_secret, "app_ticket": ticket}
        try:
            return (yield from _request_token(app, STORE_APP_TOKEN_PATH, body, "app_access_token"))
        except TokenAcquisitionError as error:
            if error.code != _TICKET_REJECTED or rejected is not None:
                raise
            rejected = ticket


def resend_ticket(app: App) -> Procedure[None]:
    """Ask Lark to push the app_ticket again, `POST /auth/v3/app_ticket/resend`.

    Args:
        app: A store app.

    Raises:
        TokenAcquisitionError: Lark refuses, for example because a custom app has no ticket (10016).
        LarkError: As for `fetch`.
    """
    yield from _post(app, RESEND_TICKET_PATH, {"app_id": app.app_id, "app_secret": app.app_secret})


def _request_token(app: App, path: str, body: dict[str, str], member: str) -> Procedure[Granted]:
    data = yield from _post(app, path, body)
    expire = data.get("expire")
    token = Secret(data.pop(member)) if isinstance(data.get(member), str) else None
    if token is None or not _TOKEN.fullmatch(token) or not isinstance(expire, int | float):
        raise LarkAPIError(
            f"POST {path} answered without a token and its lifetime. Next: check base_url and proxy; it "
            "seems that something other than Lark answered."
        )
    return token, float(expire)


def _post(app: App, path: str, body: dict[str, str]) -> Procedure[dict[str, Any]]:
    call = make_request("POST", path, json=body, safe=True, auth=False, secret=app.app_secret)
    refusal: TokenAcquisitionError | None = None
    try:
        answer: LarkResponse[dict[str, Any]] = yield call
    except LarkAPIError as error:
        if error.code == 0 or error.retryable:
            raise
        refusal = _make_refusal_error(app, error, body)
    if refusal is not None:
        # Raised outside of the handler and without a context, since Lark's own error may quote the secret.
        raise refusal from None
    return answer.data


def _make_refusal_error(app: App, error: LarkAPIError, sent: dict[str, str]) -> TokenAcquisitionError:
    msg = redact(error.msg, *(value for name, value in sent.items() if name not in {"app_id", "tenant_key"}))
    tenant = "" if app.tenant_key is None else f", that tenant {app.tenant_key!r} has installed it"
    first = f"{TOKENS[error.code].step}; or " if error.code in _NOT_CREDENTIALS else ""
    text = (
        f"Failed to get token: {error.code} {msg}. Next: {first}check app id {app.app_id!r} and its secret, "
        f"that the app is enabled{tenant}, and that it belongs to {app.base_url}."
    )
    if error.log_id:
        text += f" (log_id {error.log_id})"
    return TokenAcquisitionError(text, code=error.code, msg=msg, log_id=error.log_id)
