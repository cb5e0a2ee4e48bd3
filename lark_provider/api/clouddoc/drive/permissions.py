"""Who may open a document: one by one, its owner, and its public link."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, TypedDict, get_args

from lark_provider.api.clouddoc.drive.documents import Document, DocumentType, find_document
from lark_provider.api.clouddoc.drive.files import get_metadata
from lark_provider.api.clouddoc.drive.people import (
    WRONG_MEMBER,
    Grant,
    Role,
    Share,
    check_role,
    find_member,
    resolve_shares,
)
from lark_provider.api.clouddoc.drive.sharing import MEMBERS, list_grants, share_resolved
from lark_provider.protocol.arguments import check_choice
from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.errors import (
    InvalidRequestError,
    LarkAPIError,
    OutcomeUnknownError,
    PermissionDeniedError,
)
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.paths import fill_path

LinkShare: TypeAlias = Literal[
    "closed",
    "tenant_readable",
    "tenant_editable",
    "partner_tenant_readable",
    "partner_tenant_editable",
    "anyone_readable",
    "anyone_editable",
]
PUBLIC = "/drive/v2/permissions/{token}/public"


class Public(TypedDict, total=False):
    """Who may open a document by its link, and what they may do with it."""

    external_access_entity: str
    security_entity: str
    comment_entity: str
    share_entity: str
    manage_collaborator_entity: str
    link_share_entity: str
    copy_entity: str
    lock_switch: bool


def list_members(token: str, *, type: DocumentType | None = None) -> Procedure[list[Grant]]:  # noqa: A002
    """List who may open a document or folder.

    See GET /open-apis/drive/v1/permissions/:token/members.

    Args:
        token: The document or folder: a link, a `Sheet`, or a token with its kind in `type`.
        type: The kind of the document or folder, if `token` does not show it.

    Returns:
        The people, chats and others with their roles.

    Raises:
        InvalidRequestError: The kind is needed; nothing was sent.
        PermissionDeniedError: It was not shared with the app.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    document = yield from find_document(token, type)
    return (yield from list_grants(document))


def add(
    token: str,
    who: str,
    role: Role = "view",
    *,
    type: DocumentType | None = None,  # noqa: A002 - Lark's name
) -> Procedure[Grant]:
    """Let a person or chat open a document or folder; a stronger role that they have already stays.

    See POST /open-apis/drive/v1/permissions/:token/members.

    Args:
        token: The document or folder: a link, a `Sheet`, or a token with its kind in `type`.
        who: An open_id, union_id, user_id, e-mail address, mobile number (`+…`) or chat id (`oc_…`).
        role: `view`, `edit` or `full_access`.
        type: The kind of the document or folder, if `token` does not show it.

    Returns:
        The grant as it is afterwards.

    Raises:
        InvalidRequestError: An argument is invalid; nothing was changed.
        NotFoundError: The person is not visible to the app; nothing was changed.
        PermissionDeniedError: It could not be granted; the text says why.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    wanted = yield from resolve_shares([Share(who, role)])
    document = yield from find_document(token, type)
    (granted,) = yield from share_resolved(document.token, document.type, wanted)
    return granted


def remove(token: str, who: str, *, type: DocumentType | None = None) -> Procedure[bool]:  # noqa: A002
    """Take the right to open a document from a person or chat; a repeat does no harm.

    See DELETE /open-apis/drive/v1/permissions/:token/members/:member_id.

    Args:
        token: The document or folder: a link, a `Sheet`, or a token with its kind in `type`.
        who: An open_id, union_id, user_id, e-mail address, mobile number (`+…`) or chat id (`oc_…`).
        type: The kind of the document or folder, if `token` does not show it.

    Returns:
        Whether they had it.

    Raises:
        InvalidRequestError: An argument is invalid; nothing was changed.
        NotFoundError: The person is not visible to the app.
        PermissionDeniedError: The app may not share it.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    member = yield from find_member(who)
    document = yield from find_document(token, type)
    if not any(grant.id == member.id for grant in (yield from list_grants(document))):
        return False
    url = fill_path(MEMBERS + "/{member_id}", token=document.token, member_id=member.id)
    call: Call[Any] = make_request("DELETE", url, params={"type": document.type, "member_type": member.type})
    try:
        yield from perform(call)
    except (LarkAPIError, OutcomeUnknownError):
        # The member is no longer listed: someone else, or an attempt without an answer, has removed it.
        if any(grant.id == member.id for grant in (yield from list_grants(document))):
            raise
    return True


