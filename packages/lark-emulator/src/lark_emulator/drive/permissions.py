"""`/drive/v1/permissions/:token/members`: who may open a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.drive import access, people
from lark_emulator.drive.access import EDIT, FULL, OWNER, VIEW, WIKI, find_wiki_or_document, is_allowed
from lark_emulator.routing import Call, Route
from lark_emulator.validation import read_json_object
from lark_emulator.world.bases import Base
from lark_emulator.world.drive import PERMS

if TYPE_CHECKING:
    from lark_emulator.world.drive import Document, Who

TYPES = ("doc", "docx", "sheet", "bitable", "file", "folder", WIKI, "mindnote", "minutes", "slides")
MAX_AT_ONCE = 10
ACTIONS = {
    **dict.fromkeys(("view", "comment", "export", "copy", "print"), VIEW),
    "edit": EDIT,
    **dict.fromkeys(("share", "manage_public"), FULL),
}


def find_document_to_share(call: Call, need: str) -> Document:
    """Return the document of the path and `type`.

    Raises:
        RefusedError: 1063001, 1063005, 1063002 (the app may not even open it), 1063004 (may not share it).
    """
    document = _find_document(call)
    if not is_allowed(call, document, VIEW):
        raise RefusedError(codes.MEMBER_DENIED)
    if not is_allowed(call, document, need):
        raise RefusedError(codes.MAY_NOT_SHARE)
    return document


def _find_document(call: Call) -> Document:
    kind = call.query.get("type", "")
    document = find_wiki_or_document(call.world, call.params["token"], kind) if kind in TYPES else None
    if document is None:
        raise RefusedError(codes.MEMBER_PARAM)
    if document.deleted:
        raise RefusedError(codes.DOCUMENT_DELETED)
    return document


def _read_member(call: Call, member: Any) -> tuple[Who, str]:
    if not isinstance(member, dict) or member.get("perm") not in PERMS:
        raise RefusedError(codes.MEMBER_PARAM)
    who = people.require_who(call, member.get("member_type"), member.get("member_id"))
    people.check_seen(call, who)
    return who, member["perm"]


def _grant(call: Call, document: Document, member: Any) -> dict[str, Any]:
    who, perm = _read_member(call, member)
    before = document.members.get(who)
    if before is not None:
        again = call.settings.member_again
        if again == "1063003":
            raise RefusedError(codes.MEMBER_NOT_ALLOWED)
        if again == "kept":
            perm = before
        elif again == "raised":
            perm = max(before, perm, key=PERMS.index)
    if not people.without_effect(document, who) and document.owner != who:
        document.members[who] = perm
    shown = {name: member[name] for name in ("member_type", "member_id")}
    kind = {"perm_type": member.get("perm_type") or "container", "type": people.get_member_kind(who)}
    return {**shown, "perm": perm, **kind}


def add(call: Call) -> dict[str, Any]:
    """Answer `POST …/members`."""
    document = find_document_to_share(call, FULL)
    return {"member": _grant(call, document, read_json_object(call, codes.MEMBER_PARAM))}


def batch_create(call: Call) -> dict[str, Any]:
    """Answer `POST …/members/batch_create`: those that fail are left out of the answer."""
    document = find_document_to_share(call, FULL)
    members = read_json_object(call, codes.MEMBER_PARAM).get("members")
    if not isinstance(members, list) or not 0 < len(members) <= MAX_AT_ONCE:
        raise RefusedError(codes.MEMBER_PARAM)
    granted = []
    for member in members:
        try:
            granted.append(_grant(call, document, member))
        except RefusedError:
            continue
    return {"members": granted}


def list_members(call: Call) -> dict[str, Any]:
    """Answer `GET …/members`."""
    document = find_document_to_share(call, VIEW)
    fields = frozenset(call.query.get("fields", "").split(","))
    items = [people.render(call, who, perm, fields) for who, perm in document.members.items()]
    if call.settings.owner_listed == "listed":
        items.insert(0, people.render(call, document.owner, FULL, fields))
    return {"items": items}


def _find_path_member(call: Call, document: Document) -> Who:
    body = read_json_object(call, codes.MEMBER_PARAM) if call.request.method == "PUT" else {}
    member_type = call.query.get("member_type") or body.get("member_type")
    who = people.require_who(call, member_type, call.params["member_id"])
    if who not in document.members:
        raise RefusedError(codes.MEMBER_PARAM)
    return who


def update(call: Call) -> dict[str, Any]:
    """Answer `PUT …/members/:member_id`."""
    document = find_document_to_share(call, FULL)
    body = read_json_object(call, codes.MEMBER_PARAM)
    who = _find_path_member(call, document)
    perm = body.get("perm")
    if perm not in PERMS:
        raise RefusedError(codes.MEMBER_PARAM)
    document.members[who] = perm
    member_type = call.query.get("member_type") or body.get("member_type")
    return {"member": {"member_type": member_type, "member_id": call.params["member_id"], "perm": perm}}


def delete(call: Call) -> dict[str, Any]:
    """Answer `DELETE …/members/:member_id`."""
    document = find_document_to_share(call, FULL)
    del document.members[_find_path_member(call, document)]
    return {}


def check_auth(call: Call) -> dict[str, Any]:
    """Answer `GET …/members/auth`: what the caller itself may do."""
    action = call.query.get("action", "")
    if action not in ACTIONS:
        raise RefusedError(codes.MEMBER_PARAM)
    document = _find_document(call)
    return {"auth_result": is_allowed(call, document, ACTIONS[action])}


def _read_flag(call: Call, name: str, *, default: bool) -> bool:
    return call.query.get(name, str(default)).lower() == "true"


def transfer_owner(call: Call) -> dict[str, Any]:
    """Answer `POST …/members/transfer_owner`; only the owner may."""
    document = find_document_to_share(call, VIEW)
    if access.compute_level(call.world, call.settings, call.who, document) != OWNER:
        raise RefusedError(codes.MEMBER_DENIED)
    body = read_json_object(call, codes.MEMBER_PARAM)
    if body.get("member_type") not in ("email", "openid", "userid"):
        raise RefusedError(codes.MEMBER_PARAM)
    who = people.require_who(call, body.get("member_type"), body.get("member_id"))
    people.check_seen(call, who)
    left = call.query.get("old_owner_perm") or FULL
    if left not in PERMS:
        raise RefusedError(codes.MEMBER_PARAM)
    if who == document.owner:
        return {}
    before, document.owner = document.owner, who
    document.members.pop(who, None)
    if isinstance(document.content, Base):  # what the app had as the one that made it
        document.content.shared_with.discard(call.app.app_id)
    if not _read_flag(call, "remove_old_owner", default=False):
        document.members[before] = left
    return {}


_PATH = "/open-apis/drive/v1/permissions/:token/members"

ROUTES = (
    Route(
        "GET",
        _PATH,
        list_members,
        unconfirmed=("whether the owner is among them (settable, `owner_listed`)",),
    ),
    Route(
        "POST",
        _PATH,
        add,
        unconfirmed=(
            (
                "adding a member again (settable, `member_again`); `need_notification` has no effect; an "
                "app as member of a file; the collaborators of a folder may open what is in it (settable,"
                " `folder_inheritance`)"
            ),
        ),
    ),
    Route("POST", f"{_PATH}/batch_create", batch_create),
    Route("PUT", f"{_PATH}/:member_id", update, unconfirmed=("a person who is no member gets 1063001",)),
    Route("DELETE", f"{_PATH}/:member_id", delete, unconfirmed=("a person who is no member gets 1063001",)),
    Route("GET", f"{_PATH}/auth", check_auth),
    Route(
        "POST",
        f"{_PATH}/transfer_owner",
        transfer_owner,
        unconfirmed=("`stay_put` has no effect: the document stays in its folder",),
    ),
)
