"""`/approval/v4/instances/:instance_id/comments`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator import codes
from lark_emulator.approval.parameters import (
    find_instance,
    find_person,
    make_refusal,
    read_body,
    read_optional,
    read_page_size,
    require,
)
from lark_emulator.codes import RefusedError
from lark_emulator.routing import Call, Route
from lark_emulator.validation import cut_page
from lark_emulator.world.approvals import ApprovalComment, get_id

if TYPE_CHECKING:
    from lark_emulator.world.approvals import Instance


def _require_comment(instance: Instance, comment_id: str) -> ApprovalComment:
    comment = next((candidate for candidate in instance.comments if candidate.comment_id == comment_id), None)
    if comment is None:
        raise make_refusal(f"unknown comment {comment_id}")
    return comment


def create(call: Call) -> dict[str, Any]:
    """Write a comment, or change one (`comment_id`)."""
    body = read_body(call)
    instance = find_instance(call, call.params["instance_id"])
    author, now = find_person(call, require(dict(call.query), "user_id")), call.world.clock.get_time_ms()
    content = require(body, "content")
    try:
        parsed = orjson.loads(content)
    except orjson.JSONDecodeError:
        parsed = None
    if not isinstance(parsed, dict):
        raise make_refusal("content must be a JSON string of an object")
    if body.get("comment_id"):
        comment = _require_comment(instance, require(body, "comment_id"))
        if comment.author is not author:
            raise RefusedError(codes.APPROVAL_DENIED)
        comment.content, comment.update_time = content, now
        return {"comment_id": comment.comment_id}
    parent = read_optional(body, "parent_comment_id")
    if parent:
        _require_comment(instance, parent)
    comment = ApprovalComment(
        call.world.approvals.make_number(),
        author,
        content,
        now,
        now,
        parent,
        at_info=body.get("at_info_list") or [],
        extra=read_optional(body, "extra"),
    )
    instance.comments.append(comment)
    return {"comment_id": comment.comment_id}


def list_comments(call: Call) -> dict[str, Any]:
    """List the comments, each with its replies."""
    instance = find_instance(call, call.params["instance_id"])
    find_person(call, require(dict(call.query), "user_id"))
    tops = [comment for comment in instance.comments if not comment.parent_id]
    part, rest = cut_page(
        tops, call, read_page_size(call, least=1, limit=1000, default=10), codes.APPROVAL_PARAM
    )
    return {
        "comments": [
            _render(call, comment)
            | {
                "replies": [
                    _render(call, reply)
                    for reply in instance.comments
                    if reply.parent_id == comment.comment_id
                ]
            }
            for comment in part
        ],
        **rest,
    }


def _render(call: Call, comment: ApprovalComment) -> dict[str, Any]:
    return {
        "id": comment.comment_id,
        "content": comment.content,
        "create_time": str(comment.create_time),
        "update_time": str(comment.update_time),
        "is_delete": int(comment.deleted),
        "at_info_list": comment.at_info,
        "commentator": get_id(comment.author, call.app, call.query.get("user_id_type") or "open_id"),
        "extra": comment.extra,
    }


def delete(call: Call) -> dict[str, Any]:
    """Delete a comment; it stays in the list, marked."""
    instance = find_instance(call, call.params["instance_id"])
    author = find_person(call, require(dict(call.query), "user_id"))
    comment = _require_comment(instance, call.params["comment_id"])
    if comment.author is not author:
        raise RefusedError(codes.APPROVAL_DENIED)
    comment.deleted, comment.update_time = True, call.world.clock.get_time_ms()
    return {"comment_id": comment.comment_id}


def remove(call: Call) -> dict[str, Any]:
    """Remove all comments."""
    instance = find_instance(call, call.params["instance_id"])
    instance.comments.clear()
    return {"instance_id": instance.code, "external_id": ""}


_PATH = "/open-apis/approval/v4/instances/:instance_id/comments"
ROUTES = (
    Route("POST", _PATH, create),
    Route("GET", _PATH, list_comments, unconfirmed=("deleted comments stay in the list with their content",)),
    Route("DELETE", f"{_PATH}/:comment_id", delete, unconfirmed=("a repeat succeeds",)),
    Route("POST", f"{_PATH}/remove", remove, unconfirmed=("who may do so is not checked",)),
)
