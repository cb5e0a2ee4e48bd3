"""What a bot may do in a group: as its owner, as an administrator, or as a member."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lark_emulator.world.apps import App
    from lark_emulator.world.chats import Chat

#: With this scope, the app that made a group acts as its owner.
AS_OWNER = "im:chat:operate_as_owner"


def is_owner(app: App, chat: Chat) -> bool:
    """Return whether a bot owns a group, or may act as its owner because it made it."""
    return chat.owner == app.app_id or (chat.creator == app.app_id and app.has_any(AS_OWNER))


def is_manager(app: App, chat: Chat) -> bool:
    """Return whether a bot owns or administers a group."""
    return is_owner(app, chat) or app.app_id in chat.managers


def is_allowed(app: App, chat: Chat, setting: str) -> bool:
    """Return whether a setting of a group, such as `edit_permission`, lets a bot do something."""
    return chat.settings.get(setting) != "only_owner" or is_manager(app, chat)
