"""Single values between SQL and Bitable or spreadsheets, where the types of both sides differ."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

from lark_provider.api.clouddoc import field_types as types
from lark_provider.errors import InvalidRequestError

MomentForm: TypeAlias = Literal["aware", "naive", "day", "text"]
"""What a column takes for a point in time; `text`: a column for text."""
_DAYS: Final = {("psycopg2", 1082), ("psycopg", 1082), ("MySQLdb", 10), ("pymysql", 10)}
_NAIVE: Final = {
    ("psycopg2", 1114),
    ("psycopg", 1114),
    *((driver, code) for driver in ("MySQLdb", "pymysql") for code in (7, 12)),
}
_TEXTS: Final = {
    *((driver, code) for driver in ("psycopg2", "psycopg") for code in (25, 1042, 1043)),
    *((driver, code) for driver in ("MySQLdb", "pymysql") for code in (252, 253, 254)),
}
_AS_TEXT = (
    uuid.UUID,
    dt.time,
    dt.timedelta,
    ipaddress.IPv4Address,
    ipaddress.IPv6Address,
    ipaddress.IPv4Network,
    ipaddress.IPv6Network,
    ipaddress.IPv4Interface,
    ipaddress.IPv6Interface,
)


def make_key_mark(key: Sequence[Any]) -> int:
    """Return what tells the key of a row from others, in less memory; equal numbers of any type are one key.

    Args:
        key: The values of the key.
    """
    return hash(
        repr(
            [
                int(value) if isinstance(value, float | Decimal) and _is_whole(value) else value
                for value in key
            ]
        )
    )


def to_cell(value: Any, field_type: int | None) -> Any:
    """Return a value of SQL as the Bitable client takes it.

    Args:
        value: What the database's driver returned.
        field_type: The type of the field it goes to; None if there is no such field.

    Returns:
        JSON as text in a text field; 0 and 1 as bool in a checkbox; UUIDs, times, intervals and network
        addresses as text; anything else as it is.
    """
    if isinstance(value, _AS_TEXT):
        return _to_text(value)
    if field_type == types.TEXT and isinstance(value, dict | list):
        return _encode_json(value)
    if field_type == types.CHECKBOX and isinstance(value, int | float | Decimal) and value in {0, 1}:
        return bool(value)
    return value


def to_sheet_cell(value: Any) -> Any:
    """Return a value of SQL as a cell of a spreadsheet takes it.

    Args:
        value: What the database's driver returned.

    Returns:
        JSON and arrays as JSON text; intervals and network addresses as text; anything else as it is.
    """
    if isinstance(value, dict | list):
        return _encode_json(value)
    return _to_text(value) if isinstance(value, _AS_TEXT) and not isinstance(value, dt.time) else value


def to_shown_cell(value: Any) -> Any:
    """Return a value of SQL as it is shown in a message, and in the file that follows it.

    Args:
        value: What the database's driver returned.

    Returns:
        Bytes in hexadecimal digits, as PostgreSQL writes them; anything else as `to_sheet_cell` does.
    """
    if isinstance(value, bytes | bytearray | memoryview):
        return "\\x" + bytes(value).hex()
    return to_sheet_cell(value)


def get_moment_form(driver: str, type_code: object, declared: str = "") -> MomentForm:
    """Return what a column takes for a point in time.

    Args:
        driver: The package of the driver.
        type_code: The column's, as the driver describes it.
        declared: The type in the table's definition, for drivers that describe none.
    """
    if driver == "sqlite3":
        kind = declared.strip().lower()
        return "day" if kind == "date" else "aware" if "date" in kind or "time" in kind else "text"
    if (driver, type_code) in _TEXTS:
        return "text"
    if (driver, type_code) in _DAYS or type_code is dt.date:
        return "day"
    return "naive" if (driver, type_code) in _NAIVE else "aware"


def to_sql(field_type: int, moment: MomentForm, zone: dt.tzinfo, *, is_text: bool) -> Callable[[Any], Any]:
    """Return a function that makes a value for SQL from what the Bitable client read.

    Args:
        field_type: The type of the field it comes from.
        moment: What its column takes for a point in time.
        zone: The time zone of days and of datetimes without one.
        is_text: Whether dates have to be written as text, for SQLite.

    Returns:
        The function. It returns a checkbox that was never set as False, values that are lists or objects as
        JSON, and what is empty as None.
    """

    def convert(value: Any) -> Any:
        if value is None:
            return False if field_type == types.CHECKBOX else None
        if isinstance(value, dt.datetime):
            local = _convert_zone(value, zone, is_required=is_text or moment != "aware")
            if moment == "day":
                return local.date().isoformat() if is_text else local.date()
            if is_text or moment == "text":
                return local.isoformat()
            return local.replace(tzinfo=None) if moment == "naive" else local
        return _encode_json(value) if isinstance(value, Mapping | list | tuple) else value

    return convert


def _convert_zone(value: dt.datetime, zone: dt.tzinfo, *, is_required: bool) -> dt.datetime:
    """Return a moment in a time zone; unchanged if Python's calendar ends before it and that does no harm.

    Raises:
        InvalidRequestError: Python's calendar ends before it, and the local time is what is written.
    """
    try:
        return value.astimezone(zone)
    except OverflowError:
        if not is_required:
            return value
        raise InvalidRequestError(
            f"The date {value.isoformat()} must be within the years 1 to 9999 in the time zone {zone}. Next: "
            "pass zone='UTC', or change the date."
        ) from None


def from_sheet(moment: MomentForm, zone: dt.tzinfo, *, is_text: bool) -> Callable[[Any], Any]:
    """Return a function that makes a value for SQL from a cell of a spreadsheet.

    Args:
        moment: What its column takes for a point in time.
        zone: The time zone of cells, which have none of their own.
        is_text: Whether dates and times have to be written as text, for SQLite.

    Returns:
        The function. Of a link it returns the URL, of a person the id, of what has no type in Python JSON.
    """
    from lark_provider.api.clouddoc.sheets.kinds import Link, Mention  # other transfers do not need it

    def convert(value: Any) -> Any:
        if isinstance(value, dt.datetime):
            if moment == "day":
                value = value.date()
            elif moment != "naive":
                value = value.replace(tzinfo=zone)
        elif isinstance(value, dt.date) and moment in {"aware", "naive"}:
            value = dt.datetime.combine(value, dt.time(), None if moment == "naive" else zone)
        elif isinstance(value, Link):
            return value.url
        elif isinstance(value, Mention):
            return value.id
        if isinstance(value, dt.date | dt.time) and (is_text or moment == "text"):
            return value.isoformat()
        return _encode_json(value) if isinstance(value, Mapping | list | tuple) else value

    return convert


def _to_text(value: Any) -> str:
    """Return a value as text; each part of a negative interval has its own sign, as in PostgreSQL.

    `str` of minus an hour is "-1 day, 23:00:00", which few people read as that.
    """
    if not isinstance(value, dt.timedelta) or value >= dt.timedelta():
        return str(value)
    days, rest = divmod(-value, dt.timedelta(days=1))
    time = f"-{rest}" if rest else f"{rest}"
    return f"-{days} day{'' if days == 1 else 's'}, {time}" if days else time


def _encode_json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=_to_plain, allow_nan=False)
    except ValueError:
        return json.dumps(_name_non_finite(value), ensure_ascii=False, default=_to_plain)


def _name_non_finite(value: Any) -> Any:
    """Return a value with NaN and infinities as texts, as PostgreSQL's to_json does: JSON has none."""
    if isinstance(value, Mapping):
        return {key: _name_non_finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_name_non_finite(item) for item in value]
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"  # noqa: PLR0124 - NaN
    return value


def _to_plain(value: Any) -> Any:
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if _is_whole(value) else float(value)
    return _to_text(value)


def _is_whole(value: float | Decimal) -> bool:
    return math.isfinite(value) and value == int(value)
