"""What a bot or a user may do in a group: as its owner, as an administrator, or as a member."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lark_emulator.routing import Actor
    from lark_emulator.world.chats import Chat

#: With this scope, the app that made a group acts as its owner.
AS_OWNER = "im:chat:operate_as_owner"


def is_owner(actor: Actor, chat: Chat) -> bool:
    """Return whether the one who acts owns a group, or is the app that made it and may act as its owner."""
    is_creator = actor.user is None and chat.creator == actor.app.app_id
    return chat.owner == actor.who[1] or (is_creator and actor.has_any(AS_OWNER))


def is_manager(actor: Actor, chat: Chat) -> bool:
    """Return whether the one who acts owns or administers a group."""
    return is_owner(actor, chat) or actor.who[1] in chat.managers


def is_allowed(actor: Actor, chat: Chat, setting: str) -> bool:
    """Return whether a setting of a group, such as `edit_permission`, lets the one who acts do something."""
    return chat.settings.get(setting) != "only_owner" or is_manager(actor, chat)
