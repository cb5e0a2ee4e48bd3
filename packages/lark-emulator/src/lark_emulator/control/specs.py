"""What came as JSON to the control plane, checked. Bad input raises ValueError that names the member."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection

T = TypeVar("T")


def refuse_unknown(spec: dict[str, Any], *known: str) -> None:
    """Check that no other member is there."""
    for name in spec:
        if name not in known:
            raise ValueError(f"unknown member {name!r}; known: {', '.join(known)}")


def read_text(spec: dict[str, Any], name: str) -> str:
    """Return a string; empty if it is absent."""
    value = spec.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{name!r} must be a string, not {value!r}")  # noqa: TRY004 - one kind for bad input
    return value


def read_choice(spec: dict[str, Any], name: str, choices: Collection[str]) -> str:
    """Return a string that is one of a few."""
    value = read_text(spec, name)
    if value not in choices:
        raise ValueError(f"{name!r} must be one of {', '.join(choices)}, not {value!r}")
    return value


def read_flag(spec: dict[str, Any], name: str, *, default: bool) -> bool:
    """Return a boolean."""
    value = spec.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise ValueError(f"{name!r} must be true or false, not {value!r}")  # noqa: TRY004 - one kind for bad input
    return value


#: How often one event can be sent again.
MAX_COPIES = 1000


def read_count(spec: dict[str, Any], name: str, *, limit: int | None = None) -> int:
    """Return a positive number, not above `limit`; 1 if it is absent."""
    value = 1 if spec.get(name) is None else spec[name]
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name!r} must be a positive number, not {value!r}")
    if limit is not None and value > limit:
        raise ValueError(f"{name!r} can be {limit:,} at most, not {value:,}")
    return value


def read_whole_number(spec: dict[str, Any], name: str) -> int:
    """Return a number that is not negative; 0 if it is absent."""
    value = spec.get(name)
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{name!r} must be a whole number, not {value!r}")
    return value


def read_number_text(spec: dict[str, Any], name: str) -> int:
    """Return a number that is not negative, which a query gives as text; 0 if it is absent."""
    value = spec.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:  # noqa: PLR2004
        return int(value)
    return read_whole_number(spec, name)


def read_names(spec: dict[str, Any], name: str) -> list[str] | None:
    """Return a list of strings; None if it is absent."""
    value = spec.get(name)
    if value is None:
        return None
    if not isinstance(value, (list, tuple, set, frozenset)) or not all(isinstance(v, str) for v in value):
        raise ValueError(f"{name!r} must be a list of strings, not {value!r}")
    return list(value)


def read_name_set(spec: dict[str, Any], name: str) -> frozenset[str] | None:
    """Return a set of strings; None if it is absent."""
    value = read_names(spec, name)
    return None if value is None else frozenset(value)


def require_known(known: dict[str, T], kind: str, name: str) -> T:
    """Return what has this id."""
    try:
        return known[name]
    except KeyError:
        raise ValueError(f"no {kind} {name!r}; known: {', '.join(known)}") from None
