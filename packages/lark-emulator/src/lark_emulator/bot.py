"""`GET /bot/v3/info`: who the bot of this token is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator.routing import Call, Route

if TYPE_CHECKING:
    from lark_emulator.world.apps import App

#: `activate_status` of a bot that is switched on.
ACTIVATED = 2


def get_avatar(app: App) -> str:
    """Return the address of a picture; nothing is served there."""
    return f"https://emulator.invalid/avatar/{app.app_id}.png"


def info(call: Call) -> dict[str, Any]:
    """Answer with `bot` in the place of `data`, as this endpoint alone does."""
    return {
        "bot": {
            "activate_status": ACTIVATED,
            "app_name": call.app.name,
            "avatar_url": get_avatar(call.app),
            "ip_white_list": [],
            "open_id": call.app.bot_open_id,
        }
    }


ROUTES = (
    Route(
        "GET",
        "/open-apis/bot/v3/info",
        info,
        flat=True,
        unconfirmed=("an app without the bot ability gets 11205 in HTTP 200",),
    ),
)
