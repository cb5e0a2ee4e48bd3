"""`/docx/v1/documents`: create a document, look at it, read its text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.docx.opened import open_document
from lark_emulator.drive.access import find_folder
from lark_emulator.drive.objects import add_object
from lark_emulator.routing import Call, Route
from lark_emulator.validation import read_json_object
from lark_emulator.world.drive import DOCX

if TYPE_CHECKING:
    from lark_emulator.world.docx import Docx

MAX_TITLE_LENGTH = 800
#: What a folder's own refusals are called here.
_FOLDERS = {
    codes.FILE_NOT_FOUND.number: codes.DOCX_FOLDER_NOT_FOUND,
    codes.FILE_DELETED.number: codes.DOCX_FOLDER_NOT_FOUND,
    codes.FILE_DENIED.number: codes.DOCX_FOLDER_DENIED,
    codes.FOLDER_CHILDREN.number: codes.DOCX_FOLDER_FULL,
}


def create(call: Call) -> dict[str, Any]:
    """Answer `POST /docx/v1/documents`: empty but for its title; the same title again makes a second one."""
    body = read_json_object(call, codes.DOCX_PARAM)
    title, folder_token = body.get("title") or "", body.get("folder_token") or ""
    if not isinstance(title, str) or len(title) > MAX_TITLE_LENGTH or not isinstance(folder_token, str):
        raise RefusedError(codes.DOCX_PARAM)
    try:
        folder = find_folder(call, folder_token)
    except RefusedError as refusal:
        raise RefusedError(_FOLDERS.get(refusal.code.number, refusal.code)) from None
    document = add_object(call, DOCX, title, folder.token)
    return {"document": {"document_id": document.token, "revision_id": 1, "title": title}}


def get(call: Call) -> dict[str, Any]:
    """Answer `GET …/:document_id`."""
    docx = open_document(call).docx
    return {
        "document": {
            "document_id": docx.document_id,
            "revision_id": docx.revision,
            "title": docx.title,
            "display_setting": {
                "show_authors": True,
                "show_comment_count": False,
                "show_create_time": True,
                "show_like_count": False,
                "show_pv": False,
                "show_related_matters": False,
                "show_uv": False,
            },
        }
    }


def get_raw_content(call: Call) -> dict[str, Any]:
    """Answer `GET …/raw_content`."""
    if call.query.get("lang", "0") not in ("0", "1", "2"):
        raise RefusedError(codes.DOCX_PARAM)
    return {"content": render_text(open_document(call).docx)}


def render_text(docx: Docx) -> str:
    """Return a document as text: its title, and a line for each block that has text."""
    lines = [block.text for block in docx.walk(docx.root) if "elements" in block.data]
    return "".join(f"{line}\n" for line in lines)


_PATH = "/open-apis/docx/v1/documents"

ROUTES = (
    Route(
        "POST",
        _PATH,
        create,
        unconfirmed=("the codes for folders that are missing, full or not the app's; 1770036 never comes",),
    ),
    Route("GET", f"{_PATH}/:document_id", get, unconfirmed=("`display_setting` is always the same",)),
    Route(
        "GET",
        f"{_PATH}/:document_id/raw_content",
        get_raw_content,
        unconfirmed=("the title is the first line; `lang` changes nothing: people are shown by their ids",),
    ),
)
