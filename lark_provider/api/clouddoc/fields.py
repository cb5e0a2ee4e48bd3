"""Bitable cells: from Python values to what each field type takes, and back.

Lark's own rules are on the page "Data structure of a record"; write and read shapes differ for many types.
"""

from __future__ import annotations

import datetime as dt
import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Required, TypedDict
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from lark_provider.protocol.errors import InvalidRequestError

MAX_CELL_CHARS = 100_000
_EXACT_INT = 2**53
_LONGEST_INT = 1 << 13_000  # about as far as Python writes an int out
_SHOWN = 80
_PHONE = re.compile(r"\+?[0-9]{1,63}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ].+)?")
_LOCATION = re.compile(r"\s*-?\d+(\.\d+)?\s*,\s*-?\d+(\.\d+)?\s*")

TEXT, NUMBER, SINGLE_SELECT, MULTI_SELECT, DATE, CHECKBOX = 1, 2, 3, 4, 5, 7
PERSON, PHONE, URL, ATTACHMENT, LINK, LOOKUP, FORMULA, DUPLEX_LINK = 11, 13, 15, 17, 18, 19, 20, 21
LOCATION, GROUP, STAGE, BUTTON = 22, 23, 24, 3001
CREATED_TIME, MODIFIED_TIME, CREATED_BY, MODIFIED_BY, AUTO_NUMBER = 1001, 1002, 1003, 1004, 1005

_READ_ONLY = frozenset(
    {LOOKUP, FORMULA, STAGE, BUTTON, CREATED_TIME, MODIFIED_TIME, CREATED_BY, MODIFIED_BY, AUTO_NUMBER}
)


class Field(TypedDict, total=False):
    """A field as Lark describes it."""

    field_id: str
    field_name: Required[str]
    type: Required[int]
    ui_type: str
    is_primary: bool
    property: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class BadValue:
    """A value that does not fit. `row` counts from 1."""

    row: int
    field: str
    reason: str

    def __str__(self) -> str:
        return f"row {self.row}, field {self.field!r}: {self.reason}"


class _MisfitError(ValueError):
    """Why one value does not fit; becomes a `BadValue`."""


def zone_of(name: str | dt.tzinfo | None) -> dt.tzinfo | None:
    """Find a time zone.

    Args:
        name: An IANA name such as "Asia/Shanghai", a tzinfo, or None.

    Raises:
        InvalidRequestError: There is no zone of that name.
    """
    if name is None or isinstance(name, dt.tzinfo):
        return name
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, AttributeError, OSError):
        raise InvalidRequestError(
            f"zone is {name!r}. Next: use an IANA name such as 'Asia/Shanghai'."
        ) from None


