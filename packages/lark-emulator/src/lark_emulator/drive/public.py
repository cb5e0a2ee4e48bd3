"""`/drive/v2/permissions/:token/public`: what the link of a document opens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.drive.access import FULL, VIEW
from lark_emulator.drive.permissions import find_document_to_share
from lark_emulator.routing import Call, Route
from lark_emulator.validation import read_json_object

if TYPE_CHECKING:
    from lark_emulator.world.drive import Document

_VIEWERS = ("anyone_can_view", "anyone_can_edit", "only_full_access")
CHOICES = {
    "external_access_entity": ("open", "closed", "allow_share_partner_tenant"),
    "security_entity": _VIEWERS,
    "comment_entity": ("anyone_can_view", "anyone_can_edit"),
    "share_entity": ("anyone", "same_tenant"),
    "manage_collaborator_entity": (
        *("collaborator_can_view", "collaborator_can_edit", "collaborator_full_access"),
    ),
    "link_share_entity": (
        *("tenant_readable", "tenant_editable", "partner_tenant_readable", "partner_tenant_editable"),
        *("anyone_readable", "anyone_editable", "closed"),
    ),
    "copy_entity": _VIEWERS,
}


def get(call: Call) -> dict[str, Any]:
    """Answer `GET`."""
    return _render(find_document_to_share(call, VIEW))


def patch(call: Call) -> dict[str, Any]:
    """Answer `PATCH`: what is not named stays."""
    document = find_document_to_share(call, FULL)
    changes = read_json_object(call, codes.MEMBER_PARAM)
    for name, value in changes.items():
        if value not in CHOICES.get(name, ()):
            raise RefusedError(codes.MEMBER_PARAM)
    after = {**document.public, **changes}
    if after["link_share_entity"].startswith("anyone") and after["external_access_entity"] != "open":
        raise RefusedError(codes.MEMBER_NOT_ALLOWED)
    document.public = after
    return _render(document)


def _render(document: Document) -> dict[str, Any]:
    return {"permission_public": dict(document.public)}


_PATH = "/open-apis/drive/v2/permissions/:token/public"

ROUTES = (
    Route("GET", _PATH, get),
    Route(
        "PATCH",
        _PATH,
        patch,
        unconfirmed=(
            (
                "an open link (`anyone_…`) needs `external_access_entity` open, else 1063003; of these "
                "settings only `link_share_entity` changes who may open the document"
            ),
        ),
    ),
)
