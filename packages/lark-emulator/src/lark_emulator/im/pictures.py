"""Image formats that Lark takes, told by their first bytes."""

from __future__ import annotations

import re
from typing import NamedTuple


class Format(NamedTuple):
    """One image format."""

    extension: str
    content_type: str
    start: re.Pattern[bytes]


def _format(extension: str, content_type: str, start: bytes) -> Format:
    return Format(extension, content_type, re.compile(start, re.DOTALL))


_FORMATS = (
    _format("jpg", "image/jpeg", rb"\xff\xd8\xff"),
    _format("png", "image/png", rb"\x89PNG\r\n\x1a\n"),
    _format("gif", "image/gif", rb"GIF8[79]a"),
    _format("webp", "image/webp", rb"RIFF.{4}WEBP"),
    _format("bmp", "image/bmp", rb"BM"),
    _format("ico", "image/x-icon", rb"\0\0\x01\0"),
    _format("tiff", "image/tiff", rb"II\*\0|MM\0\*"),
    _format("heic", "image/heic", rb".{4}ftyp(?:hei[cmsx]|hevc|mif1|msf1)"),
)


def find_format(content: bytes) -> Format | None:
    """Return the format of an image, or None for anything else."""
    return next((known for known in _FORMATS if known.start.match(content)), None)


def read_resolution(content: bytes, extension: str) -> tuple[int, int]:
    """Return width and height of a PNG or GIF; (0, 0) for other formats, which are not looked into."""
    if extension == "png":
        return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")
    if extension == "gif":
        return int.from_bytes(content[6:8], "little"), int.from_bytes(content[8:10], "little")
    return 0, 0
