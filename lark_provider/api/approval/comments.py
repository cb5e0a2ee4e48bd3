"""Comments on an approval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from lark_provider.api import receivers
from lark_provider.api.approval.definitions import check_code
from lark_provider.protocol.arguments import check_str
from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.operations import Listing, Page, Procedure, perform
from lark_provider.protocol.paths import fill_path

_COMMENTS = "/approval/v4/instances/{instance}/comments"
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment.

    Attributes:
        id: Lark's id.
        author: The open_id of the person who wrote it, or empty.
        text: The text of the comment.
        is_deleted: Whether it was removed.
    """

    id: str
    author: str
    text: str
    is_deleted: bool


def add_comment(instance: str, text: str, *, author: str) -> Procedure[str]:
    """Write a comment on an approval in a person's name. A repeat writes another one: Lark takes no key.

    See POST /open-apis/approval/v4/instances/:instance_id/comments.

    Args:
        instance: The instance_code.
        text: The text of the comment.
        author: The person in whose name it is written: an open_id, user_id, e-mail address or mobile number
            (`+…`).

    Returns:
        The comment's id.

    Raises:
        InvalidRequestError: An argument is invalid; nothing was sent.
        NotFoundError: There is no such instance or person.
        PermissionDeniedError: The app lacks the scope.
        OutcomeUnknownError: No answer came; the comment may have been written.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    url = fill_path(_COMMENTS, instance=check_code(instance, "instance"))
    if not (isinstance(text, str) and text.strip()):
        raise InvalidRequestError(
            f"A comment must be a non-empty string, got {text!r}. Next: pass what it says.", code=1390001
        )
    check_str("The comment", text, "what it says")
    who = yield from receivers.find_person(author, "author")
    call: Call[Any] = make_request(
        "POST",
        url,
        params={"user_id": who.id, "user_id_type": who.id_type},
        json={"content": orjson.dumps({"text": text, "files": []}).decode()},
    )
    return str((yield from perform(call)).data["comment_id"])


def list_comments(instance: str, *, reader: str) -> Listing[Comment]:
    """List the comments on an approval.

    See GET /open-apis/approval/v4/instances/:instance_id/comments.

    Args:
        instance: The instance_code.
        reader: A person who may see the approval, such as its submitter: an open_id, user_id, e-mail address
            or mobile number (`+…`).

    Raises:
        InvalidRequestError: An argument is invalid; nothing was sent.
        NotFoundError: There is no such instance or person.
        PermissionDeniedError: The app lacks the scope.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    url = fill_path(_COMMENTS, instance=check_code(instance, "instance"))

    def read_page(token: str | None) -> Procedure[Page[Comment]]:
        who = yield from receivers.find_person(reader, "reader")
        params = {
            "user_id": who.id,
            "user_id_type": who.id_type,
            "page_size": str(_PAGE),
            "page_token": token,
        }
        data = (yield from perform(make_request("GET", url, params=params))).data
        comment_page: Page[Any] = Page.of({**data, "items": data.get("comments")})
        return Page([_read_comment(comment) for comment in comment_page.items], comment_page.next_token)

    return Listing(read_page)


def _read_comment(comment: dict[str, Any]) -> Comment:
    content = comment.get("content") or ""
    try:
        parsed = orjson.loads(content)
    except ValueError:
        parsed = content
    text = parsed.get("text") if isinstance(parsed, dict) else content
    return Comment(
        str(comment.get("id") or ""),
        str(comment.get("commentator") or ""),
        str(text or ""),
        bool(comment.get("is_delete")),
    )


def remove_comment(instance: str, comment_id: str, *, author: str) -> Procedure[None]:
    """Remove a comment; a repeat does no harm.

    See DELETE /open-apis/approval/v4/instances/:instance_id/comments/:comment_id.

    Args:
        instance: The instance_code.
        comment_id: The id that `add_comment` returned.
        author: The person in whose name it is removed: an open_id, user_id, e-mail address or mobile number
            (`+…`).

    Raises:
        InvalidRequestError: An argument is invalid; nothing was sent.
        NotFoundError: There is no such instance, comment or person.
        PermissionDeniedError: The app lacks the scope.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    url = fill_path(
        _COMMENTS + "/{comment_id}",
        instance=check_code(instance, "instance"),
        comment_id=check_code(comment_id, "comment_id"),
    )
    who = yield from receivers.find_person(author, "author")
    call: Call[Any] = make_request("DELETE", url, params={"user_id": who.id, "user_id_type": who.id_type})
    yield from perform(call)