def transfer_owner(
    token: str,
    who: str,
    *,
    type: DocumentType | None = None,  # noqa: A002 - Lark's name
    old_owner_role: Role | None = "full_access",
    stay_put: bool = False,
    notify: bool = True,
) -> Procedure[None]:
    """Make a person the owner of a document or folder; only its owner, such as the app that made it, may.

    See POST /open-apis/drive/v1/permissions/:token/members/transfer_owner. If the answer is lost, the owner
    is read.

    Args:
        token: The document or folder: a link, a `Sheet`, or a token with its kind in `type`.
        who: The new owner, as for `add`; not a chat.
        type: The kind of the document or folder, if `token` does not show it.
        old_owner_role: The role that the app has afterwards; none if None.
        stay_put: Whether it stays in its folder, instead of moving to the new owner's space.
        notify: Whether Lark notifies the new owner.

    Raises:
        InvalidRequestError: An argument is invalid; nothing was changed.
        NotFoundError: The person is not visible to the app; nothing was changed.
        PermissionDeniedError: The app is not the owner.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    if old_owner_role is not None:
        check_role(old_owner_role)
    member = yield from find_member(who)
    if member.kind != "user":
        raise InvalidRequestError(
            f"The owner of a document must be a person, got the chat {who}. Next: pass a person's id or "
            f"address.",
            code=WRONG_MEMBER,
        )
    document = yield from find_document(token, type)
    params = {
        "type": document.type,
        "need_notification": _encode_flag(notify),
        "remove_old_owner": _encode_flag(old_owner_role is None),
        "stay_put": _encode_flag(stay_put),
        "old_owner_perm": old_owner_role,
    }
    body = {"member_type": member.type, "member_id": member.id}
    call: Call[Any] = make_request(
        "POST", fill_path(MEMBERS + "/transfer_owner", token=document.token), params=params, json=body
    )
    try:
        yield from perform(call)
    except (OutcomeUnknownError, PermissionDeniedError):
        if not (yield from _is_owner(document, member.id)):
            raise


def public(
    token: str,
    link_share_entity: LinkShare | None = None,
    *,
    type: DocumentType | None = None,  # noqa: A002 - Lark's name
    external_access_entity: Literal["open", "closed", "allow_share_partner_tenant"] | None = None,
    security_entity: str | None = None,
    comment_entity: str | None = None,
    share_entity: Literal["anyone", "same_tenant"] | None = None,
    manage_collaborator_entity: str | None = None,
    copy_entity: str | None = None,
) -> Procedure[Public]:
    """Change who may open a document by its link, or just read it; a repeat does no harm.

    See GET and PATCH /open-apis/drive/v2/permissions/:token/public.

    Args:
        token: The document: a link, a `Sheet`, or a token with its kind in `type`.
        link_share_entity: Who may open the link: `closed`, `tenant_readable`, `tenant_editable`,
            `anyone_readable`, …
        type: The kind of the document, if `token` does not show it.
        external_access_entity: Whether it may be shared outside the company.
        security_entity: Who may copy, print and download it.
        comment_entity: Who may comment on it.
        share_entity: Who can see that it exists.
        manage_collaborator_entity: Who may add and remove collaborators.
        copy_entity: Who may copy its content.

    Returns:
        The settings as they are afterwards.

    Raises:
        InvalidRequestError: An argument is invalid; nothing was changed.
        PermissionDeniedError: The app may not share it, or the tenant's policy forbids it.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    if link_share_entity is not None:
        check_choice("link_share_entity", link_share_entity, get_args(LinkShare), WRONG_MEMBER)
    wanted = {
        "link_share_entity": link_share_entity,
        "external_access_entity": external_access_entity,
        "security_entity": security_entity,
        "comment_entity": comment_entity,
        "share_entity": share_entity,
        "manage_collaborator_entity": manage_collaborator_entity,
        "copy_entity": copy_entity,
    }
    changed = {name: value for name, value in wanted.items() if value is not None}
    document = yield from find_document(token, type)
    url, params = fill_path(PUBLIC, token=document.token), {"type": document.type}
    if changed:
        call: Call[Any] = make_request("PATCH", url, params=params, json=changed, idempotent=True)
    else:
        call = make_request("GET", url, params=params)
    answer = (yield from perform(call)).data
    settings: Public = answer["permission_public"]
    return settings


def _is_owner(document: Document, open_id: str) -> Procedure[bool]:
    metadata = yield from get_metadata(document)
    return metadata is not None and metadata.get("owner_id") == open_id


def _encode_flag(value: bool) -> str:
    return "true" if value else "false"
