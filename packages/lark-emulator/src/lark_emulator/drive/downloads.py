"""Downloads of files and media: whole, in ranges, and by temporary addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.drive.access import VIEW, find_document, is_allowed
from lark_emulator.routing import Call, Route
from lark_emulator.streams import get_origin, serve_file
from lark_emulator.world.bases import Base
from lark_emulator.world.drive import FILE
from lark_emulator.world.media import Media

if TYPE_CHECKING:
    from lark_emulator.exchange import Answer

ADDRESS = "/space/api/box/stream/download/authcode/"
ADDRESS_LIFE = 24 * 3600.0
MAX_ADDRESSES = 5


def download_file(call: Call) -> Answer:
    """Answer `GET /drive/v1/files/:file_token/download`; what documents hold is not given here."""
    token = call.params["file_token"]
    if token in call.world.drive.medias:
        raise RefusedError(codes.FILE_DENIED)
    document = find_document(call, token, FILE, codes.FILE_NOT_FOUND, codes.FILE_DELETED)
    if not is_allowed(call, document, VIEW):
        raise RefusedError(codes.FILE_DENIED)
    media = document.content
    if not isinstance(media, Media):  # a file that the control plane added has no content
        return _send(call, Media(token, "", "", "", document.title, b"", document.created))
    return _send(call, media)


def download_media(call: Call) -> Answer:
    """Answer `GET /drive/v1/medias/:file_token/download`."""
    media = call.world.drive.medias.get(call.params["file_token"])
    if media is None:
        raise RefusedError(codes.FILE_NOT_FOUND)
    if not _is_readable(call, media):
        raise RefusedError(codes.FILE_DENIED)
    return _send(call, media)


def _send(call: Call, media: Media) -> Answer:
    return serve_file(media.name, media.content, media.content_type, call.request.headers.get("range", ""))


def _is_readable(call: Call, media: Media) -> bool:
    """Return whether the app may read a media: whether it may open the document that contains it."""
    document = call.world.drive.documents.get(media.document)
    if document is None:
        return media.app_id == call.app.app_id
    if document.deleted or not is_allowed(call, document, VIEW):
        return False
    base = document.content
    return not (isinstance(base, Base) and base.is_advanced) or _is_named(call, base, media.token)


def _is_named(call: Call, base: Base, token: str) -> bool:
    """Return whether `extra` names the cell that holds an attachment, as advanced permissions ask for."""
    try:
        stated = orjson.loads(call.query.get("extra", ""))["bitablePerm"]
        table = base.tables[stated["tableId"]]
        return any(
            token in tokens and token in table.records[record_id].cells.get(field_id, ())
            for field_id, records in stated["attachments"].items()
            for record_id, tokens in records.items()
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def list_temporary_urls(call: Call) -> dict[str, Any]:
    """Answer `GET /drive/v1/medias/batch_get_tmp_download_url`; media that may not be read are left out."""
    tokens = [value for name, value in call.query_pairs if name == "file_tokens"]
    tokens = [token for joined in tokens for token in joined.split(",") if token]
    if not 0 < len(tokens) <= MAX_ADDRESSES:
        raise RefusedError(codes.FILE_PARAM)
    drive, now = call.world.drive, call.world.clock.get_time()
    urls = []
    for token in tokens:
        media = drive.medias.get(token)
        if media is None or not _is_readable(call, media):
            continue
        code = call.world.make_id("", 40)
        drive.addresses[code] = token, now + ADDRESS_LIFE
        url = f"{get_origin(call)}{ADDRESS}?code={code}"
        urls.append({"file_token": token, "tmp_download_url": url})
    return {"tmp_download_urls": urls}


def follow(call: Call) -> Answer:
    """Answer at a temporary address, without a token."""
    drive = call.world.drive
    token, ends = drive.addresses.get(call.query.get("code", ""), ("", 0.0))
    media = drive.medias.get(token)
    if media is None or call.world.clock.get_time() >= ends:
        raise RefusedError(codes.FILE_DENIED)
    return _send(call, media)


_MEDIAS = "/open-apis/drive/v1/medias"
_RANGES = "several ranges in one request are answered with the whole file; a range beyond the end gets 416"

ROUTES = (
    Route("GET", "/open-apis/drive/v1/files/:file_token/download", download_file, unconfirmed=(_RANGES,)),
    Route(
        "GET",
        f"{_MEDIAS}/:file_token/download",
        download_media,
        unconfirmed=(
            _RANGES,
            "with advanced permissions an `extra` that does not name the cell gets 1061004",
        ),
    ),
    Route(
        "GET",
        f"{_MEDIAS}/batch_get_tmp_download_url",
        list_temporary_urls,
        unconfirmed=("media that the app may not read are left out of the answer",),
    ),
    Route(
        "GET",
        ADDRESS,
        follow,
        evidence="documentation",
        token=False,
        unconfirmed=("the path of temporary addresses; one that has ended gets 1061004",),
    ),
)
