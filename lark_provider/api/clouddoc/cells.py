"""Convert one cell: from a Python value to the value that a field takes.

Lark's own rules are on the page "Data structure of a record". Each function refuses other values with a
`MisfitError`, whose text says what the value must be. The caller adds the value: "must be a number, got 'x'".
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson

from lark_provider.support.text import cut, format_decimal, is_unicode

MAX_CELL_CHARS = 100_000
MAX_OPTIONS, MAX_PEOPLE, MAX_ATTACHMENTS, MAX_LINKS, MAX_GROUPS = 1000, 1000, 100, 500, 10
"""The most values that one cell holds."""
EXACT_INT = 2**53
_MAX_INT_LENGTH = 1 << 13_000  # about the largest int that Python converts to text
_SHOWN = 80
_MAX_LONGITUDE, _MAX_LATITUDE = 180, 90
_NOT_ON_EARTH = f"must be (longitude, latitude) within ±{_MAX_LONGITUDE} and ±{_MAX_LATITUDE} degrees"
PAIR = 2
_PHONE = re.compile(r"\+?[0-9]{1,63}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_YEARS = re.compile(r"(?!0000)\d{4}(-|$)")  # the years that a datetime can have
_LOCATION = re.compile(r"\s*-?\d+(\.\d+)?\s*,\s*-?\d+(\.\d+)?\s*")


class MisfitError(ValueError):
    """A value does not fit its field; the text says what it must be. The caller makes it a `BadValue`."""


def convert_to_python(value: Any) -> Any:
    """Return the Python value for a value of numpy or pandas; None for NaN, NA and NaT.

    A value that Python cannot represent, such as a numpy datetime64 of the year 10000, is returned unchanged;
    no field takes it.
    """
    if type(value).__module__ == "numpy":
        value = _of_numpy(value)
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:
        return None
    if isinstance(value, Decimal):
        return None if value.is_nan() else value  # math.isnan refuses a signaling NaN
    return None if isinstance(value, float) and math.isnan(value) else value


def _of_numpy(value: Any) -> Any:
    if type(value).__name__ == "ndarray":
        return (
            [convert_to_python(element) for element in value] if value.ndim else convert_to_python(value[()])
        )
    if type(value).__name__ not in {"datetime64", "timedelta64"}:
        return value.item()
    shown = str(value)
    if shown == "NaT":
        return None
    if not _YEARS.match(shown):
        return value
    # item() returns a bare number if the unit is nanoseconds, and a conversion to another unit may overflow
    # silently.
    if len(shown) < len("2026-11-29"):  # a year, or a month
        return value.astype("datetime64[us]").item()
    return dt.datetime.fromisoformat(shown[: len("2026-11-29T10:00:00.000000")])


def show(value: Any) -> str:
    """Return a value as an error text quotes it."""
    try:
        shown = repr(value)
    except ValueError:  # it holds an int of more digits than Python converts to text
        shown = f"{type(value).__name__} of too many digits"
    return cut(shown, _SHOWN)


def encode_text(value: Any) -> str:
    """Return text, from a str, a date or a number."""
    if isinstance(value, dt.datetime | dt.date):
        value = value.isoformat()
    elif isinstance(value, Decimal):
        value = format_decimal(value)
    elif isinstance(value, float) or (isinstance(value, int) and abs(value) < _MAX_INT_LENGTH):
        value = str(value)
    if not isinstance(value, str):
        raise MisfitError("must be a str, a date or a number")
    if len(value) > MAX_CELL_CHARS:
        raise MisfitError(f"must have at most {MAX_CELL_CHARS} characters and has {len(value)}")
    return require_unicode(value)


def require_unicode(value: str) -> str:
    """Return a text that can be sent; raise MisfitError if it has a lone surrogate."""
    if not is_unicode(value):
        raise MisfitError("must be valid Unicode, without a lone surrogate")
    return value


def encode_number(value: Any) -> int | float:
    """Return a number that a double represents, from a number or its text."""
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value.strip()):
            raise MisfitError("must be a number")
        value = _parse_number(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise MisfitError("must be a number")
    if not isinstance(value, int) and not math.isfinite(value):
        raise MisfitError("must be a finite number")
    if not isinstance(value, float) and not -EXACT_INT <= value <= EXACT_INT:
        raise MisfitError(
            f"must be at most {EXACT_INT}, since Lark keeps larger numbers inexactly, or be written to a "
            "text field"
        )
    if isinstance(value, Decimal):
        # A float rounds digits beyond the sixteenth.
        return int(value) if value == value.to_integral_value() else float(value)
    return value if isinstance(value, int) else float(value)


def _parse_number(digits: str) -> float | Decimal:
    """Return the number in a text: a float if it is written as Python writes a large float, such as 1e+16."""
    exact = Decimal(digits)
    is_double = (
        exact.copy_abs() > EXACT_INT and "e" in digits.lower() and exact == Decimal(repr(float(digits)))
    )
    return float(digits) if is_double else exact


def encode_option(value: Any) -> str:
    """Return the name of an option."""
    if not (isinstance(value, str) and value):
        raise MisfitError("must be the name of an option")
    return require_unicode(value)


def encode_options(value: Any) -> list[str]:
    """Return names of options, from one or several."""
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple | set | frozenset):
        raise MisfitError("must be a list of option names")
    _require_at_most(MAX_OPTIONS, items, "options")
    names = [encode_option(item) for item in items]
    return sorted(names) if isinstance(items, set | frozenset) else names


def encode_checkbox(value: Any) -> bool:
    """Return a bool, from a bool or its name."""
    if isinstance(value, str) and value.strip().lower() in {"true", "false"}:
        return value.strip().lower() == "true"
    if not isinstance(value, bool):
        raise MisfitError("must be True or False")
    return value


def encode_phone(value: Any) -> str:
    """Return a phone number, from a str or an int."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**64:
        value = str(value)
    if not (isinstance(value, str) and _PHONE.fullmatch(value)):
        raise MisfitError("must be a phone number: digits, with or without a leading +")
    return value


