"""Which part of a long list a page asks for. In a query all values are text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The most items of one answer.
MOST = 200
_DIGITS = 12


def parse_number(spec: Mapping[str, Any], name: str, default: int, *, most: int | None = None) -> int:
    """Return a whole number that is not negative.

    Args:
        spec: the query.
        name: of the member.
        default: its value if it is absent.
        most: its greatest value.

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
    if most is not None and value > most:
        raise ValueError(f"{name!r} must be at most {most}, not {value}")
    return value


def parse_limit(spec: Mapping[str, Any], default: int = 50) -> int:
    """Return how many items are asked for: `limit`, at most 200."""
    return parse_number(spec, "limit", default, most=MOST)
