"""Dates and times as cells hold them: days since 1899-12-30, without a time zone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from itertools import repeat
from operator import sub

EPOCH = dt.datetime(1899, 12, 30)  # noqa: DTZ001 - cells have no time zone
EPOCH_DAY = EPOCH.toordinal()
_MILLISECONDS = 86_400_000  # of a day


def encode_serial(value: dt.date | dt.time) -> int | float:
    """Return days since 1899-12-30, as cells hold dates and times.

    Args:
        value: A date, a datetime (in its own time zone) or a time.
    """
    if isinstance(value, dt.datetime):
        return encode_moments([value.replace(tzinfo=None)])[0]
    if isinstance(value, dt.date):
        return value.toordinal() - EPOCH_DAY
    # Microseconds are cut off, as by `encode_moments`.
    seconds = value.hour * 3600 + value.minute * 60 + value.second
    return (seconds * 1000 + value.microsecond // 1000) / _MILLISECONDS


def encode_moments(values: Iterable[dt.datetime]) -> list[float]:
    """Return days since 1899-12-30 for naive datetimes.

    Microseconds are cut off: cells are read to the millisecond, and a moment that is rounded up may belong to
    the next day.

    Args:
        values: The datetimes.
    """
    # A division of whole milliseconds gives the nearest double, so that reading finds the same millisecond.
    return [
        (delta.days * _MILLISECONDS + delta.seconds * 1000 + delta.microseconds // 1000) / _MILLISECONDS
        for delta in map(sub, values, repeat(EPOCH))
    ]


def decode_serial(days: float) -> dt.datetime:
    """Return the naive datetime of a serial number, to the millisecond.

    Args:
        days: Days since 1899-12-30.

    Raises:
        OverflowError: It is beyond the range of datetime.
    """
    return EPOCH + dt.timedelta(milliseconds=round(days * _MILLISECONDS))
