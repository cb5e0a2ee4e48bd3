"""`/drive/v1/files` and `metas`: folders, lists, copies, deletion."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.drive.access import (
    EDIT,
    FULL,
    OWNER,
    VIEW,
    compute_level,
    find_document,
    find_folder,
    find_wiki_or_document,
    get_owner_id,
    is_allowed,
)
from lark_emulator.drive.objects import copy_object
from lark_emulator.routing import Call, Route
from lark_emulator.validation import (
    parse_whole_number,
    read_bounded_page_size,
    read_json_object,
    read_optional_text,
    read_user_id_type,
)
from lark_emulator.world.drive import BITABLE, DOCX, FILE, FOLDER, SHEET, Document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lark_emulator.routing import Slices
    from lark_emulator.world.bases import Base

MAX_PER_PAGE = 200
MAX_METAS = 200
MAX_NAME_LENGTH = 256
COPIED = (SHEET, BITABLE, DOCX, FILE)
_META_MISSING = 970005
_META_DENIED = 970003


def add_document(call: Call, kind: str, title: str, folder_token: str, prefix: str, content: Any) -> Document:
    """Make a document that belongs to the caller.

    Raises:
        RefusedError: as `find_folder` does.
    """
    folder = find_folder(call, folder_token)
    token = call.world.make_id(prefix, 22)
    now = call.world.clock.get_time()
    document = Document(token, kind, call.who, folder.token, now, content, title)
    return call.world.drive.add(document)


def get_root_meta(call: Call) -> dict[str, Any]:
    """Answer `GET /drive/explorer/v2/root_folder/meta`."""
    root = call.world.drive.ensure_root(call.who)
    return {"token": root.token, "id": str(int(root.token[5:18], 16)), "user_id": call.open_id}


def create_folder(call: Call) -> dict[str, Any]:
    """Answer `POST /drive/v1/files/create_folder`; a second one of the same name is made."""
    body = read_json_object(call, codes.FILE_PARAM)
    name = read_optional_text(body, "name")
    if not 0 < len(name.encode()) <= MAX_NAME_LENGTH:
        raise RefusedError(codes.FILE_PARAM)
    folder = add_document(call, FOLDER, name, read_optional_text(body, "folder_token"), "fldcn", None)
    return {"token": folder.token, "url": folder.url}


def _render_file(call: Call, document: Document, title: str, parent: str, id_type: str) -> dict[str, Any]:
    return {
        "token": document.token,
        "name": title,
        "type": document.type,
        "parent_token": parent,
        "url": document.url,
        "created_time": str(int(document.created)),
        "modified_time": str(int(document.modified)),
        "owner_id": get_owner_id(call, document, id_type),
    }


def list_files(call: Call) -> dict[str, Any]:
    """Answer `GET /drive/v1/files`: what a folder held `list_lag_s` ago."""
    id_type = read_user_id_type(call)
    token = call.query.get("folder_token", "")
    if token:
        folder = find_document(call, token, FOLDER, codes.FILE_NOT_FOUND, codes.FILE_DELETED)
        if not is_allowed(call, folder, VIEW):
            raise RefusedError(codes.FILE_DENIED)
    else:
        folder = call.world.drive.ensure_root(call.who)
    order = call.query.get("order_by") or "EditedTime"
    direction = call.query.get("direction") or "DESC"
    if order not in ("EditedTime", "CreatedTime") or direction not in ("ASC", "DESC"):
        raise RefusedError(codes.FILE_PARAM)
    then = call.world.clock.get_time() - call.settings.list_lag_s
    held = []
    for document in call.world.drive.documents.values():
        title, parent = document.find_listing(then)
        if parent == folder.token:
            held.append((document, title))
    held.sort(
        key=lambda pair: pair[0].created if order == "CreatedTime" else pair[0].modified,
        reverse=direction == "DESC",
    )
    size = read_bounded_page_size(
        call, limit=MAX_PER_PAGE, code_beyond=codes.FILE_PAGE_SIZE, default=MAX_PER_PAGE
    )
    start = _parse_start(call.query["page_token"]) if call.query.get("page_token") else 0
    end = start + size
    answer: dict[str, Any] = {
        "files": [
            _render_file(call, document, title, folder.token, id_type) for document, title in held[start:end]
        ],
        "has_more": end < len(held),
    }
    if end < len(held):
        answer["next_page_token"] = base64.urlsafe_b64encode(b"files:%d" % end).decode()
    return answer


def _parse_start(token: str) -> int:
    try:
        name, _, number = base64.b64decode(token, altchars=b"-_", validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise RefusedError(codes.FILE_PARAM) from None
    start = parse_whole_number(number)
    if name != "files" or start is None or start < 0:
        raise RefusedError(codes.FILE_PARAM)
    return start


def list_metas(call: Call) -> dict[str, Any]:
    """Answer `POST /drive/v1/metas/batch_query`."""
    id_type = read_user_id_type(call)
    body = read_json_object(call, codes.META_PARAM)
    wanted = body.get("request_docs")
    if not isinstance(wanted, list) or not 0 < len(wanted) <= MAX_METAS:
        raise RefusedError(codes.META_PARAM)
    succeeded: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for request_doc in wanted:
        if not isinstance(request_doc, dict) or not isinstance(request_doc.get("doc_token"), str):
            raise RefusedError(codes.META_PARAM)
        token, kind = request_doc["doc_token"], str(request_doc.get("doc_type"))
        document = find_wiki_or_document(call.world, token, kind)
        if document is None or document.deleted:
            failed.append({"token": token, "code": _META_MISSING})
        elif not is_allowed(call, document, VIEW):
            failed.append({"token": token, "code": _META_DENIED})
        else:
            meta = {
                "doc_token": document.token,
                "doc_type": document.type,
                "title": document.title,
                "owner_id": get_owner_id(call, document, id_type),
                "create_time": str(int(document.created)),
                "latest_modify_user": get_owner_id(call, document, id_type),
                "latest_modify_time": str(int(document.modified)),
                "request_doc_info": {"doc_token": token, "doc_type": kind},
            }
            succeeded.append(meta | ({"url": document.url} if body.get("with_url") else {}))
    return {"metas": succeeded, "failed_list": failed}


def copy(call: Call) -> Slices:
    """Answer `POST /drive/v1/files/:file_token/copy`."""
    body = read_json_object(call, codes.FILE_PARAM)
    name = read_optional_text(body, "name")
    if not 0 < len(name.encode()) <= MAX_NAME_LENGTH or body.get("type") not in COPIED:
        raise RefusedError(codes.FILE_PARAM)
    kind, token = body["type"], call.params["file_token"]
    source = find_document(call, token, kind, codes.FILE_NOT_FOUND, codes.FILE_DELETED)
    if not is_allowed(call, source, VIEW):
        raise RefusedError(codes.FILE_DENIED)
    if call.world.drive.copying is not None and not call.late:
        raise RefusedError(codes.FILE_BUSY)
    _hold(call)
    folder = find_folder(call, read_optional_text(body, "folder_token"))
    duplicate = yield from copy_object(call, source, name, folder.token)
    return {"file": _render_file(call, duplicate, duplicate.title, duplicate.parent, read_user_id_type(call))}


def _hold(call: Call) -> None:
    """Let no second copy begin for `sheet_write_ms`."""
    if call.settings.sheet_write_ms <= 0 or call.late:
        return
    drive = call.world.drive
    drive.copying = copy_ = object()
    call.hold = call.settings.sheet_write_ms / 1000

    def let_go() -> None:
        if drive.copying is copy_:
            drive.copying = None

    call.release = let_go


def delete(call: Call) -> dict[str, Any]:
    """Answer `DELETE /drive/v1/files/:file_token`; a folder is deleted with all that is in it."""
    kind = call.query.get("type", "")
    token = call.params["file_token"]
    document = find_document(call, token, kind, codes.FILE_NOT_FOUND, codes.FILE_DELETED)
    owns = compute_level(call.world, call.settings, call.who, document) == OWNER
    parent = call.world.drive.documents.get(document.parent)
    if not document.parent or not (owns or (parent is not None and is_allowed(call, parent, FULL))):
        raise RefusedError(codes.FILE_DENIED)
    for target in (document, *_within(call, document)):
        remove(call.world.bases, target, call.world.clock.get_time())
    if kind != FOLDER:
        return {}
    task_id = str(int(call.world.make_id("", 13), 16))
    call.world.drive.tasks[task_id] = "success"
    return {"task_id": task_id}


def remove(bases: dict[str, Base], document: Document, now: float) -> None:
    """Delete a document."""
    document.deleted = True
    document.note(now)
    bases.pop(document.token, None)


def _within(call: Call, folder: Document) -> Iterator[Document]:
    for child in call.world.drive.list_children(folder.token):
        yield child
        yield from _within(call, child)


def move(call: Call) -> dict[str, Any]:
    """Answer `POST /drive/v1/files/:file_token/move`."""
    body = read_json_object(call, codes.FILE_PARAM)
    kind, token = read_optional_text(body, "type"), call.params["file_token"]
    document = find_document(call, token, kind, codes.FILE_NOT_FOUND, codes.FILE_DELETED)
    if not is_allowed(call, document, EDIT) or not document.parent:
        raise RefusedError(codes.FILE_DENIED)
    folder = find_folder(call, read_optional_text(body, "folder_token"))
    if folder is document or folder in list(_within(call, document)):
        raise RefusedError(codes.FILE_PARAM)
    document.parent = folder.token
    document.note(call.world.clock.get_time())
    return {"task_id": ""} if kind == FOLDER else {}


def check_task(call: Call) -> dict[str, Any]:
    """Answer `GET /drive/v1/files/task_check`."""
    status = call.world.drive.tasks.get(call.query.get("task_id", ""))
    if status is None:
        raise RefusedError(codes.FILE_PARAM)
    return {"status": status}


_PATH = "/open-apis/drive/v1/files"

ROUTES = (
    Route("GET", "/open-apis/drive/explorer/v2/root_folder/meta", get_root_meta),
    Route(
        "GET",
        _PATH,
        list_files,
        unconfirmed=(
            (
                "how long a list lags behind (settable, `list_lag_s`); the owner of an app's file is the "
                "open_id of its bot; by default the newest edit comes first"
            ),
        ),
    ),
    Route("POST", f"{_PATH}/create_folder", create_folder),
    Route(
        "POST",
        f"{_PATH}/:file_token/copy",
        copy,
        unconfirmed=(
            "a copy keeps the ids of worksheets, tables and blocks; folders and other types get 1061002",
        ),
    ),
    Route(
        "POST",
        f"{_PATH}/:file_token/move",
        move,
        unconfirmed=("a folder is moved at once, with an empty `task_id`",),
    ),
    Route("DELETE", f"{_PATH}/:file_token", delete, unconfirmed=("folders are deleted at once",)),
    Route("GET", f"{_PATH}/task_check", check_task),
    Route(
        "POST",
        "/open-apis/drive/v1/metas/batch_query",
        list_metas,
        unconfirmed=(
            "`latest_modify_user` is the owner",
            "of a page of the wiki, `doc_token` and `doc_type` are those of its document",
        ),
    ),
)
