"""How an app is notified: at an HTTP address, or over its long connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import orjson

from lark_emulator.websocket.messages import CARD, EVENT

if TYPE_CHECKING:
    from lark_emulator.websocket.links import Links
    from lark_emulator.world.apps import App

Way = Literal["http", "connection", "card_frame"]


def choose_event_way(app: App, links: Links) -> Way | None:
    """Return how events go to an app; None if there is no way.

    In mode `auto` an app without an address that has lost its long connection gets its events when it is
    back.
    """
    has_url = app.subscription is not None and bool(app.subscription.event_url)
    if app.event_mode == "long_connection" or (app.event_mode == "auto" and links.list_links(app.app_id)):
        return "connection"
    if has_url:
        return "http"
    return "connection" if app.event_mode == "auto" and links.has_known(app.app_id) else None


def choose_click_way(app: App, links: Links) -> Way | None:
    """Return how card callbacks go to an app; None if there is no way.

    `card_frame` is a frame of type `card`: what Lark sends over the long connection to an app whose callback
    configuration does not say long connection. `card.action.trigger_v1` goes by HTTP only.
    """
    to = app.subscription
    is_connected = bool(links.list_links(app.app_id))
    if app.callback_mode == "long_connection":
        return "connection"
    if app.callback_mode == "auto" and is_connected and not (to is not None and to.url and to.old_cards):
        return "connection"
    if to is not None and to.url:
        return "http"
    return "card_frame" if is_connected else None


def make_frame(way: Way, payload: dict[str, Any]) -> tuple[str, bytes]:
    """Return the type of the frames and their payload: plain JSON, with an empty verification token."""
    kind = CARD if way == "card_frame" else EVENT
    if "header" in payload:
        return kind, orjson.dumps({**payload, "header": {**payload["header"], "token": ""}})
    return kind, orjson.dumps({**payload, "token": ""})