def encode_url(value: Any) -> dict[str, str]:
    """Return a link, from a URL, a pair of text and URL, or the dict that reading returns."""
    if isinstance(value, str):
        value = {"text": value, "link": value}
    elif isinstance(value, Sequence) and len(value) == PAIR:
        value = {"text": value[0], "link": value[1]}
    if not (isinstance(value, Mapping) and isinstance(value.get("link"), str) and value["link"]):
        raise MisfitError('must be a URL, (text, URL) or {"text": …, "link": …}')
    return {
        "text": encode_text(value.get("text") or value["link"]),
        "link": require_unicode(value["link"]),
    }


def _require_at_most(limit: int, items: Collection[Any], what: str) -> None:
    if len(items) > limit:
        raise MisfitError(f"must have at most {limit} {what} and has {len(items)}")


def make_object_encoder(key: str, what: str, limit: int) -> Callable[[Any], list[dict[str, str]]]:
    """Return a function that makes `[{key: id}]` from one id, several, or the dicts that reading returns.

    Args:
        key: The member that holds the id.
        what: What each is, for errors.
        limit: How many a cell holds.
    """

    def write(value: Any) -> list[dict[str, str]]:
        items = value if isinstance(value, list | tuple) else [value]
        _require_at_most(limit, items, "values")
        ids = [item.get(key) if isinstance(item, Mapping) else item for item in items]
        if not all(isinstance(ident, str) and ident for ident in ids):
            raise MisfitError(f"must name a {what}")
        if key == "id" and any("@" in str(ident) for ident in ids):
            raise MisfitError("must be an open_id, not an e-mail address: look it up first")
        return [{key: require_unicode(str(ident))} for ident in ids]

    return write


def encode_record_ids(value: Any) -> list[str]:
    """Return ids of linked records, from one, several, or the dict that reading returns."""
    if isinstance(value, Mapping):
        value = value.get("link_record_ids")
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(
        isinstance(record_id, str) and record_id for record_id in items
    ):
        raise MisfitError("must be a list of record ids (rec…)")
    _require_at_most(MAX_LINKS, items, "links")
    return [require_unicode(record_id) for record_id in items]


def encode_location(value: Any) -> str:
    """Return a place, from a pair of longitude and latitude, their text, or the dict that reading returns."""
    if isinstance(value, Mapping):
        value = value.get("location")
    elif isinstance(value, list | tuple) and len(value) == PAIR:
        value = ",".join(_format_coordinate(convert_to_python(coordinate)) for coordinate in value)
    if not (isinstance(value, str) and _LOCATION.fullmatch(value)):
        raise MisfitError("must be (longitude, latitude)")
    longitude, latitude = map(float, value.split(","))
    if abs(longitude) > _MAX_LONGITUDE or abs(latitude) > _MAX_LATITUDE:
        raise MisfitError(_NOT_ON_EARTH)
    return value


def _format_coordinate(value: Any) -> str:
    """Return a number without an exponent, which Python writes for small ones."""
    if isinstance(value, int | float) and not abs(value) <= _MAX_LONGITUDE:  # NaN, or too long to be written
        raise MisfitError(_NOT_ON_EARTH)
    value = Decimal(repr(value)) if isinstance(value, float) else value
    return format_decimal(value) if isinstance(value, Decimal) else str(value)


def encode_unknown(value: Any) -> Any:
    """Return a JSON value unchanged, for a field type that this package does not know: Lark decides."""
    try:
        orjson.dumps(value)
    except TypeError:
        raise MisfitError("must be a value of JSON, since the type of the field is unknown") from None
    return value


def refuse_computed(_value: Any) -> Any:
    """Refuse any value, since Lark computes these fields."""
    raise MisfitError("must be left out, since Lark computes this field")
