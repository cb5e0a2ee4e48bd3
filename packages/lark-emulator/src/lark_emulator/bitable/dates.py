"""The dates that a search may name: one day, or a span of days around today."""

from __future__ import annotations

import datetime as dt

DAY = dt.timedelta(days=1)

#: One day, by its distance from today.
DAYS = {"Today": 0, "Tomorrow": 1, "Yesterday": -1}
#: Spans of days from today, both ends included, by their distances from it.
_AROUND = {"TheLastWeek": (-6, 0), "TheNextWeek": (1, 7), "TheLastMonth": (-29, 0), "TheNextMonth": (1, 30)}


def parse_span(words: list[str], today: dt.date, zone: dt.tzinfo) -> tuple[dt.date, dt.date] | None:
    """Return the first day that is meant and the first one after it, or None for no known date.

    Args:
        words: The value of a condition, such as `["ExactDate", "1702449755000"]` or `["Today"]`.
        today: The current date in the base's time zone, to which relative dates refer.
        zone: The time zone in which the moment of an `ExactDate` becomes a day.
    """
    name = words[0]
    if name == "ExactDate":
        if len(words) < len(("name", "milliseconds")) or not words[1].isdecimal():
            return None
        try:
            day = dt.datetime.fromtimestamp(int(words[1]) / 1000, zone).date()
            return day, day + DAY
        except (OverflowError, ValueError, OSError):  # beyond the year 9999
            return None
    if name in DAYS:
        day = today + DAYS[name] * DAY
        return day, day + DAY
    if name in _AROUND:
        first, last = _AROUND[name]
        return today + first * DAY, today + (last + 1) * DAY
    monday, first_of_month = today - today.weekday() * DAY, today.replace(day=1)
    if name in ("CurrentWeek", "LastWeek"):
        start = monday if name == "CurrentWeek" else monday - 7 * DAY
        return start, start + 7 * DAY
    if name == "LastMonth":
        return (first_of_month - DAY).replace(day=1), first_of_month
    if name == "CurrentMonth":
        return first_of_month, (first_of_month + 31 * DAY).replace(day=1)
    return None
