"""Compare rows as they were sent with records as Lark returns them, to tell whose records are whose.

Only types whose two forms can be compared count. What a person may see differently (blanks around a text,
the last digits of a number) does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from lark_provider.api.clouddoc import field_types as types
from lark_provider.api.clouddoc.reading import read

Likeness: TypeAlias = tuple[tuple[str, Any], ...]
_DIGITS = 6


def _normalize_text(value: Any) -> Any:
    return str(value).strip()


def _normalize_number(value: Any) -> Any:
    return round(float(value), _DIGITS)


def _normalize_options(value: Any) -> Any:
    return tuple(sorted(map(str, value)))


def _normalize_link(value: Any) -> Any:
    return str(value.get("link", "")).strip() if isinstance(value, Mapping) else _normalize_text(value)


_COMPARED: dict[int, Callable[[Any], Any]] = {
    types.TEXT: _normalize_text,
    types.NUMBER: _normalize_number,
    types.SINGLE_SELECT: _normalize_text,
    types.MULTI_SELECT: _normalize_options,
    types.DATE: _normalize_number,
    types.CHECKBOX: bool,
    types.PHONE: _normalize_text,
    types.URL: _normalize_link,
}


def compute_likeness(
    values: Mapping[str, Any], field_types: Mapping[str, int], names: Sequence[str]
) -> Likeness:
    """Return what a row and the record that it became have in common; empty cells are left out.

    Args:
        values: The values by field name, as they were sent or as a search returned them.
        field_types: Lark's numbers for the types, by field name.
        names: The fields that the chunk has written.
    """
    pairs = []
    for name in sorted(names):
        compared = _COMPARED.get(field_types.get(name, 0))
        value = values.get(name)
        if compared is None or value is None:
            continue
        if field_types[name] == types.TEXT:
            value = read(types.TEXT, value, None)
        try:
            shown = compared(value)
        except (TypeError, ValueError, AttributeError):
            continue
        if shown not in ("", False, ()):
            pairs.append((name, shown))
    return tuple(pairs)
