"""`POST /authen/v2/oauth/token`: tokens of a user for an authorization code or a refresh token."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import TYPE_CHECKING, Any

from lark_emulator.codes import RefusedError
from lark_emulator.exchange import Answer, as_json
from lark_emulator.oauth import refusals
from lark_emulator.oauth.clients import read_body, read_required_text, require_client
from lark_emulator.oauth.granting import find_user_refusal, is_over, issue_tokens
from lark_emulator.routing import Call, Route

if TYPE_CHECKING:
    from lark_emulator.world.apps import App
    from lark_emulator.world.consents import AuthorizationCode, Consent, RefreshToken

_GONE = {"resigned": refusals.USER_STATUS, "exited": refusals.USER_STATUS, "frozen": refusals.USER_STATUS}


def exchange_token(call: Call) -> Answer:
    """Answer as OAuth does: no envelope, and `error` with `error_description` for what is refused."""
    call.tokens.requests += 1
    try:
        return as_json(_exchange(call))
    except RefusedError as refusal:
        word = refusals.WORDS.get(refusal.code.number, refusals.INVALID_GRANT)
        described = {"code": refusal.code.number, "error": word, "error_description": refusal.msg}
        return as_json(described, refusal.code.status)


def _exchange(call: Call) -> dict[str, Any]:
    body = read_body(call)
    kind = read_required_text(body, "grant_type")
    if kind not in ("authorization_code", "refresh_token"):
        raise RefusedError(refusals.GRANT_TYPE)
    app = require_client(call, body)
    grant = _by_code(call, app, body) if kind == "authorization_code" else _by_refresh(call, app, body)
    consent = grant.consent
    code = find_user_refusal(call, consent.user, _GONE, refusals.USER_UNKNOWN)
    if code is None and not app.sees(consent.user.user_id):
        code = refusals.NOT_AVAILABLE
    if code is not None:
        raise RefusedError(code)
    scopes = _narrow(consent, body)
    grant.used = True
    tokens = issue_tokens(call, consent, scopes, jwt=True)
    answer: dict[str, Any] = {
        "code": 0,
        "access_token": tokens.access_token,
        "expires_in": tokens.expires_in,
        "token_type": "Bearer",
        "scope": " ".join(sorted(scopes or ())),
    }
    if tokens.refresh_token:
        answer["refresh_token"] = tokens.refresh_token
        answer["refresh_token_expires_in"] = tokens.refresh_expires_in
    return answer


def _by_code(call: Call, app: App, body: dict[str, Any]) -> AuthorizationCode:
    grant = call.world.consents.codes.get(read_required_text(body, "code"))
    if grant is None:
        raise RefusedError(refusals.CODE_UNKNOWN)
    if grant.consent.app is not app:
        raise RefusedError(refusals.OTHER_CLIENT)
    if grant.used:
        raise RefusedError(refusals.CODE_USED)
    if grant.expires <= call.world.clock.get_time():
        raise RefusedError(refusals.CODE_EXPIRED)
    if body.get("redirect_uri") not in (None, "", grant.redirect_uri):
        raise RefusedError(refusals.REDIRECT_URI)
    if grant.challenge and not _fits(grant, body.get("code_verifier")):
        raise RefusedError(refusals.PKCE)
    return grant


def _fits(code: AuthorizationCode, verifier: object) -> bool:
    if not isinstance(verifier, str):
        return False
    shown = verifier
    if code.method == "S256":
        digest = hashlib.sha256(verifier.encode()).digest()
        shown = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return secrets.compare_digest(shown.encode(), code.challenge.encode())


def _by_refresh(call: Call, app: App, body: dict[str, Any]) -> RefreshToken:
    grant = call.world.consents.refresh_tokens.get(read_required_text(body, "refresh_token"))
    if grant is None or not grant.jwt:
        raise RefusedError(refusals.REFRESH_UNKNOWN)
    if grant.consent.app is not app:
        raise RefusedError(refusals.OTHER_CLIENT)
    if grant.revoked:
        raise RefusedError(refusals.REFRESH_REVOKED)
    if grant.used:
        again = call.settings.refresh_token_reuse
        raise RefusedError(refusals.REFRESH_REVOKED if again == "20064" else refusals.REFRESH_USED)
    if is_over(call, grant):
        raise RefusedError(refusals.REFRESH_EXPIRED)
    return grant


def _narrow(consent: Consent, body: dict[str, Any]) -> frozenset[str] | None:
    wanted = body.get("scope")
    if wanted is None or wanted == "":
        return consent.scopes
    if not isinstance(wanted, str):
        raise RefusedError(refusals.MALFORMED)
    names = wanted.split()
    if len(set(names)) != len(names):
        raise RefusedError(refusals.SCOPES_TWICE)
    if consent.scopes is not None and not consent.scopes.issuperset(names):
        raise RefusedError(refusals.SCOPES_NOT_ALLOWED)
    return frozenset(names)


ROUTES = (
    Route(
        "POST",
        "/open-apis/authen/v2/oauth/token",
        exchange_token,
        unconfirmed=(
            "the word in `error` (RFC 6749), and whether what is missing gets 20001 or 20063",
            "form-encoded bodies (settable, `form_token_requests`) and Basic authentication are taken",
            "a code or a refresh token is used up by success alone",
            "a refresh token used again gets 20073 (settable, `refresh_token_reuse`: 20064)",
            "20074 (refreshing is switched off for the app) never comes; the device flow is not emulated",
        ),
        evidence="documentation",
        token=False,
        flat=True,
    ),
)