class Converter:
    """Converts records of one table.

    Args:
        fields: The table's fields, as `list_fields` returns them.
        zone: The time zone of naive datetimes, and of dates; without one, naive datetimes are refused and
            a date is midnight UTC.
    """

    def __init__(self, fields: Iterable[Field], zone: dt.tzinfo | None = None) -> None:
        self._types = {field["field_name"]: field["type"] for field in fields}
        self._zone = zone

    def to_wire(
        self, record: Mapping[str, Any], row: int = 1, *, clear: bool = False
    ) -> tuple[dict[str, Any], list[BadValue]]:
        """Convert one record for writing.

        Args:
            record: Values by field name. None, NaN and NaT leave the cell empty.
            row: The record's number, counting from 1, for the report.
            clear: Keep what is missing as None, which clears a cell when a record is changed.

        Returns:
            The record as Lark takes it, and what does not fit; each record is one or the other.
        """
        if not isinstance(record, Mapping):
            return {}, [BadValue(row, "", f"a record is a dict of values by field name, not {_show(record)}")]
        wire: dict[str, Any] = {}
        bad: list[BadValue] = []
        for name, value in record.items():
            if not isinstance(name, str) or name not in self._types:
                bad.append(BadValue(row, str(name), self._unknown(str(name))))
                continue
            field_type, kind = self._types[name], type(value)
            # The two commonest cells need none of the questions below; in a million cells it shows.
            if (kind is int and field_type == NUMBER and -_EXACT_INT <= value <= _EXACT_INT) or (
                kind is str and field_type == TEXT and len(value) <= MAX_CELL_CHARS and value.isascii()
            ):
                wire[str(name)] = value
                continue
            plain = value if kind in _BUILTIN else _plain(value)
            if plain is None:
                if clear:
                    wire[str(name)] = None
                continue
            try:
                wire[str(name)] = self._write(field_type, plain)
            except _MisfitError as misfit:
                bad.append(BadValue(row, name, f"{_show(value)} {misfit}"))
        return wire, bad

    def from_wire(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Convert a record that was read with search or batch_get.

        Args:
            fields: `record["fields"]` as Lark sent it.

        Returns:
            Text as str, dates as aware datetimes (in `zone`, else UTC), links as record ids; people,
            attachments and places as the dicts that Lark sends. Fields that the table does not have any
            more stay as they are.
        """
        return {name: self._read(self._types.get(name), value) for name, value in fields.items()}

    def _unknown(self, name: str) -> str:
        folded = {known.casefold().strip(): known for known in self._types}
        close = [folded[one] for one in difflib.get_close_matches(name.casefold().strip(), folded, n=1)]
        hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(map(repr, self._types))}"
        return f"the table has no such field; {hint}"

    def _write(self, field_type: int, value: Any) -> Any:
        if field_type in _READ_ONLY:
            raise _MisfitError("cannot be written: Lark computes this field itself")
        if field_type == DATE:
            return self._milliseconds(value)
        writer = _WRITERS.get(field_type)
        return writer(value) if writer is not None else value  # a type newer than this table: Lark decides

    def _read(self, field_type: object, value: Any) -> Any:
        if not isinstance(field_type, int):
            return value
        if field_type in {TEXT, AUTO_NUMBER} and isinstance(value, list):
            return "".join(
                str(part.get("text", "")) if isinstance(part, Mapping) else str(part) for part in value
            )
        if field_type in {DATE, CREATED_TIME, MODIFIED_TIME} and isinstance(value, int | float):
            return self._moment(value)
        if field_type in {LINK, DUPLEX_LINK} and isinstance(value, Mapping):
            return list(value.get("link_record_ids") or ())
        if field_type in {FORMULA, LOOKUP} and isinstance(value, Mapping) and "value" in value:
            inner, items = value.get("type"), value["value"]
            if inner == TEXT or not isinstance(items, list):
                return self._read(inner, items)
            return [self._read(inner, item) for item in items]
        return value

    def _moment(self, value: float) -> dt.datetime | float:
        try:
            return (_EPOCH + dt.timedelta(milliseconds=value)).astimezone(self._zone or dt.UTC)
        except OverflowError:
            return value  # beyond Python's calendar: the number says more than an error

    def _milliseconds(self, value: Any) -> int:
        if isinstance(value, int) and not isinstance(value, bool):
            if abs(value) > _MOST_MILLISECONDS:
                raise _MisfitError("is beyond the year 9999: milliseconds since the epoch are wanted")
            return value
        if isinstance(value, str):
            value = _date(value.strip())
        if not isinstance(value, dt.date):
            raise _MisfitError("is no datetime, date, ISO text or milliseconds")
        return milliseconds(value, self._zone)


_BUILTIN = frozenset({str, int, bool, list, tuple, dict, dt.datetime, dt.date})
_DATE_CHARS = len("2026-01-31")
_MOST_MILLISECONDS = 253_402_300_799_999  # the end of the year 9999
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)


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
                raise _MisfitError("has no time zone: make it aware, or name one with zone=")
            moment = moment.replace(tzinfo=zone)
    else:
        moment = dt.datetime(value.year, value.month, value.day, tzinfo=zone or dt.UTC)
    return (moment - _EPOCH) // _MILLISECOND


def _date(text: str) -> dt.date:
    """A date or datetime in ISO 8601; not the bare digits that `fromisoformat` also takes for one."""
    try:
        if _ISO_DATE.fullmatch(text):
            return dt.datetime.fromisoformat(text) if len(text) > _DATE_CHARS else dt.date.fromisoformat(text)
    except ValueError:
        pass
    raise _MisfitError("is no date in ISO 8601, such as 2026-01-31T09:00:00+08:00")


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


def _plain(value: Any) -> Any:
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


def _show(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"


def _text(value: Any) -> str:
    if isinstance(value, dt.datetime | dt.date):
        value = value.isoformat()
    elif isinstance(value, float | Decimal) or (isinstance(value, int) and abs(value) < _LONGEST_INT):
        value = str(value)
    if not isinstance(value, str):
        raise _MisfitError("is no text: write it as a str")
    if len(value) > MAX_CELL_CHARS:
        raise _MisfitError(f"has {len(value)} characters, and a cell takes {MAX_CELL_CHARS}")
    return _encodable(value)


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _MisfitError("has half of a surrogate pair, which is no character") from None
    return text


def _number(value: Any) -> int | float:
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value.strip()):
            raise _MisfitError("is no number")
        value = Decimal(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise _MisfitError("is no number")
    if not isinstance(value, int) and not math.isfinite(value):
        raise _MisfitError("is no finite number")
    if not isinstance(value, float) and not -_EXACT_INT <= value <= _EXACT_INT:
        raise _MisfitError("is larger than Lark's numbers keep exactly; write it to a text field")
    if isinstance(value, Decimal):
        # Digits beyond the sixteenth are rounded, as in any double.
        return int(value) if value == value.to_integral_value() else float(value)
    return value if isinstance(value, int) else float(value)


def _option(value: Any) -> str:
    if not (isinstance(value, str) and value):
        raise _MisfitError("is no option name")
    return _encodable(value)


def _options(value: Any) -> list[str]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple | set | frozenset):
        raise _MisfitError("is no list of option names")
    names = [_option(item) for item in items]
    return sorted(names) if isinstance(items, set | frozenset) else names


def _checkbox(value: Any) -> bool:
    if isinstance(value, str) and value.strip().lower() in {"true", "false"}:
        return value.strip().lower() == "true"
    if not isinstance(value, bool):
        raise _MisfitError("is neither True nor False")
    return value


def _phone(value: Any) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) and value < 10**64 else value
    if not (isinstance(text, str) and _PHONE.fullmatch(text)):
        raise _MisfitError("is no phone number: digits, with a + before them if need be")
    return text


def _url(value: Any) -> dict[str, str]:
    if isinstance(value, str):
        value = {"text": value, "link": value}
    elif isinstance(value, Sequence) and len(value) == 2:  # noqa: PLR2004 - a pair
        value = {"text": value[0], "link": value[1]}
    if not (isinstance(value, Mapping) and isinstance(value.get("link"), str) and value["link"]):
        raise _MisfitError('is no link: write the URL, (text, URL) or {"text": …, "link": …}')
    return {"text": str(value.get("text") or value["link"]), "link": value["link"]}


def _objects(key: str, what: str) -> Callable[[Any], list[dict[str, str]]]:
    """A writer for `[{key: id}]` from one id, several, or the dicts that reading gave."""

    def write(value: Any) -> list[dict[str, str]]:
        items = value if isinstance(value, list | tuple) else [value]
        ids = [item.get(key) if isinstance(item, Mapping) else item for item in items]
        if not all(isinstance(one, str) and one for one in ids):
            raise _MisfitError(f"names no {what}")
        if key == "id" and any("@" in str(one) for one in ids):
            raise _MisfitError("has an e-mail address: look the person's open_id up first")
        return [{key: str(one)} for one in ids]

    return write


def _record_ids(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        value = value.get("link_record_ids")
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(one, str) and one for one in items):
        raise _MisfitError("is no list of record ids (rec…)")
    return list(items)


def _location(value: Any) -> str:
    if isinstance(value, Mapping):
        value = value.get("location")
    elif isinstance(value, list | tuple) and len(value) == 2:  # noqa: PLR2004 - a pair
        value = f"{value[0]},{value[1]}"
    if not (isinstance(value, str) and _LOCATION.fullmatch(value)):
        raise _MisfitError("is no place: write (longitude, latitude)")
    longitude, latitude = map(float, value.split(","))
    if abs(longitude) > 180 or abs(latitude) > 90:  # noqa: PLR2004 - degrees of a globe
        raise _MisfitError("is no place on earth: write (longitude, latitude)")
    return value


_WRITERS: dict[int, Callable[[Any], Any]] = {
    TEXT: _text,
    NUMBER: _number,
    SINGLE_SELECT: _option,
    MULTI_SELECT: _options,
    CHECKBOX: _checkbox,
    PERSON: _objects("id", "person by id (ou_…)"),
    PHONE: _phone,
    URL: _url,
    ATTACHMENT: _objects("file_token", "uploaded file by file_token"),
    LINK: _record_ids,
    DUPLEX_LINK: _record_ids,
    LOCATION: _location,
    GROUP: _objects("id", "group by chat id (oc_…)"),
}
