"""A message as `/im/v1/messages` shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator.im import card_reading

if TYPE_CHECKING:
    from lark_emulator.routing import Call
    from lark_emulator.world.apps import App
    from lark_emulator.world.chats import Mention, Message
    from lark_emulator.world.world import World

RECALLED = "This message was recalled"


def render(message: Message, call: Call) -> dict[str, Any]:
    """Return a message as Lark shows it: times are milliseconds in strings."""
    content = message.content
    wanted = call.query.get("card_msg_content_type")
    if message.msg_type == "interactive" and wanted in (card_reading.SENT, card_reading.RAW):
        content = message.sent if wanted == card_reading.SENT else card_reading.render_raw(message.sent)
    shown: dict[str, Any] = {
        "message_id": message.message_id,
        "msg_type": message.msg_type,
        "create_time": str(message.create_time),
        "update_time": str(message.update_time),
        "deleted": message.deleted,
        "updated": message.edits > 0,
        "chat_id": message.chat_id,
        "sender": _render_sender(message, call),
        "body": {"content": RECALLED if message.deleted else content},
    }
    for name in ("root_id", "parent_id", "thread_id", "upper_message_id"):
        if getattr(message, name):
            shown[name] = getattr(message, name)
    if message.mentions and not message.deleted:
        shown["mentions"] = [
            render_mention(call.world, mention, call.app, call.tenant_key) for mention in message.mentions
        ]
    return shown


def _render_sender(message: Message, call: Call) -> dict[str, Any]:
    if not message.user_id:
        shown = {"id": message.app_id, "id_type": "app_id", "sender_type": "app"}
    else:
        sender = call.world.users[message.user_id].get_id(call.app, "open_id")
        shown = {"id": sender, "id_type": "open_id", "sender_type": "user"}
    return {**shown, "tenant_key": message.tenant_key}


def render_mention(world: World, mention: Mention, app: App | None, tenant_key: str) -> dict[str, str]:
    """Return who is mentioned in a text.

    Args:
        world: The emulated tenant that holds the apps and users.
        mention: Who is mentioned.
        app: The app to which they are shown, since an open_id differs from app to app; None = to none.
        tenant_key: The key of the tenant of whoever is not external.
    """
    kind, name = mention.who
    id_type = "open_id"
    if kind == "app":
        shown_id, title = world.apps[name].bot_open_id, world.apps[name].name
    else:
        user = world.users[name]
        title = user.name
        id_type = "user_id" if app is None else "open_id"
        shown_id = user.user_id if app is None else user.get_id(app, "open_id")
        tenant_key = user.tenant_key if user.is_external else tenant_key
    return {"key": mention.key, "id": shown_id, "id_type": id_type, "name": title, "tenant_key": tenant_key}
