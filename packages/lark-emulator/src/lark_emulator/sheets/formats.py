"""How a number shows by the formatter of its cell."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

#: Serial number 0.
EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 - cells know no zone
_DATE = re.compile(r"yyyy|yy|MM|M|dd|d|HH|hh|H|h|mm|m|ss|s", re.ASCII)
_NUMBER = re.compile(r"(?P<head>[^#0]*)(?P<whole>[#,0]+)(?:\.(?P<part>0+))?(?P<tail>.*)")
_LAST_DAY = 2_958_466


def is_date(formatter: str) -> bool:
    """Return whether a formatter shows dates or times."""
    return bool(re.search(r"yy|dd|[Hh]+:|:mm|:ss", formatter))


def display(value: float, formatter: str) -> str:
    """Return a number as a cell shows it."""
    if is_date(formatter) and 0 <= value < _LAST_DAY:
        return format_date(value, formatter)
    if formatter in ("", "@"):
        return format_general(value)
    if "E+" in formatter:
        digits = formatter.partition(".")[2].partition("E")[0]
        return f"{value:.{len(digits)}E}"
    match = _NUMBER.fullmatch(formatter)
    if match is None:
        return format_general(value)
    exact = Decimal(repr(value))
    if "%" in match["tail"]:
        exact *= 100
    places = len(match["part"] or "")
    rounded = exact.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    grouping = "," if "," in match["whole"] else ""
    sign = "-" if rounded < 0 else ""
    return f"{sign}{match['head']}{abs(rounded):{grouping}.{places}f}{match['tail']}"


def format_general(value: float) -> str:
    """Return a number without a format."""
    return str(value) if isinstance(value, int) else f"{value:.15g}"


def format_date(value: float, formatter: str) -> str:
    """Return a serial number as a date or time."""
    when = EPOCH + timedelta(seconds=round(value * 86_400))
    after_hours = False

    def format_piece(match: re.Match[str]) -> str:
        nonlocal after_hours
        name = match.group()
        if name[0] in "Hh":
            after_hours = True
            return f"{when.hour:0{len(name)}d}"
        minutes = name[0] == "m" or (name[0] == "M" and after_hours)
        numbers = {"y": when.year, "d": when.day, "s": when.second}
        number = when.minute if minutes else numbers.get(name[0], when.month)
        if name == "yy":
            number %= 100
        return f"{number:0{len(name)}d}"

    return _DATE.sub(format_piece, formatter)
