"""`POST /message/v4/send/`: the API that was there before `/im/v1/messages`, which many clients still use."""

from __future__ import annotations

from typing import Any

from lark_emulator import codes_im
from lark_emulator.codes import RefusedError
from lark_emulator.im.batches import MSG_TYPES, check_object_content
from lark_emulator.im.messages import attach, find_receiver, post, require_visible_message
from lark_emulator.im.receiving import announce_message
from lark_emulator.routing import Call, Route
from lark_emulator.validation import read_choice, read_json_object, read_optional_text
from lark_emulator.world.chats import Chat

#: In the order in which the service reads them: the first that is there counts.
RECEIVERS = ("chat_id", "open_id", "user_id", "email")


def send(call: Call) -> dict[str, Any]:
    """Answer `POST /message/v4/send/`: `content` is an object here, and a card is in `card`."""
    body = read_json_object(call, codes_im.BATCH_PARAM)
    msg_type = read_choice(body, "msg_type", MSG_TYPES)
    receiver_ids = {name: read_optional_text(body, name) for name in RECEIVERS}
    id_type = next((name for name in RECEIVERS if receiver_ids[name]), None)
    if id_type is None:
        raise RefusedError(codes_im.BATCH_PARAM, f"one of {', '.join(RECEIVERS)} is required")
    receiver = find_receiver(call, id_type, receiver_ids[id_type])
    content = check_object_content(call, msg_type, _with_sharing(body))
    chat = receiver if isinstance(receiver, Chat) else call.world.ensure_p2p_chat(call.author, receiver)
    root_id = read_optional_text(body, "root_id")
    parent = require_visible_message(call, root_id)[0] if root_id else None
    if parent is not None and parent.chat_id != chat.chat_id:
        raise RefusedError(codes_im.BATCH_PARAM, "root_id is a message of another chat")
    message = post(call, chat, content)
    if parent is not None:
        attach(call, message, parent)
    announce_message(call.world, message)
    return {"message_id": message.message_id}


def _with_sharing(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body whose card says itself whether all its readers share it."""
    card = body.get("card")
    if body.get("update_multi") is not True or not isinstance(card, dict):
        return body
    config = card.get("config", {})
    if not isinstance(config, dict):
        return body  # the check of the card refuses it
    return {**body, "card": {**card, "config": {**config, "update_multi": True}}}


ROUTES = (
    Route(
        "POST",
        "/open-apis/message/v4/send/",
        send,
        unconfirmed=(
            "refusals of the body have the codes of `batch_send`, of the receiver those of `/im/v1/messages`",
            "`root_id` must be a message of the same chat",
            "`update_multi` beside a card counts as that of the card's `config`",
            "no limit but that of the receiver: the page names none",
        ),
        evidence="documentation",
    ),
)
