"""Convert one cell: from what Lark sends to a Python value, by the type of its field.

Lark sends formulas and lookups as `{"type": …, "value": […]}`, always with a list, and with the type of its
items. A formula has one result, a lookup one value for each record that it finds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from lark_provider.api.clouddoc import field_types as types
from lark_provider.api.clouddoc.dates import EPOCH

_TEXTS = frozenset({types.TEXT, types.AUTO_NUMBER})
_MAPPINGS = (dict, Mapping)  # isinstance(…, Mapping) alone is slow for a dict
_MOMENTS = frozenset({types.DATE, types.CREATED_TIME, types.MODIFIED_TIME})


def read(field_type: object, value: Any, zone: dt.tzinfo | None) -> Any:
    """Convert a cell that was read with search or batch_get.

    Args:
        field_type: Lark's number for the field's type; None if the table no longer has the field.
        value: The cell as Lark sent it.
        zone: The time zone of the datetimes returned; UTC if None.

    Returns:
        Text as str, dates as aware datetimes, links as a list of record ids, a lookup as a list, a formula as
        what a field of its result's type holds; anything else as Lark sent it.
    """
    if field_type in _TEXTS:
        return _join_text(value)
    if field_type in _MOMENTS and isinstance(value, int | float):
        return _read_moment(value, zone)
    if field_type in types.LINKS and isinstance(value, Mapping):
        return list(value.get("link_record_ids") or ())
    if field_type == types.LOOKUP:
        return _read_lookup(*_get_type_and_values(value), zone)
    if field_type == types.FORMULA:
        return _read_formula(*_get_type_and_values(value), zone)
    return value


def _get_type_and_values(value: Any) -> tuple[object, Any]:
    """Return the type and the values of a formula or lookup."""
    if isinstance(value, Mapping) and "value" in value:
        return value.get("type"), value["value"]
    return None, value


def _read_lookup(inner: object, raw: Any, zone: dt.tzinfo | None) -> list[Any]:
    """Return one value for each record found; the record ids of links are joined into one list."""
    values: list[Any] = []
    for item in raw if isinstance(raw, list) else [] if raw is None else [raw]:
        value = read(inner, item, zone)
        if inner in types.LINKS and isinstance(value, list):
            values += value
        else:
            values.append(value)
    return values


def _read_formula(inner: object, raw: Any, zone: dt.tzinfo | None) -> Any:
    """Return the single result; a list if Lark sends several, so that none is lost."""
    if not isinstance(raw, list):
        return read(inner, raw, zone)
    if inner == types.TEXT and raw and all(isinstance(part, Mapping) for part in raw):
        return _join_text(raw)  # the parts of one text, such as a mention between words
    values = _read_lookup(inner, raw, zone)
    if inner in types.SEVERAL:
        return values
    return values if len(values) > 1 else next(iter(values), None)


def _join_text(value: Any) -> Any:
    """Join the parts of a text; a single part is a text as well."""
    if isinstance(value, list):
        # Nearly all texts have one part, and there may be millions of cells.
        return (
            str(_join_text(value[0])) if len(value) == 1 else "".join(str(_join_text(part)) for part in value)
        )
    return str(value.get("text", "")) if isinstance(value, _MAPPINGS) else value


def _read_moment(value: float, zone: dt.tzinfo | None) -> dt.datetime | float:
    try:
        return (EPOCH + dt.timedelta(milliseconds=value)).astimezone(zone or dt.UTC)
    except OverflowError:
        return value  # Python has no datetime for it; the number says more than an error
