"""`/authen/v1/…`: the token endpoints before OAuth 2.0, which ask for the app's token, and `user_info`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.contact.users import FIELD_SCOPES
from lark_emulator.oauth import refusals
from lark_emulator.oauth.granting import IssuedTokens, find_user_refusal, is_over, issue_tokens
from lark_emulator.routing import Call, Route
from lark_emulator.validation import read_json_object

if TYPE_CHECKING:
    from lark_emulator.settings import Settings
    from lark_emulator.world.consents import Consent
    from lark_emulator.world.users import User

_STATUSES = {
    "resigned": refusals.OLD_RESIGNED,
    "exited": refusals.OLD_RESIGNED,
    "frozen": refusals.OLD_FROZEN,
    "unjoin": refusals.OLD_NOT_JOINED,
}


def _read_text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise RefusedError(refusals.OLD_PARAM)
    return value


def _take_consent(call: Call) -> Consent:
    """Return what the code or the refresh token of the body stands for, and use it up.

    Raises:
        RefusedError: 20001, 20036, 20007, 20024, 20026, 20037 or 20038, or a code of the user's status.
    """
    call.tokens.requests += 1
    body = read_json_object(call, refusals.OLD_PARAM)
    kind = "refresh_token" if call.route.path.endswith("refresh_access_token") else "authorization_code"
    if _read_text(body, "grant_type") != kind:
        raise RefusedError(refusals.OLD_GRANT_TYPE if "oidc" in call.route.path else refusals.OLD_PARAM)
    known = call.world.consents
    if kind == "authorization_code":
        code = known.codes.get(_read_text(body, "code"))
        if code is None or code.used or code.expires <= call.world.clock.get_time():
            raise RefusedError(refusals.OLD_CODE)
        _check_user(call, code.consent)
        code.used = True
        return code.consent
    refresh = known.refresh_tokens.get(_read_text(body, "refresh_token"))
    if refresh is None or refresh.jwt:
        raise RefusedError(refusals.OLD_REFRESH)
    if refresh.used or refresh.revoked:
        raise RefusedError(refusals.OLD_REFRESH_USED)
    if is_over(call, refresh):
        raise RefusedError(refusals.OLD_REFRESH_EXPIRED)
    _check_user(call, refresh.consent)
    refresh.used = True
    return refresh.consent


def _check_user(call: Call, consent: Consent) -> None:
    if consent.app is not call.app:
        raise RefusedError(refusals.OLD_OTHER_APP)
    code = find_user_refusal(call, consent.user, _STATUSES, refusals.OLD_USER)
    if code is not None:
        raise RefusedError(code)


def issue_access_token(call: Call) -> dict[str, Any]:
    """Answer `POST /authen/v1/access_token` and `…/refresh_access_token`: the tokens and who the user is."""
    consent = _take_consent(call)
    tokens = _render(issue_tokens(call, consent, consent.scopes, jwt=False))
    return {**tokens, **_render_person(call, consent.user)}


def issue_oidc_access_token(call: Call) -> dict[str, Any]:
    """Answer `POST /authen/v1/oidc/access_token` and `…/refresh_access_token`: the tokens alone."""
    consent = _take_consent(call)
    scopes = " ".join(sorted(consent.scopes or ()))
    return {**_render(issue_tokens(call, consent, consent.scopes, jwt=False)), "scope": scopes}


def _render(tokens: IssuedTokens) -> dict[str, Any]:
    return {
        "access_token": tokens.access_token,
        "token_type": "Bearer",
        "expires_in": tokens.expires_in,
        "refresh_token": tokens.refresh_token,
        "refresh_expires_in": tokens.refresh_expires_in,
    }


def get_user_info(call: Call) -> dict[str, Any]:
    """Answer `GET /authen/v1/user_info`: who the token belongs to.

    Raises:
        RefusedError: 20005, or a code of the user's status.
    """
    user = call.user
    if user is None:  # the gateway lets no other token through
        raise RefusedError(refusals.OLD_TOKEN)
    code = find_user_refusal(call, user, _STATUSES, refusals.OLD_USER)
    if code is not None:
        raise RefusedError(code)
    return _render_person(call, user)


def _render_person(call: Call, user: User) -> dict[str, Any]:
    picture = f"https://emulator.invalid/avatar/{user.user_id}"
    shown: dict[str, Any] = {
        "name": user.name,
        "en_name": user.en_name,
        "avatar_url": f"{picture}.png",
        "avatar_thumb": f"{picture}_72.png",
        "avatar_middle": f"{picture}_240.png",
        "avatar_big": f"{picture}_640.png",
        "open_id": user.get_id(call.app, "open_id"),
        "union_id": user.union_id,
        "tenant_key": user.tenant_key,
    }
    guarded = {
        "user_id": "" if call.app.store else user.user_id,
        "email": user.email,
        "enterprise_email": user.enterprise_email,
        "mobile": user.mobile,
    }
    allowed = {
        name: value for name, value in guarded.items() if value and call.app.has_any(*FIELD_SCOPES[name])
    }
    return {**shown, **allowed}


def at_user_info(settings: Settings, route: Route, refusal: RefusedError) -> RefusedError:
    """Return how a refused token is refused: at `user_info` by the endpoint, if the settings say so."""
    tokens = (codes.INVALID_USER_TOKEN, codes.USER_TOKEN_EXPIRED)
    by_endpoint = settings.user_info_bad_token == str(refusals.OLD_TOKEN.number)
    if by_endpoint and refusal.code in tokens and route.path.endswith("/user_info"):
        return RefusedError(refusals.OLD_TOKEN)
    return refusal


_REFUSED = "a code that is unknown, used or expired gets 20007"
_SHOWN = "`sid` and `employee_no` are left out; what the app's scopes allow is shown"


def _make_route(path: str, handler: Any, *notes: str, method: str = "POST") -> Route:
    return Route(method, f"/open-apis/authen/v1/{path}", handler, unconfirmed=notes)


ROUTES = (
    _make_route("access_token", issue_access_token, _REFUSED, _SHOWN),
    _make_route("refresh_access_token", issue_access_token, "a used refresh token gets 20038", _SHOWN),
    _make_route("oidc/access_token", issue_oidc_access_token, _REFUSED),
    _make_route("oidc/refresh_access_token", issue_oidc_access_token, "a used refresh token gets 20038"),
    _make_route(
        "user_info",
        get_user_info,
        "a bad token gets 99991668 from the gateway (settable, `user_info_bad_token`: 20005)",
        _SHOWN,
        method="GET",
    ),
)
