"""Convert dates and datetimes, as Python and files represent them, to milliseconds since the epoch."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from lark_provider.api.clouddoc.cells import MisfitError

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MILLISECOND = dt.timedelta(milliseconds=1)
MAX_MILLISECONDS = 253_402_300_799_999  # the end of the year 9999
SECONDS_BELOW = 10**10
"""A smaller number is taken for seconds: it means a time before 2286 in seconds, before 26 April 1970 in
milliseconds."""
WRONG_YEAR = "must be within the years 1 to 9999"
_DATE_CHARS = len("2026-01-31")
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ].+)?")


class DayWithoutZoneError(Exception):
    """A value is a day, and the time zone in which it begins is not known yet. The day itself is valid."""


def to_milliseconds(value: dt.date, zone: dt.tzinfo | None, days: dt.tzinfo | None = dt.UTC) -> int:
    """Return milliseconds since the epoch, as Lark writes dates.

    Args:
        value: A datetime, or a date, which means its midnight.
        zone: The time zone of a naive datetime, and of a date.
        days: The time zone of a date without `zone`; None if it is not known yet.

    Raises:
        ValueError: The datetime is naive and no zone is named.
        DayWithoutZoneError: It is a date, and neither zone is known.
    """
    if isinstance(value, dt.datetime):
        moment = value if type(value) is dt.datetime else _convert_to_standard(value)
        if moment.tzinfo is None:
            if zone is None:
                raise MisfitError("must be an aware datetime unless zone= is given")
            moment = moment.replace(tzinfo=zone)
    else:
        begins = zone or days
        if begins is None:
            raise DayWithoutZoneError
        moment = dt.datetime(value.year, value.month, value.day, tzinfo=begins)
    return (moment - EPOCH) // MILLISECOND


def encode_date(value: Any, zone: dt.tzinfo | None, days: dt.tzinfo | None = dt.UTC) -> int:
    """Return milliseconds since the epoch from a datetime, a date, ISO 8601 or milliseconds.

    Args:
        value: What to convert. Numbers that look like seconds are refused.
        zone: The time zone of a naive datetime, and of a date.
        days: The time zone of a date without `zone`; None if it is not known yet.

    Raises:
        MisfitError: It is something else.
        DayWithoutZoneError: It is a date, and neither zone is known.
    """
    if isinstance(value, str):
        value = _parse_date(value.strip())
    if isinstance(value, dt.date):
        return to_milliseconds(value, zone, days)
    if type(value).__name__ == "datetime64":
        raise MisfitError(WRONG_YEAR)
    if not isinstance(value, int) or isinstance(value, bool):
        raise MisfitError("must be a datetime, a date, a str in ISO 8601 or milliseconds")
    if abs(value) > MAX_MILLISECONDS:
        raise MisfitError("must be milliseconds since the epoch, before the year 10000")
    if 0 < abs(value) < SECONDS_BELOW:
        raise MisfitError("must be milliseconds, not seconds, since the epoch, or a datetime")
    return value


def _parse_date(iso: str) -> dt.date:
    """Parse a date or datetime in ISO 8601, without the bare digits that `fromisoformat` also accepts."""
    try:
        if _ISO_DATE.fullmatch(iso):
            return dt.datetime.fromisoformat(iso) if len(iso) > _DATE_CHARS else dt.date.fromisoformat(iso)
    except ValueError:
        pass
    raise MisfitError("must be a date in ISO 8601, such as 2026-01-31T09:00:00+08:00")


def _convert_to_standard(value: dt.datetime) -> dt.datetime:
    """Return a datetime of the standard library: those of pendulum and pandas have other arithmetic."""
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
