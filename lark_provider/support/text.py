"""Check and shorten text, make it fit for JSON, and format numbers."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_NAME_BYTES = 200
_MAX_ZEROS = 20_000  # more than a number of any database has


def clip(text: str, limit: int) -> str:
    """Return a text in one line of at most `limit` characters."""
    line = " ".join(text[: 8 * limit].split())
    return line if len(line) <= limit and len(text) <= 8 * limit else line[: limit - 1] + "…"


def cut(text: str, limit: int) -> str:
    """Return a text of at most `limit` characters, which ends with `…` where it was longer."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def is_unicode(text: str) -> bool:
    """Return whether a text can be encoded as UTF-8; False if it has a lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def format_decimal(number: Decimal) -> str:
    """Return all digits of a number, without the exponent that `str` writes for small ones.

    The average of zeros in PostgreSQL has 20 places, which `str` would write as `0E-20`.
    """
    text = str(number)
    _, has_exponent, exponent = text.partition("E")
    return format(number, "f") if has_exponent and abs(int(exponent)) <= _MAX_ZEROS else text


def shorten_name(name: str) -> str:
    """Return the beginning of a file's name, to which 55 bytes can be added.

    File systems allow 255 bytes, and a Chinese character takes three.
    """
    return name.encode(errors="ignore")[:_NAME_BYTES].decode(errors="ignore")


def escape_surrogates(text: str) -> str:
    """Return a text without lone surrogates, which JSON cannot hold.

    They stand for undecodable bytes, as in names of files, and are replaced by Python's escapes.
    """
    return text.encode(errors="backslashreplace").decode()


def escape_texts(value: Any) -> Any:
    """Return content with `escape_surrogates` applied to each text in it."""
    if isinstance(value, str):
        return escape_surrogates(value)
    if isinstance(value, Mapping):
        return {name: escape_texts(part) for name, part in value.items()}
    return [escape_texts(part) for part in value] if isinstance(value, list | tuple) else value


def shorten(text: str, limit: int, left_out: str) -> str:
    """Return the head and the larger tail of a text, which have a traceback's entry point and error.

    Args:
        text: A traceback.
        limit: Characters to keep, approximately.
        left_out: What replaces the rest; `{lines}` is the number of lines left out.

    Returns:
        The text itself if it is short enough.
    """
    if len(text) <= limit:
        return text
    head, tail = text[: limit // 3], text[-(limit - limit // 3) :]
    # Whole lines read better, unless one line is most of what is kept.
    if (end := head.rfind("\n")) > len(head) // 2:
        head = head[:end]
    if 0 <= (start := tail.find("\n")) < len(tail) // 2:
        tail = tail[start + 1 :]
    lines = text.count("\n") - head.count("\n") - tail.count("\n") - 1
    return f"{head}\n{left_out.format(lines=max(1, lines))}\n{tail}"
