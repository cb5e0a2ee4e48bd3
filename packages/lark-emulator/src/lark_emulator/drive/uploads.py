"""`/drive/v1/files/upload_…` and `/drive/v1/medias/upload_…`: whole files, and files in parts."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator import codes, multipart
from lark_emulator.codes import RefusedError
from lark_emulator.drive.access import EDIT, find_folder, is_allowed
from lark_emulator.routing import Call, Route
from lark_emulator.validation import parse_whole_number, read_json_object
from lark_emulator.world.docx import Docx
from lark_emulator.world.drive import BITABLE, FILE, FOLDER, SHEET, Document
from lark_emulator.world.media import BLOCK_SIZE, UPLOAD_LIFE, Media, PartialUpload

if TYPE_CHECKING:
    from lark_emulator.multipart import Part

MAX_WHOLE_BYTES = 20 * 1024 * 1024
MAX_NAME_LENGTH = 250
EXPLORER = "explorer"
IMPORT = "ccm_import_open"
#: The type of the document that a media becomes part of.
_PARENTS = {
    "docx_image": "docx",
    "docx_file": "docx",
    "sheet_image": SHEET,
    "sheet_file": SHEET,
    "bitable_image": BITABLE,
    "bitable_file": BITABLE,
}


def _begin_upload(call: Call) -> None:
    """Refuse a second upload of an app while one is going on, and begin this one.

    Raises:
        RefusedError: 1061045.
    """
    uploading, app_id = call.world.drive.uploading, call.app.app_id
    if app_id in uploading and not call.late:
        raise RefusedError(codes.FILE_BUSY._replace(status=200))
    if call.settings.upload_ms <= 0 or call.late:
        return
    uploading[app_id] = upload = object()
    call.hold = call.settings.upload_ms / 1000

    def let_go() -> None:
        if uploading.get(app_id) is upload:
            del uploading[app_id]

    call.release = let_go


def _get_point(call: Call) -> str:
    return "files" if "/drive/v1/files/" in call.route.path else "medias"


def _find_place(call: Call, media: Media, extra: str) -> str:
    """Return the token of the document or folder that an upload goes to.

    Raises:
        RefusedError: 1061002 (no such type), 1061044, 1061041, 1061004, or what `find_folder` raises.
    """
    if _get_point(call) == "files":
        if media.parent_type != EXPLORER:
            raise RefusedError(codes.FILE_PARAM)
        folder = call.world.drive.documents.get(media.parent_node) if media.parent_node else None
        if media.parent_node and (folder is None or folder.type != FOLDER):
            raise RefusedError(codes.PARENT_MISSING)
        if folder is not None and folder.deleted:
            raise RefusedError(codes.PARENT_DELETED)
        return find_folder(call, media.parent_node).token
    if media.parent_type == IMPORT:
        return ""
    kind = _PARENTS.get(media.parent_type)
    if kind is None:
        raise RefusedError(codes.FILE_PARAM)
    document = _find_document(call, media.parent_node, kind, extra)
    if document is None or document.type != kind:
        raise RefusedError(codes.PARENT_MISSING)
    if document.deleted:
        raise RefusedError(codes.PARENT_DELETED)
    if not is_allowed(call, document, EDIT):
        raise RefusedError(codes.FILE_DENIED)
    return document.token


def _find_document(call: Call, node: str, kind: str, extra: str) -> Document | None:
    """Return the document that a media belongs to; `drive_route_token` names that of a block."""
    documents = call.world.drive.documents
    if kind != "docx":
        return documents.get(node)
    try:
        route = orjson.loads(extra).get("drive_route_token") if extra else None
    except (ValueError, AttributeError):  # orjson bounds how deep values nest
        raise RefusedError(codes.FILE_PARAM) from None
    if route is not None and not isinstance(route, str):
        raise RefusedError(codes.FILE_PARAM)
    among = documents.values() if route is None else [documents[route]] if route in documents else []
    for document in among:
        if isinstance(document.content, Docx) and (node == document.token or node in document.content.blocks):
            return document
    return None


def _read_description(call: Call, source: dict[str, Any]) -> tuple[Media, int, str]:
    """Return what an upload says about itself: the media without its bytes, its size and `extra`.

    Raises:
        RefusedError: 1061002, 1061008 (name).
    """
    name, size = source.get("file_name"), source.get("size")
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_LENGTH:
        raise RefusedError(codes.FILE_NAME)
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise RefusedError(codes.FILE_PARAM)
    texts = [source.get(key) or "" for key in ("parent_type", "parent_node", "extra")]
    if not all(isinstance(text, str) for text in texts):
        raise RefusedError(codes.FILE_PARAM)
    kind, node, extra = texts
    return Media("", kind, node, call.app.app_id, name, b"", call.world.clock.get_time()), size, extra


def _read_form(call: Call) -> dict[str, Part]:
    try:
        return multipart.parse(call.content_type, call.body)
    except multipart.MalformedError as error:
        raise RefusedError(codes.FILE_PARAM, str(error)) from error


def _read_fields(form: dict[str, Part]) -> dict[str, Any]:
    """Return the text fields of a form; those that are numbers as such."""
    try:
        fields: dict[str, Any] = {name: field.text for name, field in form.items() if name != "file"}
    except multipart.MalformedError as error:
        raise RefusedError(codes.FILE_PARAM, str(error)) from error
    return fields | {name: parse_whole_number(fields[name]) for name in ("size", "seq") if name in fields}


def _read_content(form: dict[str, Part], fields: dict[str, Any], size: int) -> bytes:
    """Return the bytes of a form, checked against what it says about them.

    Raises:
        RefusedError: 1061002 (none), 1062009 (size), 1062008 (checksum).
    """
    if "file" not in form:
        raise RefusedError(codes.FILE_PARAM, "file is required")
    content = form["file"].content
    if len(content) != size:
        raise RefusedError(codes.UPLOAD_SIZE)
    checksum = fields.get("checksum")
    if checksum and checksum != str(zlib.adler32(content)):
        raise RefusedError(codes.UPLOAD_CHECKSUM)
    return content


def _keep(call: Call, media: Media, place: str) -> str:
    """Store an upload, as a file of a folder or as part of a document, and return its token."""
    drive, now = call.world.drive, call.world.clock.get_time()
    media.token = call.world.make_id("boxcn", 22)
    media.created = now
    if _get_point(call) == "files":
        drive.add(Document(media.token, FILE, call.who, place, now, media, media.name))
    else:
        media.document = place
        drive.medias[media.token] = media
    return media.token


def upload_all(call: Call) -> dict[str, Any]:
    """Answer `POST …/upload_all`; the same file uploaded again gets another token."""
    _begin_upload(call)
    form = _read_form(call)
    fields = _read_fields(form)
    media, size, extra = _read_description(call, fields)
    if size > MAX_WHOLE_BYTES:
        raise RefusedError(codes.FILE_PARAM)
    place = _find_place(call, media, extra)
    media.content = _read_content(form, fields, size)
    return {"file_token": _keep(call, media, place)}


def prepare(call: Call) -> dict[str, Any]:
    """Answer `POST …/upload_prepare`."""
    _begin_upload(call)
    media, size, extra = _read_description(call, read_json_object(call, codes.FILE_PARAM))
    media.document = _find_place(call, media, extra)
    upload_id = str(int(call.world.make_id("", 15), 16))
    partial = PartialUpload(upload_id, _get_point(call), media, size, (call.app.app_id, call.who))
    call.world.drive.partial[upload_id] = partial
    return {"upload_id": upload_id, "block_size": BLOCK_SIZE, "block_num": partial.block_count}


def _require_partial(call: Call, upload_id: Any) -> PartialUpload:
    """Return an upload in parts.

    Raises:
        RefusedError: 1061002 (none), 1061021 (older than a day), 1062007 (another app's or user's).
    """
    upload = call.world.drive.partial.get(upload_id) if isinstance(upload_id, str) else None
    if upload is None or upload.point != _get_point(call):
        raise RefusedError(codes.FILE_PARAM)
    if upload.uploader != (call.app.app_id, call.who):
        raise RefusedError(codes.UPLOAD_USER)
    if call.world.clock.get_time() - upload.media.created > UPLOAD_LIFE:
        raise RefusedError(codes.UPLOAD_EXPIRED)
    return upload


def upload_part(call: Call) -> dict[str, Any]:
    """Answer `POST …/upload_part`: in any order, and as often as wanted."""
    _begin_upload(call)
    form = _read_form(call)
    fields = _read_fields(form)
    upload = _require_partial(call, fields.get("upload_id"))
    seq, size = fields.get("seq"), fields.get("size")
    if seq is None or size is None or seq < 0:
        raise RefusedError(codes.FILE_PARAM)
    if seq >= upload.block_count:
        raise RefusedError(codes.UPLOAD_BLOCK_BOUNDS)
    content = _read_content(form, fields, size)
    if size != upload.get_part_size(seq):
        raise RefusedError(codes.UPLOAD_SIZE)
    upload.parts[seq] = content
    return {}


def finish(call: Call) -> dict[str, Any]:
    """Answer `POST …/upload_finish`."""
    _begin_upload(call)
    body = read_json_object(call, codes.FILE_PARAM)
    upload = _require_partial(call, body.get("upload_id"))
    if body.get("block_num") != upload.block_count:
        raise RefusedError(codes.UPLOAD_BLOCK_BOUNDS)
    if len(upload.parts) < upload.block_count:
        raise RefusedError(codes.UPLOAD_BLOCK_MISSING)
    upload.media.content = b"".join(content for _, content in sorted(upload.parts.items()))
    del call.world.drive.partial[upload.upload_id]
    return {"file_token": _keep(call, upload.media, upload.media.document)}


_WHOLE = (
    "more than 20 MB gets 1061002; how long an upload keeps others of the same app out (settable, "
    "`upload_ms`); an empty `parent_node` of a file is the root folder of the app or user; content is not "
    "checked"
)
_PARTS = (
    "`upload_id`s live 24 hours, then 1061021; an unknown one gets 1061002, another app's or user's 1062007"
)

ROUTES = tuple(
    route
    for point in ("files", "medias")
    for route in (
        Route("POST", f"/open-apis/drive/v1/{point}/upload_all", upload_all, unconfirmed=(_WHOLE,)),
        Route("POST", f"/open-apis/drive/v1/{point}/upload_prepare", prepare, unconfirmed=(_PARTS,)),
        Route("POST", f"/open-apis/drive/v1/{point}/upload_part", upload_part, unconfirmed=(_PARTS,)),
        Route(
            "POST",
            f"/open-apis/drive/v1/{point}/upload_finish",
            finish,
            unconfirmed=(_PARTS, "a `block_num` other than that of the preparation gets 1062011"),
        ),
    )
)
