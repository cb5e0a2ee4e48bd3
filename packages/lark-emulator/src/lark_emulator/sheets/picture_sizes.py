"""How wide and high an image is, as its bytes say. Pure."""

from __future__ import annotations

import struct

_PNG, _GIF, _BMP, _JPEG = b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"\xff\xd8"
#: Segments of a JPEG that hold its size: all from C0 to CF but for C4, C8 and CC.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def read_size(content: bytes) -> tuple[int, int] | None:
    """Return width and height of a PNG, GIF, BMP or JPEG in pixels.

    Args:
        content: The bytes of the image file.

    Returns:
        None for another kind of file, or one that is cut off.
    """
    try:
        if content.startswith(_PNG):
            width, height = struct.unpack_from(">II", content, 16)
        elif content.startswith(_GIF):
            width, height = struct.unpack_from("<HH", content, 6)
        elif content.startswith(_BMP):
            width, height = struct.unpack_from("<ii", content, 18)
        elif content.startswith(_JPEG):
            width, height = _read_jpeg(content)
        else:
            return None
    except struct.error:
        return None
    return width, abs(height)


def _read_jpeg(content: bytes) -> tuple[int, int]:
    """Go from segment to segment; beyond the end, reading raises `struct.error`."""
    at = len(_JPEG)
    while True:
        mark, kind, length = struct.unpack_from(">BBH", content, at)
        if mark != 0xFF:  # noqa: PLR2004 - what each segment begins with
            raise struct.error
        if kind in _FRAMES:
            height, width = struct.unpack_from(">HH", content, at + 5)
            return width, height
        at += 2 + length
