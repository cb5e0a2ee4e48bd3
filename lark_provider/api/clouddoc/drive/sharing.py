"""Share a document: list its grants, add missing ones, raise weaker ones, lower none, and list them again.

Lark answers success to some grants that have no effect, so only the list shows who may open a document.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

from lark_provider.api import contact
from lark_provider.api.clouddoc.drive.documents import Document, DocumentType, find_document
from lark_provider.api.clouddoc.drive.files import get_metadata
from lark_provider.api.clouddoc.drive.people import (
    Grant,
    Member,
    Role,
    Share,
    WantedGrant,
    at_least,
    resolve_shares,
)
from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.errors import LarkAPIError, LarkError, OutcomeUnknownError, PermissionDeniedError
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.paths import fill_path

__all__ = ["Grant", "Role", "Share", "list_grants", "resolve_shares", "share", "share_resolved"]

MEMBERS = "/drive/v1/permissions/{token}/members"
_NOT_ALLOWED, _NO_EFFECT = 1063003, 1063003


def share(
    token: str,
    share_with: Iterable[Share],
    *,
    type: DocumentType | None = None,  # noqa: A002 - Lark's name
) -> Procedure[list[Grant]]:
    """Let people and chats open a document or folder; a repeat does no harm, and no role is lowered.

    See GET and POST /open-apis/drive/v1/permissions/:token/members and PUT
    /open-apis/drive/v1/permissions/:token/members/:member_id.

    Args:
        token: The document or folder: a link, a `Sheet`, or a token with its kind in `type`.
        share_with: The people and chats that may open it, with their roles.
        type: The kind of the document or folder, if `token` does not show it.

    Returns:
        The grants that were wanted, as they are now; a stronger role that existed before is kept.

    Raises:
        InvalidRequestError: A person, role or kind is invalid; nothing was changed.
        NotFoundError: A person is not visible to the app; nothing was changed.
        PermissionDeniedError: Some grants were refused. The text says which, and why; the others were made.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    wanted = yield from resolve_shares(share_with)
    document = yield from find_document(token, type)
    return (yield from share_resolved(document.token, document.type, wanted))


def share_resolved(
    token: str,
    type: DocumentType,  # noqa: A002 - Lark's name
    wanted: Sequence[WantedGrant],
    context: str = "",
) -> Procedure[list[Grant]]:
    """Share with people who were found before; see `share`.

    Args:
        token: The document's token.
        type: The kind of the document, such as `sheet`.
        wanted: The grants to make, whose people and chats are resolved.
        context: What was done before, as the beginning of an error's text; empty for none.
    """
    if not wanted:
        return []
    document = Document(token, type)
    try:
        return (yield from _share_document(document, wanted))
    except LarkError as error:
        if context:
            raise _within(error, context) from error
        raise


def _share_document(document: Document, wanted: Sequence[WantedGrant]) -> Procedure[list[Grant]]:
    before = _by_member((yield from list_grants(document)))
    failures: dict[str, LarkAPIError] = {}
    lost: dict[str, OutcomeUnknownError] = {}
    for member, role in wanted:
        existing = before.get(member.id)
        if existing is not None and at_least(existing.role, role):
            continue
        try:
            yield from perform(_grant_call(document, member, role, exists=existing is not None))
        except LarkAPIError as error:
            if error.retryable:
                raise
            failures[member.id] = error  # whether it took effect is read from the list below
        except OutcomeUnknownError as error:
            lost[member.id] = error
    after = _by_member((yield from list_grants(document)))
    granted, reasons = [], []
    first: LarkAPIError | None = None
    for member, role in wanted:
        existing = after.get(member.id)
        if existing is None and (yield from _owns(document, member)):
            existing = Grant(member.id, member.type, "full_access", "user", member.name)
        if existing is not None and at_least(existing.role, role):
            granted.append(existing)
            continue
        if member.id in lost:
            raise lost[member.id]
        failure = failures.get(member.id)
        first = first or failure
        reasons.append(
            f"{role} for {member.name}: {(yield from _describe_failure(document, member, failure))}"
        )
    if reasons:
        raise _make_refusal_error(document, reasons, first, len(granted))
    return granted


