"""`/message/v4/batch_send/` and `/im/v1/batch_messages`: one message to many people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator import codes, codes_im
from lark_emulator.codes import RefusedError
from lark_emulator.im.content import Content, check_content
from lark_emulator.im.messages import GONE, put
from lark_emulator.routing import Call, Route
from lark_emulator.validation import read_choice, read_json_object, read_text_list
from lark_emulator.world.batches import Batch

if TYPE_CHECKING:
    from lark_emulator.world.users import User

MAX_IDS = 200
MSG_TYPES = ("text", "image", "post", "share_chat", "interactive")
_KINDS = {"open_ids": "open_id", "user_ids": "user_id", "union_ids": "union_id"}


def batch_send(call: Call) -> dict[str, Any]:
    """Answer `POST /message/v4/batch_send/`: `content` is an object here, and a card is in `card`."""
    body = read_json_object(call, codes_im.BATCH_PARAM)
    msg_type = read_choice(body, "msg_type", MSG_TYPES)
    people: dict[str, User] = {}
    invalid: dict[str, list[str]] = {}
    for member, id_type in _KINDS.items():
        for value in read_text_list(body, member, limit=MAX_IDS):
            user = _find_receiver(call, id_type, value)
            if user is None:
                invalid.setdefault(member, []).append(value)
            else:
                people[user.user_id] = user
    for value in read_text_list(body, "department_ids", limit=MAX_IDS):
        department = call.world.departments.find(value)
        if department is None:
            invalid.setdefault("department_ids", []).append(value)
            continue
        for user in call.world.departments.list_members(department, recursive=True):
            if call.app.sees(user.user_id) and user.status not in GONE and not user.is_external:
                people[user.user_id] = user
    if not people and not invalid:
        raise RefusedError(codes_im.BATCH_PARAM, "no receivers")
    content = check_object_content(call, msg_type, body)
    batch = Batch(call.world.make_id("bm-"), call.app.app_id, call.world.clock.get_time_ms())
    for user in people.values():
        # The limits of each receiver do not apply.
        batch.messages.append(put(call, call.world.ensure_p2p_chat(call.app, user), content))
    call.world.batches[batch.batch_id] = batch
    members = ("department_ids", *_KINDS)
    return {
        "message_id": batch.batch_id,
        **{f"invalid_{member}": invalid.get(member, []) for member in members},
    }


def recall(call: Call) -> dict[str, Any]:
    """Answer `DELETE /im/v1/batch_messages/:batch_message_id`."""
    batch = _require_batch(call)
    if batch.app_id != call.app.app_id:
        raise RefusedError(codes.MAY_NOT_RECALL)
    now = call.world.clock.get_time_ms()
    if now - batch.create_time > call.settings.recall_window * 1000:
        raise RefusedError(codes.RECALL_EXPIRED)
    batch.recalled = True
    for message in batch.messages:
        message.deleted = True
        message.update_time = now
    return {}


def get_progress(call: Call) -> dict[str, Any]:
    """Answer `GET …/get_progress`: all that was valid has been delivered."""
    batch = _require_own_batch(call)
    sent = len(batch.messages)
    return {
        "batch_message_send_progress": {
            "valid_user_ids_count": sent,
            "success_user_ids_count": sent,
            "read_user_ids_count": _read(batch),
        },
        "batch_message_recall_progress": {
            "recall": batch.recalled,
            "recall_count": sum(message.deleted for message in batch.messages),
        },
    }


def read_user(call: Call) -> dict[str, Any]:
    """Answer `GET …/read_user`: counts in strings."""
    batch = _require_own_batch(call)
    return {"read_user": {"read_count": str(_read(batch)), "total_count": str(len(batch.messages))}}


def _read(batch: Batch) -> int:
    return sum(bool(message.readers) for message in batch.messages)


def _find_receiver(call: Call, id_type: str, value: str) -> User | None:
    try:
        user = call.world.find_user(call.app, id_type, value)
    except RefusedError:
        return None
    usable = user is not None and not user.is_external and user.status not in GONE
    return user if usable and user is not None and call.app.sees(user.user_id) else None


def check_object_content(call: Call, msg_type: str, body: dict[str, Any]) -> Content:
    """Return the checked content of `/message/v4/`: an object, where `/im/v1/` takes a string of JSON.

    Raises:
        RefusedError: 10003 (it is missing), 10002 (it is invalid), 11246 (an invalid card).
    """
    sent = body.get("card" if msg_type == "interactive" else "content")
    if not isinstance(sent, dict):
        raise RefusedError(codes_im.BATCH_PARAM)
    content: dict[str, Any] = sent
    if msg_type == "post" and isinstance(sent.get("post"), dict):
        content = sent["post"]
    elif msg_type == "share_chat" and "share_chat_id" in sent:
        content = {"chat_id": sent["share_chat_id"]}
    try:
        return check_content(call, msg_type, orjson.dumps(content).decode())
    except RefusedError as refusal:
        failed = codes_im.BATCH_CONTENT if msg_type == "interactive" else codes_im.BATCH_MESSAGE
        raise RefusedError(failed, refusal.msg) from None


def _require_batch(call: Call) -> Batch:
    batch = call.world.batches.get(call.params["batch_message_id"])
    if batch is None:
        raise RefusedError(codes_im.BATCH_ID)
    return batch


def _require_own_batch(call: Call) -> Batch:
    batch = _require_batch(call)
    if batch.app_id != call.app.app_id:
        raise RefusedError(codes.NOT_SENDER_OF_CARD)
    return batch


_PATH = "/open-apis/im/v1/batch_messages/:batch_message_id"

ROUTES = (
    Route(
        "POST",
        "/open-apis/message/v4/batch_send/",
        batch_send,
        unconfirmed=(
            "everybody has it at once; 500,000 messages a day are not counted",
            "receivers that are not there do not refuse the request, even if they are all",
            "wording behind `ext=`",
        ),
    ),
    Route("DELETE", _PATH, recall, unconfirmed=("no `im.message.recalled_v1` for its messages",)),
    Route(
        "GET",
        f"{_PATH}/get_progress",
        get_progress,
        unconfirmed=("progress is kept without end, not for 30 days",),
    ),
    Route("GET", f"{_PATH}/read_user", read_user),
)
