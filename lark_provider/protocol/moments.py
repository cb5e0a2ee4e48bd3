"""Dates and times as Lark's pickers send and show them, and as JSON schema writes them. No I/O or clock."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

_ZONED = re.compile(r"(?P<bare>.*?)(?:\s+(?P<zone>[+-]\d{2}:?\d{2}))?", re.ASCII | re.DOTALL)


def parse_zone(name: str) -> tzinfo:
    """Return a time zone.

    Args:
        name: A name such as `Asia/Shanghai`, or an offset such as `+08:00`; UTC if it is neither.
    """
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        pass
    try:
        return datetime.strptime(name, "%z").tzinfo or UTC
    except ValueError:
        return UTC


def format_moment(moment: datetime, timezone: str) -> str:
    """Format a time for people.

    Args:
        moment: The time.
        timezone: A name such as `Asia/Shanghai`, or an offset such as `+08:00`; UTC if it is neither.
    """
    return f"{moment.astimezone(parse_zone(timezone)):%Y-%m-%d %H:%M %Z}"


def to_wall_time(text: str, timezone: str) -> str:
    """Return a time as a picker shows it, `yyyy-MM-dd HH:mm`; empty if it is not a time.

    Args:
        text: A time in ISO 8601; without a zone, it is in `timezone`.
        timezone: The time zone in which it is shown.
    """
    zone = parse_zone(timezone)
    try:
        moment = datetime.fromisoformat(text.strip().upper())
        moved = moment.astimezone(zone) if moment.tzinfo is not None else moment
    except (ValueError, OverflowError):
        return ""
    return moved.replace(tzinfo=None).isoformat(sep=" ", timespec="minutes")


def without_zone(raw: str) -> str:
    """Return what a picker sent, without the zone."""
    return _split_zone(raw)[0]


def read_date(raw: str) -> str | None:
    """Read what a date picker sent, e.g. `2025-06-10 +0800`, as the user's day; None if it is not a date."""
    text = without_zone(raw)
    return text if is_date(text) else None


def read_time(raw: str) -> str | None:
    """Read what a time picker sent, e.g. `05:05 +0800`, as `05:05:00`; None if it is not a time."""
    text = without_zone(raw)
    return f"{text}:00" if is_time(text) else None


def read_moment(raw: str, timezone: str) -> str | None:
    """Read what a picker of date and time sent, e.g. `2025-06-10 19:19 +0800`, as ISO 8601 with the offset.

    Args:
        raw: What was sent.
        timezone: The user's time zone, if the text has none.

    Returns:
        The time, or None if `raw` is not a time.
    """
    text, offset = _split_zone(raw)
    try:
        moment = datetime.fromisoformat(text)
        zoned = moment.replace(tzinfo=parse_zone(offset or timezone)) if moment.tzinfo is None else moment
        if (zoned.utcoffset() or timedelta()).seconds % 60:
            zoned = zoned.astimezone(UTC)  # RFC 3339 allows no seconds in an offset, as old ones have
        return zoned.isoformat(timespec="seconds")
    except (ValueError, OverflowError):
        return None


def is_date(text: str) -> bool:
    """Return whether a text is a day, `yyyy-MM-dd`."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def is_time(text: str) -> bool:
    """Return whether a text is a time of day, `HH:mm`."""
    try:
        return time.fromisoformat(text).isoformat(timespec="minutes") == text
    except ValueError:
        return False


def is_wall_time(text: str) -> bool:
    """Return whether a text is a time as a picker shows it, `yyyy-MM-dd HH:mm`."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return False
    return moment.tzinfo is None and moment.isoformat(sep=" ", timespec="minutes") == text


def _split_zone(raw: str) -> tuple[str, str]:
    match = _ZONED.fullmatch(raw.strip())
    return (match["bare"], match["zone"] or "") if match else (raw.strip(), "")
