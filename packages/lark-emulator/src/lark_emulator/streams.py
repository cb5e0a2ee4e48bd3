"""Answers that are files, whole or in byte ranges, and the address under which a client finds them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from lark_emulator.exchange import Answer

if TYPE_CHECKING:
    from lark_emulator.routing import Actor

_RANGE = re.compile(r"bytes=([0-9]{0,99})-([0-9]{0,99})")
_NOWHERE = "https://emulator.invalid"


def get_origin(actor: Actor) -> str:
    """Return scheme and host under which the caller reached the emulator.

    Over TLS the scheme must be `https`: the caller of a forward proxy, which is told to use it for `https`
    only, would send its token to Lark's real host otherwise.
    """
    request = getattr(actor, "request", None)
    host = "" if request is None else request.headers.get("host", "")
    if request is None or not host:
        return _NOWHERE
    return f"{'https' if request.secure else 'http'}://{host}"


def format_disposition(name: str) -> str:
    """Return a `Content-Disposition` that says a file name in ASCII and, exactly, in UTF-8 (RFC 6266)."""
    ascii_name = name.encode("ascii", "replace").decode()
    ascii_name = "".join("_" if char in '?"\\;' or not char.isprintable() else char for char in ascii_name)
    return f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name, safe='')}"


def serve_file(name: str, content: bytes, content_type: str, range_header: str = "") -> Answer:
    """Return a file, or the part of it that a `Range` header asks for.

    Args:
        name: The file name, for the `Content-Disposition` header.
        content: The bytes of the whole file.
        content_type: The media type of the file, such as `text/csv`.
        range_header: The `Range` header; one that is malformed, or asks for several ranges, is ignored (RFC
            9110).

    Returns:
        200 with all of it, 206 with a part, or 416 if the range begins behind its end.
    """
    headers = {"Content-Disposition": format_disposition(name), "Accept-Ranges": "bytes"}
    match = _RANGE.fullmatch(range_header.strip())
    if match is None or not (match[1] or match[2]):
        return Answer(200, content, content_type.encode(), headers, code=0)
    size = len(content)
    if match[1]:
        start, end = int(match[1]), min(int(match[2]) + 1, size) if match[2] else size
    else:
        start, end = max(0, size - int(match[2])), size
    if match[1] and match[2] and int(match[2]) < int(match[1]):
        return Answer(200, content, content_type.encode(), headers, code=0)
    if start >= end:
        headers["Content-Range"] = f"bytes */{size}"
        return Answer(416, b"", content_type.encode(), headers, code=0)
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return Answer(206, content[start:end], content_type.encode(), headers, code=0)