def list_grants(document: Document) -> Procedure[list[Grant]]:
    """List who may open a document.

    See GET /open-apis/drive/v1/permissions/:token/members.

    Args:
        document: The document, by token and kind.
    """
    url = fill_path(MEMBERS, token=document.token)
    call: Call[Any] = make_request("GET", url, params={"type": document.type, "fields": "*"})
    return [Grant.of(member) for member in (yield from perform(call)).data.get("items") or ()]


def _by_member(grants: Iterable[Grant]) -> dict[str, Grant]:
    return {grant.id: grant for grant in grants}


def _grant_call(document: Document, member: Member, role: Role, *, exists: bool) -> Call[Any]:
    """Return the call that adds a member, or raises the role of one.

    Repeating either is harmless: the member was missing, or had a weaker role.
    """
    params = {"type": document.type}
    body: dict[str, Any] = {"member_type": member.type, "perm": role, "type": member.kind}
    if document.type == "wiki":
        body["perm_type"] = "container"
    if exists:
        url = fill_path(MEMBERS + "/{member_id}", token=document.token, member_id=member.id)
        return make_request(
            "PUT", url, params={**params, "member_type": member.type}, json=body, idempotent=True
        )
    body["member_id"] = member.id
    return make_request(
        "POST", fill_path(MEMBERS, token=document.token), params=params, json=body, idempotent=True
    )


def _owns(document: Document, member: Member) -> Procedure[bool]:
    """Return whether a person owns a document: the list may not show the owner, who cannot be added."""
    if member.kind != "user" or document.type == "wiki":
        return False
    metadata = yield from get_metadata(document)
    return metadata is not None and metadata.get("owner_id") == member.id


def _describe_failure(document: Document, member: Member, failure: LarkAPIError | None) -> Procedure[str]:
    """Return why a grant was not made: the likely reason, or Lark's own error if none can be found out."""
    if failure is None:
        what = (
            "an app cannot be a member of a folder"
            if document.type == "folder"
            else "the list does not have it"
        )
        return f"Lark answered success, but it has no effect ({what})"
    if failure.code != _NOT_ALLOWED:
        return f"{failure.code} {failure.msg}".strip()
    try:
        if member.kind == "chat":
            url = fill_path("/im/v1/chats/{chat_id}/members/is_in_chat", chat_id=member.id)
            is_in_chat = (yield from perform(make_request("GET", url))).data.get("is_in_chat")
            if is_in_chat is False:
                return "the app's bot is not in the chat; add it there first"
        elif (yield from contact.get_user(member.id, max_age=0)) is None:
            return "the person is outside the app's availability; widen it in the developer console"
    except LarkAPIError as error:
        if member.kind == "chat":
            return f"the app's bot is not in the chat, or there is no such chat ({error.code} {error.msg})"
        return (
            f"{failure.code} {failure.msg}, and the person could not be looked up ({error.code} {error.msg})"
        )
    why = "the document has all the members it may, or the tenant's policy forbids it"
    return f"{failure.code} {failure.msg}: {why}"


def _make_refusal_error(
    document: Document, reasons: list[str], first: LarkAPIError | None, granted: int
) -> PermissionDeniedError:
    others = f" {granted} other(s) were granted." if granted else ""
    return PermissionDeniedError(
        f"Lark refused {len(reasons)} permission(s) on the {document.type} {document.token}: "
        f"{'; '.join(reasons)}.{others} Next: fix what Lark reports, and share it again.",
        code=first.code if first else _NO_EFFECT,
        msg=first.msg if first else "",
        log_id=first.log_id if first else None,
        http_status=first.http_status if first else None,
    )


def _within(error: LarkError, context: str) -> LarkError:
    """Return the same error, whose text begins with what was done before."""
    extended = copy.copy(error)
    extended.args = (f"{context} {error}", *error.args[1:])
    return extended
