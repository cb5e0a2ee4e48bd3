"""The tenant, the app itself, and from where Lark calls an app."""

from __future__ import annotations

from typing import Any

from lark_emulator import codes_office
from lark_emulator.bot import get_avatar
from lark_emulator.codes import RefusedError
from lark_emulator.routing import Call, Route
from lark_emulator.validation import cut_page, read_bounded_page_size, read_choice, read_user_id_type

TENANT_NAME = "Emulator"
#: The only place from where the emulator calls an app.
OUTBOUND_IPS = ("127.0.0.1",)
ENABLED, DISABLED = 1, 0
CUSTOM, STORE = 0, 1


def get_tenant(call: Call) -> dict[str, Any]:
    """Answer `GET /tenant/v2/tenant/query`."""
    address = "https://emulator.invalid/avatar/tenant.png"
    names = ("avatar_origin", "avatar_72", "avatar_240", "avatar_640")
    return {
        "tenant": {
            "name": TENANT_NAME,
            "display_id": "F000000001",
            "tenant_tag": 0,
            "tenant_key": call.tenant_key,
            "avatar": dict.fromkeys(names, address),
            "domain": "emulator.invalid",
        }
    }


def application(call: Call) -> dict[str, Any]:
    """Answer `GET /application/v6/applications/:app_id`; `me` is the app itself."""
    language = read_choice(call.query, "lang", ("zh_cn", "en_us", "ja_jp"))
    read_user_id_type(call)
    wanted = call.params["app_id"]
    if wanted != "me" and not wanted.startswith("cli_"):
        raise RefusedError(codes_office.APP_ID_INVALID)
    app = call.app if wanted == "me" else call.world.apps.get(wanted)
    if app is None or call.tenant_key not in app.tenant_keys:
        raise RefusedError(codes_office.NO_SUCH_APP)
    if app is not call.app and not call.app.has_any("admin:app.info:readonly"):
        raise RefusedError(codes_office.APP_INFO_DENIED)
    return {
        "app": {
            "app_id": app.app_id,
            "creator_id": "",
            "status": ENABLED if app.enabled else DISABLED,
            "scene_type": STORE if app.store else CUSTOM,
            "payment_type": 0,
            "redirect_urls": [],
            "online_version_id": "",
            "unaudit_version_id": "",
            "app_name": app.name,
            "avatar_url": get_avatar(app),
            "description": "",
            "scopes": [
                {"scope": scope, "description": "", "level": 1, "token_types": ["tenant"]}
                for scope in sorted(app.scopes or ())
            ],
            "back_home_url": "",
            "i18n": [{"i18n_key": language, "name": app.name, "description": "", "help_use": ""}],
            "primary_language": language,
            "common_categories": [],
        }
    }


def list_outbound_ips(call: Call) -> dict[str, Any]:
    """Answer `GET /event/v1/outbound_ip`."""
    size = read_bounded_page_size(call, limit=50, default=10, code_for_zero=codes_office.OUTBOUND_PARAM)
    items, more = cut_page(OUTBOUND_IPS, call, size, codes_office.OUTBOUND_PARAM)
    return {"ip_list": items, **more}


ROUTES = (
    Route(
        "GET",
        "/open-apis/tenant/v2/tenant/query",
        get_tenant,
        unconfirmed=("each tenant has the same name and number",),
    ),
    Route(
        "GET",
        "/open-apis/application/v6/applications/:app_id",
        application,
        unconfirmed=("versions, categories, owners and redirect addresses are empty",),
    ),
    Route(
        "GET",
        "/open-apis/event/v1/outbound_ip",
        list_outbound_ips,
        unconfirmed=("pages of 10 unless asked for",),
    ),
)
