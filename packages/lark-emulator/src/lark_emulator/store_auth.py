"""Token endpoints of store (ISV) apps: ticket, then app token, then a token for each tenant."""

from __future__ import annotations

from typing import Any

from lark_emulator import codes
from lark_emulator.auth import (
    DISABLED,
    FORMS,
    KINDS,
    STATUS,
    authenticate_app,
    check_kind,
    make_refusal,
    read_members,
)
from lark_emulator.routing import Call, Route


def issue_app_access_token(call: Call) -> dict[str, Any]:
    """Answer `POST /auth/v3/app_access_token`: the app token, for the newest ticket."""
    app_id, secret, ticket = read_members(call, "app_id", "app_secret", "app_ticket")
    app = authenticate_app(call, app_id, secret)
    check_kind(call, app, store=True)
    if ticket != app.app_ticket:
        raise make_refusal(call, codes.APP_TOKEN_FAILED)
    token, expire = call.tokens.give(app)
    return {"msg": "success", "app_access_token": token, "expire": expire}


def issue_tenant_access_token(call: Call) -> dict[str, Any]:
    """Answer `POST /auth/v3/tenant_access_token`: the token for a tenant where the app is installed."""
    app_token, tenant_key = read_members(call, "app_access_token", "tenant_key")
    app = call.tokens.find_store_app(app_token)
    if app is None:
        raise make_refusal(call, codes.TENANT_TOKEN_FAILED)
    app.token_requests += 1
    check_kind(call, app, store=True)
    if tenant_key not in app.tenant_keys:
        raise make_refusal(call, codes.TENANT_TOKEN_FAILED)
    token, expire = call.tokens.give(app, tenant_key)
    return {"msg": "success", "tenant_access_token": token, "expire": expire}


def resend_ticket(call: Call) -> dict[str, Any]:
    """Answer `POST /auth/v3/app_ticket/resend`: a new ticket, on its own way to the app."""
    app = authenticate_app(call, *read_members(call, "app_id", "app_secret"))
    if not app.store:
        raise make_refusal(call, codes.TICKET_RESEND_FAILED)
    call.world.issue_ticket(app)
    return {"msg": "success"}


_PATH = "/open-apis/auth/v3"

ROUTES = (
    Route(
        "POST",
        f"{_PATH}/app_access_token",
        issue_app_access_token,
        token=False,
        flat=True,
        unconfirmed=(
            STATUS,
            FORMS,
            KINDS,
            DISABLED,
            "only the newest ticket is good, for as long as it is the newest",
        ),
    ),
    Route(
        "POST",
        f"{_PATH}/tenant_access_token",
        issue_tenant_access_token,
        token=False,
        flat=True,
        unconfirmed=(
            STATUS,
            FORMS,
            DISABLED,
            "a bad app token, and a tenant where the app is not installed, get 10013",
            "all tenants of a store app see the same users, chats and documents here",
        ),
    ),
    Route(
        "POST",
        f"{_PATH}/app_ticket/resend",
        resend_ticket,
        token=False,
        flat=True,
        unconfirmed=(STATUS, FORMS),
    ),
)
