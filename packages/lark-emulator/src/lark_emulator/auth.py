"""Token endpoints of custom apps, and what those of store apps share with them."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator import codes
from lark_emulator.codes import Code, RefusedError
from lark_emulator.routing import Call, Route
from lark_emulator.validation import read_form_or_json
from lark_emulator.world.apps import TENANT_KEY

if TYPE_CHECKING:
    from lark_emulator.world.apps import App

STATUS = "HTTP status of a refused request: 200 here, settable (`wrong_secret_status`)"
KINDS = "an app of the other kind gets 10005 (settable, `app_type_mismatch`: 10014)"
FORMS = "form-encoded bodies are taken (settable, `form_token_requests`: 10003)"
DISABLED = "a disabled app gets 10014 (settable, `disabled_app_token`: a token all the same)"


def make_refusal(call: Call, code: Code) -> RefusedError:
    """Return a refusal; token endpoints answer with a status of their own, see `wrong_secret_status`."""
    if code is codes.INVALID_TOKEN_PARAM:
        return RefusedError(code)
    return RefusedError(code._replace(status=call.settings.wrong_secret_status))


def read_members(call: Call, *names: str) -> list[str]:
    """Return members of the body, all of them required.

    Raises:
        RefusedError: 10003.
    """
    call.tokens.requests += 1
    try:
        body = read_form_or_json(call)
    except orjson.JSONDecodeError:
        raise make_refusal(call, codes.INVALID_TOKEN_PARAM) from None
    values = [body.get(name) for name in names]
    if not all(isinstance(value, str) and value for value in values):
        raise make_refusal(call, codes.INVALID_TOKEN_PARAM)
    return [str(value) for value in values]


def authenticate_app(call: Call, app_id: str, secret: str) -> App:
    """Return the app that an id and a secret belong to.

    Raises:
        RefusedError: 10014.
    """
    app = call.world.apps.get(app_id)
    if app is None:
        raise make_refusal(call, codes.APP_ID_NOT_EXISTS)
    app.token_requests += 1
    if not secrets.compare_digest(app.secret.encode(), secret.encode()):
        raise make_refusal(call, codes.APP_SECRET_INVALID)
    return app


def check_kind(call: Call, app: App, *, store: bool) -> None:
    """Check that an app of this kind gets its tokens here, and is in use.

    Raises:
        RefusedError: 10005 or 10014.
    """
    if app.store is not store:
        other = call.settings.app_type_mismatch
        raise make_refusal(call, codes.APP_UNAUTHORIZED if other == "10014" else codes.APP_ID_UNAUTHORIZED)
    if not app.enabled and call.settings.disabled_app_token == "10014":  # noqa: S105 - a code
        raise make_refusal(call, codes.APP_UNAUTHORIZED)


def _authenticate_custom_app(call: Call) -> App:
    app = authenticate_app(call, *read_members(call, "app_id", "app_secret"))
    check_kind(call, app, store=False)
    return app


def issue_tenant_token(call: Call) -> dict[str, Any]:
    """Answer `POST /auth/v3/tenant_access_token/internal`."""
    token, expire = call.tokens.give(_authenticate_custom_app(call), TENANT_KEY)
    return {"tenant_access_token": token, "expire": expire}


def issue_app_token(call: Call) -> dict[str, Any]:
    """Answer `POST /auth/v3/app_access_token/internal`."""
    token, expire = call.tokens.give(_authenticate_custom_app(call), TENANT_KEY)
    return {"app_access_token": token, "tenant_access_token": token, "expire": expire}


ROUTES = (
    Route(
        "POST",
        "/open-apis/auth/v3/tenant_access_token/internal",
        issue_tenant_token,
        token=False,
        flat=True,
        unconfirmed=(STATUS, FORMS, KINDS, DISABLED, "an app that is not installed gets a token"),
    ),
    Route(
        "POST",
        "/open-apis/auth/v3/app_access_token/internal",
        issue_app_token,
        token=False,
        flat=True,
        unconfirmed=(STATUS, FORMS, KINDS, DISABLED, "that a custom app's app token equals its tenant token"),
    ),
)
