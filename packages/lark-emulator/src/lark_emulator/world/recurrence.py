"""The days on which a recurring event happens, by its RRULE."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_WEEK = 7


def iterate_days(rule: str, first: date, until: date) -> Iterator[date]:
    """Yield the days from the first one on, up to and with another; the first day alone for an unknown rule.

    Known are `FREQ=DAILY` and `FREQ=WEEKLY`, with `INTERVAL`, `BYDAY`, `COUNT` and `UNTIL`.

    Args:
        rule: Such as `FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TU`; empty for an event that happens once.
        first: When it happens for the first time.
        until: The last day that matters.
    """
    try:
        weekly, interval, weekdays, count, last = _read(rule, first)
    except ValueError:
        if first <= until:
            yield first
        return
    monday = first - timedelta(days=first.weekday())
    day, occurrences = first, 0
    while day <= min(until, last) and (count is None or occurrences < count):
        if weekly:
            happens = (day - monday).days // _WEEK % interval == 0 and day.weekday() in weekdays
        else:
            happens = (day - first).days % interval == 0 and (not weekdays or day.weekday() in weekdays)
        if happens:
            occurrences += 1
            yield day
        day += timedelta(days=1)


def _read(rule: str, first: date) -> tuple[bool, int, set[int], int | None, date]:
    parts = dict(part.partition("=")[::2] for part in rule.upper().removeprefix("RRULE:").split(";"))
    if parts.get("FREQ") not in {"DAILY", "WEEKLY"} or parts.keys() - _KNOWN:
        raise ValueError(rule)
    weekly = parts["FREQ"] == "WEEKLY"
    named = {_WEEKDAYS.index(weekday) for weekday in parts.get("BYDAY", "").split(",") if weekday}
    interval = int(parts.get("INTERVAL", "1"))
    if interval < 1:
        raise ValueError(rule)
    last = datetime.strptime(parts["UNTIL"][:8], "%Y%m%d").date() if parts.get("UNTIL") else date.max  # noqa: DTZ007 - a day
    count = int(parts["COUNT"]) if parts.get("COUNT") else None
    return weekly, interval, named or ({first.weekday()} if weekly else set()), count, last


_KNOWN = {"FREQ", "INTERVAL", "BYDAY", "COUNT", "UNTIL", "WKST"}
