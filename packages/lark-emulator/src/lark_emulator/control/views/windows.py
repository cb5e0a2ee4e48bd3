"""Which part of a long list a page asks for. In a query all values are text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The most items of one answer.
MAX_ITEMS = 200
_DIGITS = 12


def parse_number(spec: Mapping[str, Any], name: str, default: int, *, limit: int | None = None) -> int:
    """Return a whole number that is not negative.

    Args:
        spec: The query's parameters by name.
        name: The name of the parameter.
        default: The value that is returned if the parameter is absent or empty.
        limit: The greatest value that is accepted; None = no limit.

    Raises:
        ValueError: it is something else.
    """
    raw = spec.get(name)
    if raw is None or raw == "":
        return default
    text = str(raw)
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise ValueError(f"{name!r} must be a whole number, not {raw!r}")
    value = int(text)
    if limit is not None and value > limit:
        raise ValueError(f"{name!r} must be at most {limit}, not {value}")
    return value


def parse_limit(spec: Mapping[str, Any], default: int = 50) -> int:
    """Return how many items are asked for: `limit`, at most 200."""
    return parse_number(spec, "limit", default, limit=MAX_ITEMS)
