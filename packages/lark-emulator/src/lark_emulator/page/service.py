"""What is answered at `/` and under `/_page/`: the page's files, its live stream, uploaded pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lark_emulator.control import guard
from lark_emulator.exchange import Answer, make_plain_answer
from lark_emulator.im import pictures
from lark_emulator.page import PREFIX
from lark_emulator.page.files import SECURITY, Files
from lark_emulator.page.live import stream

if TYPE_CHECKING:
    from lark_emulator.exchange import Request
    from lark_emulator.lark import Lark

LIVE = PREFIX + "live"
UPLOADS = PREFIX + "uploads/"
#: What a browser may draw by itself. SVG is not among them: it is a document, and may hold scripts.
_DRAWN = {
    "png": b"image/png",
    "jpg": b"image/jpeg",
    "jpeg": b"image/jpeg",
    "gif": b"image/gif",
    "webp": b"image/webp",
    "bmp": b"image/bmp",
    "ico": b"image/x-icon",
}
_FILES = Files()


def is_for_page(request: Request) -> bool:
    """Return whether a request is for the page."""
    return request.path.startswith(PREFIX) or (request.path == "/" and request.method in ("GET", "HEAD"))


def answer(lark: Lark, request: Request) -> Answer:
    """Answer a request for the page. Other sites may link to `/`, and nothing else of it."""
    if request.path != "/" and (refused := guard.find_refusal(request)) is not None:
        return refused
    if request.path == LIVE and request.method == "GET":
        return stream(lark)
    if request.path.startswith(UPLOADS):
        return _upload(lark, request.path.removeprefix(UPLOADS))
    return _FILES.answer(request)


def _upload(lark: Lark, key: str) -> Answer:
    """Return an upload: pictures to be drawn, anything else to be saved."""
    upload = lark.world.uploads.get(key)
    if upload is None:
        return make_plain_answer(404, f"no upload {key[:200]!r}")
    image_format = pictures.find_format(upload.content) if upload.is_image else None
    kind = None if image_format is None else _DRAWN.get(image_format.extension)
    headers = {**SECURITY, "Cache-Control": "private, max-age=3600"}
    if kind is None:
        headers["Content-Disposition"] = "attachment"
        return Answer(200, upload.content, b"application/octet-stream", headers)
    return Answer(200, upload.content, kind, headers)
