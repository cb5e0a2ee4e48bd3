"""Periods as operators write them: `90m`, `12h`, `7d`."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_AGE = re.compile(r"([0-9]{1,6})([smhd])")
LONGEST = timedelta(days=36_525)
"""Nothing that is stored is that old, and a longer period would overflow a datetime."""


def parse(text: str) -> timedelta:
    """Parse a period: a whole number and one of `s`, `m`, `h`, `d`; or `0`. At most `LONGEST` is returned.

    Args:
        text: As an operator writes it.

    Raises:
        ValueError: The text is not a period.
    """
    text = text.strip()
    match = _AGE.fullmatch("0s" if text == "0" else text)
    if match is None:
        raise ValueError(
            f"a period must be a whole number and s, m, h or d, got {text!r}. Next: write it as 90m, 12h or "
            "7d."
        )
    return min(timedelta(**{_UNITS[match[2]]: int(match[1])}), LONGEST)


def format_period(age: timedelta) -> str:
    """Write a period in the largest unit that needs no fraction."""
    seconds = int(age.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
