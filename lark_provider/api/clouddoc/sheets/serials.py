"""Dates and times as cells hold them: days since 1899-12-30, without a time zone."""

from __future__ import annotations

import datetime as dt

EPOCH = dt.datetime(1899, 12, 30)  # noqa: DTZ001 - cells have no time zone
EPOCH_DAY = EPOCH.toordinal()
DAY = dt.timedelta(days=1)
_MILLISECONDS = 86_400_000  # of a day


def encode_serial(value: dt.date | dt.time) -> int | float:
    """Return days since 1899-12-30, as cells hold dates and times.

    Args:
        value: A date, a datetime (in its own time zone) or a time.
    """
    if isinstance(value, dt.datetime):
        return (value.replace(tzinfo=None) - EPOCH) / DAY
    if isinstance(value, dt.date):
        return value.toordinal() - EPOCH_DAY
    # Microseconds are cut off, since a time that is rounded up may belong to the next day.
    seconds = value.hour * 3600 + value.minute * 60 + value.second
    return (seconds * 1000 + value.microsecond // 1000) / _MILLISECONDS


def decode_serial(days: float) -> dt.datetime:
    """Return the naive datetime of a serial number, to the millisecond.

    Args:
        days: Days since 1899-12-30.

    Raises:
        OverflowError: It is beyond the range of datetime.
    """
    return EPOCH + dt.timedelta(milliseconds=round(days * _MILLISECONDS))
