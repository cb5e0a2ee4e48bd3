"""Scopes: what a call needs (99991672), and `GET /application/v6/scopes`: what was granted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes, codes_office
from lark_emulator.codes import RefusedError
from lark_emulator.contact.users import FIELD_SCOPES
from lark_emulator.routing import Call, Route, load_documented

if TYPE_CHECKING:
    from lark_emulator.world.apps import App

#: Where an app without the bot ability is refused, and with which code; the first prefix that fits counts.
NEEDS_BOT = (
    ("/open-apis/bot/v3/info", codes.APP_WITHOUT_BOT),
    ("/open-apis/im/v1/chats", codes.CHAT_NEEDS_BOT),
    ("/open-apis/im/v1/images", codes.UPLOAD_NEEDS_BOT),
    ("/open-apis/im/v1/files", codes.UPLOAD_NEEDS_BOT),
    ("/open-apis/im/v1/", codes.IM_NEEDS_BOT),
    ("/open-apis/message/v4/", codes.APP_WITHOUT_BOT),
    ("/open-apis/calendar/v4/", codes_office.CALENDAR_NEEDS_BOT),
)
CONSOLE = "https://open.feishu.cn/app"
GRANTED, NOT_GRANTED = 1, 2


def check_scopes(app: App, route: Route) -> None:
    """Check that an app was granted one of the scopes that an endpoint asks for.

    Raises:
        RefusedError: 99991672 with the scopes and the link to apply for them.
    """
    wanted = route.documented.scopes
    if not wanted or app.has_any(*wanted):
        return
    names = ", ".join(wanted)
    url = f"{CONSOLE}/{app.app_id}/auth?q={','.join(wanted)}&op_from=openapi&token_type=tenant"
    raise RefusedError(
        codes.MISSING_SCOPE._replace(
            msg=f"{codes.MISSING_SCOPE.msg}: [{names}].应用尚未开通所需的应用身份权限：[{names}]，"
            f"点击链接申请并开通任一权限即可：{url}"
        ),
        error={
            "message": f"{codes.SEE_PAGE}how-to-fix-the-99991672-error",
            "permission_violations": [
                {"type": "action_scope_required", "subject": scope} for scope in wanted
            ],
            "helps": [{"url": url, "description": f"Learn more about scopes and how to add them: [{names}]"}],
        },
    )


def check_user_scopes(granted: frozenset[str] | None, route: Route) -> None:
    """Check that a user allowed an app one of the scopes that an endpoint asks for.

    Raises:
        RefusedError: 99991679 with the scopes.
    """
    wanted = route.documented.scopes
    if not wanted or granted is None or not granted.isdisjoint(wanted):
        return
    names = ", ".join(wanted)
    raise RefusedError(
        codes.USER_SCOPE_MISSING._replace(
            msg=f"{codes.USER_SCOPE_MISSING.msg}: [{names}].应用未获取所需的用户授权：[{names}]，"
            f"点击链接查看解决方案：{codes.TROUBLE_PAGES}how-to-resolve-error-99991679"
        ),
        error={
            "permission_violations": [
                {"type": "action_privilege_required", "subject": scope} for scope in wanted
            ]
        },
    )


def check_bot(app: App, route: Route) -> None:
    """Check that an app has the bot ability where that is needed.

    Raises:
        RefusedError: 11205, 230006, 232025 or 234007.
    """
    if app.bot:
        return
    for prefix, code in NEEDS_BOT:
        if route.path.startswith(prefix):
            raise RefusedError(code)


def list_scopes(call: Call) -> dict[str, Any]:
    """Answer `GET /application/v6/scopes`; an app that may do everything has all scopes known here."""
    granted = call.app.scopes
    if granted is None:
        granted = frozenset(
            scope
            for scopes in (*(page.scopes for page in load_documented().values()), *FIELD_SCOPES.values())
            for scope in scopes
        )
    shown = [(scope, GRANTED) for scope in sorted(granted)]
    shown += [(scope, NOT_GRANTED) for scope in sorted(call.app.pending_scopes - granted)]
    return {
        "scopes": [
            {"scope_name": name, "grant_status": status, "scope_type": "tenant"} for name, status in shown
        ]
    }


ROUTES = (
    Route(
        "GET",
        "/open-apis/application/v6/scopes",
        list_scopes,
        unconfirmed=(
            "`scope_type` stands in the SDK's model only: always `tenant` here",
            "an app that is not installed gets 99991673 from the gateway, never 212100",
            "the page gives no number for the rate limit: none here",
        ),
    ),
)
