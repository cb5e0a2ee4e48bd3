"""A message as `/im/v1/messages` shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator.im import card_reading

if TYPE_CHECKING:
    from lark_emulator.routing import Call
    from lark_emulator.world.chats import Message

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
        shown["mentions"] = message.mentions
    return shown


def _render_sender(message: Message, call: Call) -> dict[str, Any]:
    if not message.user_id:
        shown = {"id": message.app_id, "id_type": "app_id", "sender_type": "app"}
    else:
        sender = call.world.users[message.user_id].get_id(call.app, "open_id")
        shown = {"id": sender, "id_type": "open_id", "sender_type": "user"}
    return {**shown, "tenant_key": message.tenant_key}
