"""`/task/v2/comments`: what is said about a task."""

from __future__ import annotations

from typing import Any

from lark_emulator import codes_office
from lark_emulator.codes import RefusedError
from lark_emulator.routing import Call, Route
from lark_emulator.tasks import access
from lark_emulator.tasks.access import make_bot_member, refuse, require_task
from lark_emulator.validation import (
    cut_page,
    read_bounded_page_size,
    read_choice,
    read_json_object,
    read_user_id_type,
)
from lark_emulator.world.tasks import TaskComment

MAX_TEXT_LENGTH = 3000


def render(comment: TaskComment, call: Call, id_type: str) -> dict[str, Any]:
    """Return a comment as Lark shows it."""
    return {
        "id": comment.comment_id,
        "content": comment.content,
        "creator": access.render(call, comment.creator, id_type),
        "reply_to_comment_id": comment.reply_to,
        "created_at": str(comment.created_at),
        "updated_at": str(comment.updated_at),
        "resource_type": "task",
        "resource_id": comment.task_guid,
    }


def create(call: Call) -> dict[str, Any]:
    """Answer `POST /task/v2/comments`: on a task that the bot may read."""
    id_type = read_user_id_type(call)
    body = read_json_object(call, codes_office.TASK_PARAM)
    content = _check_content(body.get("content"))
    if body.get("resource_type", "task") != "task":
        refuse("resource_type must be task")
    task = require_task(call, str(body.get("resource_id", "")))
    reply_to = str(body.get("reply_to_comment_id") or "")
    if reply_to and _require_comment(call, reply_to).task_guid != task.guid:
        refuse("reply_to_comment_id is a comment on another task")
    now = call.world.clock.get_time_ms()
    number = int(call.world.make_id("", 15), 16)
    comment = TaskComment(
        f"7{number % 10**18:018d}", task.guid, content, make_bot_member(call, "creator"), now, now, reply_to
    )
    call.world.tasks.comments[comment.comment_id] = comment
    return {"comment": render(comment, call, id_type)}


def get(call: Call) -> dict[str, Any]:
    """Answer `GET /task/v2/comments/:comment_id`."""
    id_type = read_user_id_type(call)
    return {"comment": render(_require_readable_comment(call), call, id_type)}


def list_comments(call: Call) -> dict[str, Any]:
    """Answer `GET /task/v2/comments`: those on one task."""
    id_type = read_user_id_type(call)
    size = read_bounded_page_size(call, limit=100, default=50)
    if call.query.get("resource_type", "task") != "task":
        refuse("resource_type must be task")
    order = read_choice(call.query, "direction", ("asc", "desc"), default="asc")
    guid = require_task(call, call.query.get("resource_id", "")).guid
    comments = [comment for comment in call.world.tasks.comments.values() if comment.task_guid == guid]
    items, more = cut_page(
        comments[::-1] if order == "desc" else comments, call, size, codes_office.TASK_PARAM
    )
    return {"items": [render(comment, call, id_type) for comment in items], **more}


def patch(call: Call) -> dict[str, Any]:
    """Answer `PATCH /task/v2/comments/:comment_id`: the bot's own."""
    id_type = read_user_id_type(call)
    comment = _require_own_comment(call)
    body = read_json_object(call, codes_office.TASK_PARAM)
    spec, names = body.get("comment"), body.get("update_fields")
    if names != ["content"]:
        refuse("update_fields may hold content")
    comment.content = _check_content(spec.get("content") if isinstance(spec, dict) else None)
    comment.updated_at = call.world.clock.get_time_ms()
    return {"comment": render(comment, call, id_type)}


def delete(call: Call) -> dict[str, Any]:
    """Answer `DELETE /task/v2/comments/:comment_id`: the bot's own."""
    del call.world.tasks.comments[_require_own_comment(call).comment_id]
    return {}


def _check_content(value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_TEXT_LENGTH:
        refuse(f"content must have 1 to {MAX_TEXT_LENGTH} characters")
    return value


def _require_comment(call: Call, comment_id: str) -> TaskComment:
    comment = call.world.tasks.comments.get(comment_id)
    if comment is None:
        raise RefusedError(codes_office.TASK_UNKNOWN)
    return comment


def _require_readable_comment(call: Call) -> TaskComment:
    comment = _require_comment(call, call.params["comment_id"])
    require_task(call, comment.task_guid)
    return comment


def _require_own_comment(call: Call) -> TaskComment:
    comment = _require_readable_comment(call)
    if (comment.creator.type, comment.creator.id) != ("app", call.app.app_id):
        raise RefusedError(codes_office.TASK_DENIED)
    return comment


_PATH = "/open-apis/task/v2/comments"

ROUTES = (
    Route("POST", _PATH, create, unconfirmed=(access.BOT_ACTS,)),
    Route("GET", f"{_PATH}/:comment_id", get, unconfirmed=(access.BOT_ACTS,)),
    Route("GET", _PATH, list_comments, unconfirmed=(access.BOT_ACTS,)),
    Route(
        "PATCH",
        f"{_PATH}/:comment_id",
        patch,
        unconfirmed=(access.BOT_ACTS, "another's comment gets 1470403"),
    ),
    Route(
        "DELETE",
        f"{_PATH}/:comment_id",
        delete,
        unconfirmed=(access.BOT_ACTS, "another's comment gets 1470403"),
    ),
)
