"""Messages: IM v1 of Lark (`/open-apis/im/v1`)."""

from __future__ import annotations

from lark_provider.api.messaging.change import edit, recall, reply, update_card
from lark_provider.api.messaging.content import MAX_TEXT_BYTES, MessageType
from lark_provider.api.messaging.files import (
    Downloaded,
    download,
    send_file,
    send_image,
    upload_file,
    upload_image,
)
from lark_provider.api.messaging.keyed import OnUnknown
from lark_provider.api.messaging.read import get, list_messages
from lark_provider.api.messaging.send import (
    Message,
    send,
    send_card,
    send_card_template,
    send_post,
    send_text,
)
from lark_provider.api.messaging.urgent import urgent
from lark_provider.protocol.urgent_kinds import UrgentKind

__all__ = [
    "MAX_TEXT_BYTES",
    "Downloaded",
    "Message",
    "MessageType",
    "OnUnknown",
    "UrgentKind",
    "download",
    "edit",
    "get",
    "list_messages",
    "recall",
    "reply",
    "send",
    "send_card",
    "send_card_template",
    "send_file",
    "send_image",
    "send_post",
    "send_text",
    "update_card",
    "upload_file",
    "upload_image",
    "urgent",
]
