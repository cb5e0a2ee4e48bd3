"""Events about chats and messages, for each app whose bot is in the chat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator.world.apps import TENANT_KEY, App

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lark_emulator.world.chats import Chat, Message
    from lark_emulator.world.message_marks import Reaction
    from lark_emulator.world.users import User
    from lark_emulator.world.world import World


def get_ids(user: User, app: App) -> dict[str, str]:
    """Return the ids of a person that an app may know."""
    ids = {"union_id": user.union_id, "open_id": user.get_id(app, "open_id")}
    if not (app.store or user.is_external) and app.has_any("contact:user.employee_id:readonly"):
        ids["user_id"] = user.user_id
    return ids


def announce_chat(
    world: World, chat: Chat, event_type: str, operator: App | User | None, **more: dict[str, Any] | str
) -> None:
    """Tell the apps in a chat that it has changed.

    Args:
        world: The emulated tenant that holds the chat.
        chat: The chat that has changed.
        event_type: The type of the event, such as `im.chat.updated_v1`.
        operator: The app or user that made the change; None = no specific one.
        more: Further members of the event.
    """
    for app in chat.bots.values():
        content = {
            "chat_id": chat.chat_id,
            "operator_id": _get_operator_ids(operator, app),
            "external": chat.is_external,
            "operator_tenant_key": TENANT_KEY,
            **more,
        }
        world.announce(app, event_type, content)


def announce_members(
    world: World, chat: Chat, event_type: str, operator: App | User | None, users: Iterable[User]
) -> None:
    """Tell the apps in a chat who came or went."""
    people = list(users)
    for app in chat.bots.values() if people else ():
        content = {
            "chat_id": chat.chat_id,
            "operator_id": _get_operator_ids(operator, app),
            "external": chat.is_external,
            "operator_tenant_key": TENANT_KEY,
            "name": chat.name,
            "users": [
                {"name": user.name, "tenant_key": user.tenant_key, "user_id": get_ids(user, app)}
                for user in people
            ],
        }
        world.announce(app, event_type, content)


def announce_bot(world: World, chat: Chat, event_type: str, operator: App | User | None, bot: App) -> None:
    """Tell one app that its bot came into a chat or had to leave it."""
    content = {
        "chat_id": chat.chat_id,
        "operator_id": _get_operator_ids(operator, bot),
        "external": chat.is_external,
        "operator_tenant_key": TENANT_KEY,
        "name": chat.name,
    }
    world.announce(bot, event_type, content)


def announce_recall(world: World, message: Message, recall_type: str) -> None:
    """Tell the apps in a chat that a message was recalled just now.

    Args:
        world: The emulated tenant that holds the chat.
        message: The message that was recalled.
        recall_type: Who recalled it, such as `message_owner`.
    """
    content = {
        "message_id": message.message_id,
        "chat_id": message.chat_id,
        "recall_time": str(world.clock.get_time_ms()),
        "recall_type": recall_type,
    }
    for app in world.chats[message.chat_id].bots.values():
        world.announce(app, "im.message.recalled_v1", content)


def announce_reaction(world: World, message: Message, event_type: str, reaction: Reaction) -> None:
    """Tell the apps in a chat about a reaction that came or went."""
    user = world.users.get(reaction.user_id)
    for app in world.chats[message.chat_id].bots.values():
        content: dict[str, Any] = {
            "message_id": message.message_id,
            "reaction_type": {"emoji_type": reaction.emoji_type},
            "operator_type": "app" if user is None else "user",
            "action_time": str(reaction.action_time),
        }
        if user is None:
            content["app_id"] = reaction.app_id
        else:
            content["user_id"] = get_ids(user, app)
        world.announce(app, event_type, content)


def _get_operator_ids(operator: App | User | None, app: App) -> dict[str, str]:
    if operator is None:
        return {}
    return {"open_id": operator.bot_open_id} if isinstance(operator, App) else get_ids(operator, app)
