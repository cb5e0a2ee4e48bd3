"""Paths of requests: each id becomes one segment, and cannot lead to another path.

Quoting does not change the id `..`, and HTTP clients resolve it, so that deleting the record `..` would
delete its table. Proxies may decode a path a second time and resolve it then, so encoded forms are refused as
well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Self
from urllib.parse import quote, unquote

from lark_provider.protocol.errors import InvalidRequestError

ROOT = "/open-apis"
_ROOTS = (f"{ROOT}/", "/callback/")
_NO_ID = re.compile(r"\.{1,2}|.*[/\\?#%;].*", re.DOTALL)
_CLIMBS = re.compile(r"(?:^|[/\\])\.{1,2}(?:[;/\\]|$)")
_WORD = re.compile(r"|open-apis|v\d+|(?!(?:cli|img|oc|om|on|ou)_)[a-z]+(?:_[a-z]+)*")
_SHOWN = 120


class Path(str):
    """A path that remembers its template, which names the operation in metrics and traces.

    Attributes:
        template: The template, with `{name}` for each segment that is an id.
    """

    __slots__ = ("template",)
    template: str

    @classmethod
    def of(cls, template: str, segments: Mapping[str, str]) -> Self:
        """Fill a template."""
        filled = cls(ROOT + template.format_map(segments))
        filled.template = ROOT + template
        return filled


def get_operation(path: str) -> str:
    """Return the template of a path. If it has none, return it with `{}` for each segment that may be an id.

    Args:
        path: The path from the root, such as `/open-apis/im/v1/messages`.
    """
    if isinstance(path, Path):
        return path.template
    return "/".join(part if _WORD.fullmatch(part) else "{}" for part in path.split("/"))


def fill_path(template: str, **segments: object) -> Path:
    """Fill a path template, quoting each segment.

    Args:
        template: The template below `/open-apis`, with `{name}` for each segment that is an id.
        segments: The ids, by the names of the arguments as which they were passed.

    Raises:
        InvalidRequestError: A segment is empty, not a str, or has a form that could lead to another path.
    """
    return Path.of(template, {name: _quote_segment(name, value) for name, value in segments.items()})


def _quote_segment(name: str, value: object) -> str:
    if not (isinstance(value, str) and (segment := value.strip())):
        raise InvalidRequestError(
            f"{name} must be a non-empty string, got {value!r}. Next: pass the {name} as Lark returned it."
        )
    if not segment.isprintable() or _NO_ID.fullmatch(segment):
        raise InvalidRequestError(
            f"{name} must be an id, got {value!a:.{_SHOWN}}, which could lead to another path. Next: pass "
            f"the {name} as Lark returned it; ids have no /, \\, ?, #, % or ; in them."
        )
    return quote(segment, safe="")


def complete_path(path: object) -> str:
    """Check the path of a request that a caller wrote, and complete it.

    Args:
        path: The path from the root, with or without `/open-apis`.

    Raises:
        InvalidRequestError: It is not a path, or a client or server could take it for another path.
    """
    if not (isinstance(path, str) and path.startswith("/") and path.isprintable()):
        raise InvalidRequestError(
            f"path must begin with / and be printable, got {path!a:.{_SHOWN}}. Next: write it from the "
            "root, such as /im/v1/messages."
        )
    if "?" in path or "#" in path:
        raise InvalidRequestError(
            f"path must have no ? or # in it, got {path!a:.{_SHOWN}}. Next: pass query parameters as params=."
        )
    decoded, encoded = unquote(path), path
    while decoded != encoded:  # ends, since each pass makes it shorter
        decoded, encoded = unquote(decoded), decoded
    # Bytes that are not UTF-8 may be dots in an overlong encoding, and some servers drop control characters.
    is_text = decoded.isprintable() and "\N{REPLACEMENT CHARACTER}" not in decoded
    if _CLIMBS.search(decoded) or "//" in decoded or "\\" in decoded or not is_text:
        raise InvalidRequestError(
            f"path must have no empty segment, segment of dots, backslash or undecodable byte, got "
            f"{path!a:.{_SHOWN}}, which could lead to another path. Next: check the ids in it."
        )
    return path if path.startswith(_ROOTS) else ROOT + path
