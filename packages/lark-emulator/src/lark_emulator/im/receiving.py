"""Which bots hear a message in one of their chats, and what `im.message.receive_v1` tells them of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator.im.announcing import get_ids
from lark_emulator.world.apps import TENANT_KEY

if TYPE_CHECKING:
    from lark_emulator.world.apps import App
    from lark_emulator.world.chats import Chat, Mention, Message
    from lark_emulator.world.world import World

RECEIVED = "im.message.receive_v1"
_DIRECT = ("im:message.p2p_msg:readonly", "im:message.p2p_msg")
_ALL = ("im:message.group_msg", "im:message.group_msg:readonly")
_FROM_BOTS = "im:message.group_at_msg.include_bot:readonly"
_MENTIONED = ("im:message.group_at_msg:readonly", "im:message.group_at_msg", _FROM_BOTS, *_ALL)

UNCONFIRMED = "bots hear what an app sends in a user's name as that user's message, the app's own bot, too"


def list_listeners(chat: Chat, message: Message) -> list[App]:
    """Return the apps whose bots hear a message, by their scopes.

    A bot hears another bot only if that mentions it, and never itself.
    """
    return [app for app in chat.bots.values() if _hears(app, chat, message)]


def _hears(app: App, chat: Chat, message: Message) -> bool:
    is_mentioned = any(mention.who == ("app", app.app_id) for mention in message.mentions)
    if not message.user_id:
        is_own = message.app_id == app.app_id
        return is_mentioned and not is_own and not app.store and app.has_any(_FROM_BOTS)
    if chat.mode == "p2p":
        return app.has_any(*_DIRECT)
    return app.has_any(*(_MENTIONED if is_mentioned else _ALL))


def announce_message(world: World, message: Message) -> None:
    """Tell the bots that hear a message, which an app has just sent, about it."""
    chat = world.chats[message.chat_id]
    for app in list_listeners(chat, message):
        world.announce(app, RECEIVED, make_content(world, app, chat, message))


def make_content(world: World, app: App, chat: Chat, message: Message) -> dict[str, Any]:
    """Return the content of the event as one app is sent it."""
    shown: dict[str, Any] = {
        "message_id": message.message_id,
        "chat_id": chat.chat_id,
        "chat_type": chat.mode,
        "message_type": message.msg_type,
        "content": message.content,
        "create_time": str(message.create_time),
        "update_time": str(message.update_time),
    }
    # What does not apply is missing, not null.
    shown |= {
        name: getattr(message, name)
        for name in ("root_id", "parent_id", "thread_id")
        if getattr(message, name)
    }
    if message.mentions:  # everybody (`all`) is mentioned in the text only
        shown["mentions"] = [_render_mention(world, app, mention) for mention in message.mentions]
    if message.user_id:
        sender_id, sender_type = get_ids(world.users[message.user_id], app), "user"
    else:
        sender_id, sender_type = {"open_id": world.apps[message.app_id].bot_open_id}, "bot"
    return {
        "sender": {"sender_id": sender_id, "sender_type": sender_type, "tenant_key": message.tenant_key},
        "message": shown,
    }


def _render_mention(world: World, app: App, mention: Mention) -> dict[str, Any]:
    """Return who is mentioned as the app that is sent the event knows them."""
    kind, name = mention.who
    if kind == "user":
        user = world.users[name]
        ids, shown = get_ids(user, app), user.name
        tenant_key = user.tenant_key if user.is_external else TENANT_KEY
    else:
        other = world.apps[name]
        ids, shown, tenant_key = {"open_id": other.bot_open_id}, other.name, TENANT_KEY
    return {
        "key": mention.key,
        "id": ids,
        "mentioned_type": "user" if kind == "user" else "bot",
        "name": shown,
        "tenant_key": tenant_key,
    }
