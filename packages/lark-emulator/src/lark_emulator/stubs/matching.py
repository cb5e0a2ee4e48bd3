"""Which requests a stub means."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lark_emulator.exchange import Request

_PARAMETER = re.compile(r":([A-Za-z_][A-Za-z0-9_]*)")


@lru_cache(maxsize=1024)
def compile_path(path: str) -> re.Pattern[str]:
    """Return what a path must look like.

    Args:
        path: With `:name` for one segment, whose value is kept by that name, and `*` for anything.

    Raises:
        ValueError: a name is in it twice.
    """
    pieces, seen = [], set()
    for segment in path.split("/"):
        parameter = _PARAMETER.fullmatch(segment)
        if parameter is None:
            pieces.append(".*".join(re.escape(piece) for piece in segment.split("*")))
            continue
        name = parameter.group(1)
        if name in seen:
            raise ValueError(f"':{name}' stands in the path {path!r} twice. Next: give each its own name")
        seen.add(name)
        pieces.append(f"(?P<{name}>[^/]+)")
    return re.compile("/".join(pieces), re.DOTALL)


def matches_text(wanted: str, value: str | None) -> bool:
    """Return whether a value of query or headers is the one that is wanted, which may hold `*`."""
    if value is None:
        return False
    return value == wanted or ("*" in wanted and _compile_glob(wanted).fullmatch(value) is not None)


@lru_cache(maxsize=1024)
def _compile_glob(wanted: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(piece) for piece in wanted.split("*")), re.DOTALL)


def holds(value: Any, wanted: Any) -> bool:
    """Return whether a JSON value holds all that is wanted.

    Args:
        value: What came. A string that is JSON itself, as the content of messages, is looked into where an
            object or a list is wanted.
        wanted: An object holds if all its members do; a list if it has as many items, and each holds; null if
            the member is absent or null; anything else if it is equal.
    """
    if isinstance(wanted, (dict, list)) and isinstance(value, str):
        value = parse(value)
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(
            holds(value.get(name), inner) for name, inner in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(value, list)
            and len(value) == len(wanted)
            and all(holds(item, inner) for item, inner in zip(value, wanted, strict=True))
        )
    # To Python, True equals 1.
    return isinstance(value, bool) == isinstance(wanted, bool) and bool(value == wanted)


def parse(text: str | bytes) -> Any:
    """Return what a JSON text holds; None if it is not JSON."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def read_body(request: Request) -> Any:
    """Return the body of a request as JSON; that of a form as an object; None for anything else."""
    kind = request.headers.get("content-type", "")
    if kind.startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(request.body.decode("latin-1"), keep_blank_values=True))
    return parse(request.body) if request.body else None


def matches_all(wanted: Mapping[str, str], values: Mapping[str, list[str]]) -> bool:
    """Return whether each name has a value that is wanted."""
    return all(
        any(matches_text(text, value) for value in values.get(name, ())) for name, text in wanted.items()
    )
