"""The app's bot itself."""

from __future__ import annotations

from typing import TypedDict

from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.paths import fill_path

_INFO = fill_path("/bot/v3/info")


class BotProfile(TypedDict, total=False):
    """The bot as Lark describes it."""

    activate_status: int
    app_name: str
    avatar_url: str
    ip_white_list: list[str]
    open_id: str


class BotInfo(TypedDict):
    """What `info` answers."""

    bot: BotProfile


def info() -> Call[BotInfo]:
    """Ask who the app's bot is; the cheapest proof that the credentials work and the bot ability is on.

    See GET /open-apis/bot/v3/info.

    Returns:
        `.data["bot"]` with its name and open_id.

    Raises:
        TokenAcquisitionError: The credentials are wrong.
        LarkAPIError: The app has no bot, or is not installed.
        TransportError: Lark was not reached.
    """
    return make_request("GET", _INFO)
