"""One cell: from a Python value to what a field takes.

Lark's own rules are on the page "Data structure of a record". What a function here cannot take it refuses
with a `MisfitError`, whose text goes on after the value: "'twelve' is no number".
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

MAX_CELL_CHARS = 100_000
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MILLISECOND = dt.timedelta(milliseconds=1)
_MOSTMILLISECONDS = 253_402_300_799_999  # the end of the year 9999
EXACT_INT = 2**53
_LONGEST_INT = 1 << 13_000  # about as far as Python writes an int out
_SHOWN = 80
_DATE_CHARS = len("2026-01-31")
_PHONE = re.compile(r"\+?[0-9]{1,63}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ].+)?")
_LOCATION = re.compile(r"\s*-?\d+(\.\d+)?\s*,\s*-?\d+(\.\d+)?\s*")


class MisfitError(ValueError):
    """Why one value does not fit; becomes a `BadValue`."""


def milliseconds(value: dt.date, zone: dt.tzinfo | None) -> int:
    """Milliseconds since the epoch, as Lark writes dates.

    Args:
        value: A datetime, or a date, which stands for its midnight.
        zone: The time zone of a naive datetime, and of a date, which else is UTC's.

    Raises:
        ValueError: The datetime is naive and no zone is named.
    """
    if isinstance(value, dt.datetime):
        moment = value if type(value) is dt.datetime else _standard(value)
        if moment.tzinfo is None:
            if zone is None:
                raise MisfitError("has no time zone: make it aware, or name one with zone=")
            moment = moment.replace(tzinfo=zone)
    else:
        moment = dt.datetime(value.year, value.month, value.day, tzinfo=zone or dt.UTC)
    return (moment - EPOCH) // MILLISECOND


def date(value: Any, zone: dt.tzinfo | None) -> int:
    """Milliseconds since the epoch from a datetime, a date, ISO 8601 or milliseconds."""
    if isinstance(value, str):
        value = _parsed(value.strip())
    if isinstance(value, dt.date):
        return milliseconds(value, zone)
    if not isinstance(value, int) or isinstance(value, bool):
        raise MisfitError("is no datetime, date, ISO text or milliseconds")
    if abs(value) > _MOSTMILLISECONDS:
        raise MisfitError("is beyond the year 9999: milliseconds since the epoch are wanted")
    return value


def _parsed(iso: str) -> dt.date:
    """A date or datetime in ISO 8601; not the bare digits that `fromisoformat` also takes for one."""
    try:
        if _ISO_DATE.fullmatch(iso):
            return dt.datetime.fromisoformat(iso) if len(iso) > _DATE_CHARS else dt.date.fromisoformat(iso)
    except ValueError:
        pass
    raise MisfitError("is no date in ISO 8601, such as 2026-01-31T09:00:00+08:00")


def _standard(value: dt.datetime) -> dt.datetime:
    """A datetime of the standard library: those of pendulum and pandas calculate in their own ways."""
    return dt.datetime(
        value.year,
        value.month,
        value.day,
        value.hour,
        value.minute,
        value.second,
        value.microsecond,
        tzinfo=value.tzinfo,
        fold=value.fold,
    )


def plain(value: Any) -> Any:
    """A Python value for what numpy and pandas bring along; None for every way to say 'missing'."""
    kind = type(value)
    if kind.__module__ == "numpy":
        if kind.__name__ == "datetime64":
            value = value.astype("datetime64[us]")  # of nanoseconds, item() makes a mere number
        if kind.__name__ != "timedelta64":
            value = value.tolist() if getattr(value, "ndim", 0) else value.item()
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:
        return None
    return None if isinstance(value, float | Decimal) and math.isnan(value) else value


def show(value: Any) -> str:
    """A value as an error text quotes it."""
    shown = repr(value)
    return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"


def text(value: Any) -> str:
    """Text, from what has one obvious way to be written."""
    if isinstance(value, dt.datetime | dt.date):
        value = value.isoformat()
    elif isinstance(value, float | Decimal) or (isinstance(value, int) and abs(value) < _LONGEST_INT):
        value = str(value)
    if not isinstance(value, str):
        raise MisfitError("is no text: write it as a str")
    if len(value) > MAX_CELL_CHARS:
        raise MisfitError(f"has {len(value)} characters, and a cell takes {MAX_CELL_CHARS}")
    return _encodable(value)


def _encodable(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise MisfitError("has half of a surrogate pair, which is no character") from None
    return value


def number(value: Any) -> int | float:
    """A number that a double keeps, from numbers and their texts."""
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value.strip()):
            raise MisfitError("is no number")
        value = Decimal(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise MisfitError("is no number")
    if not isinstance(value, int) and not math.isfinite(value):
        raise MisfitError("is no finite number")
    if not isinstance(value, float) and not -EXACT_INT <= value <= EXACT_INT:
        raise MisfitError("is larger than Lark's numbers keep exactly; write it to a text field")
    if isinstance(value, Decimal):
        # Digits beyond the sixteenth are rounded, as in any double.
        return int(value) if value == value.to_integral_value() else float(value)
    return value if isinstance(value, int) else float(value)


def option(value: Any) -> str:
    """The name of an option."""
    if not (isinstance(value, str) and value):
        raise MisfitError("is no option name")
    return _encodable(value)


def options(value: Any) -> list[str]:
    """Names of options, from one or several."""
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple | set | frozenset):
        raise MisfitError("is no list of option names")
    names = [option(item) for item in items]
    return sorted(names) if isinstance(items, set | frozenset) else names


def checkbox(value: Any) -> bool:
    """True or False, or their names."""
    if isinstance(value, str) and value.strip().lower() in {"true", "false"}:
        return value.strip().lower() == "true"
    if not isinstance(value, bool):
        raise MisfitError("is neither True nor False")
    return value


def phone(value: Any) -> str:
    """A phone number, from text or a number."""
    if isinstance(value, int) and not isinstance(value, bool) and value < 10**64:
        value = str(value)
    if not (isinstance(value, str) and _PHONE.fullmatch(value)):
        raise MisfitError("is no phone number: digits, with a + before them if need be")
    return value


def url(value: Any) -> dict[str, str]:
    """A link, from a URL, a pair of text and URL, or the dict that reading gave."""
    if isinstance(value, str):
        value = {"text": value, "link": value}
    elif isinstance(value, Sequence) and len(value) == 2:  # noqa: PLR2004 - a pair
        value = {"text": value[0], "link": value[1]}
    if not (isinstance(value, Mapping) and isinstance(value.get("link"), str) and value["link"]):
        raise MisfitError('is no link: write the URL, (text, URL) or {"text": …, "link": …}')
    return {"text": str(value.get("text") or value["link"]), "link": value["link"]}


def objects(key: str, what: str) -> Callable[[Any], list[dict[str, str]]]:
    """A writer for `[{key: id}]` from one id, several, or the dicts that reading gave."""

    def write(value: Any) -> list[dict[str, str]]:
        items = value if isinstance(value, list | tuple) else [value]
        ids = [item.get(key) if isinstance(item, Mapping) else item for item in items]
        if not all(isinstance(one, str) and one for one in ids):
            raise MisfitError(f"names no {what}")
        if key == "id" and any("@" in str(one) for one in ids):
            raise MisfitError("has an e-mail address: look the person's open_id up first")
        return [{key: str(one)} for one in ids]

    return write


def record_ids(value: Any) -> list[str]:
    """Ids of linked records, from one, several, or the dict that reading gave."""
    if isinstance(value, Mapping):
        value = value.get("link_record_ids")
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(one, str) and one for one in items):
        raise MisfitError("is no list of record ids (rec…)")
    return list(items)


def location(value: Any) -> str:
    """A place, from a pair of longitude and latitude, their text, or the dict that reading gave."""
    if isinstance(value, Mapping):
        value = value.get("location")
    elif isinstance(value, list | tuple) and len(value) == 2:  # noqa: PLR2004 - a pair
        value = f"{value[0]},{value[1]}"
    if not (isinstance(value, str) and _LOCATION.fullmatch(value)):
        raise MisfitError("is no place: write (longitude, latitude)")
    longitude, latitude = map(float, value.split(","))
    if abs(longitude) > 180 or abs(latitude) > 90:  # noqa: PLR2004 - degrees of a globe
        raise MisfitError("is no place on earth: write (longitude, latitude)")
    return value


def computed(value: Any) -> Any:  # noqa: ARG001 - as all the others
    """Nothing: Lark fills these fields."""
    raise MisfitError("cannot be written: Lark computes this field itself")
