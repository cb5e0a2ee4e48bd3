"""Lark's notations for a point in time."""

from __future__ import annotations

import re
from datetime import datetime

_NUMBER = re.compile(r"[0-9]{1,19}(\.[0-9]{1,9})?")
_PRINTED = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]{1,9})? ([+-][0-9]{4})(?: .*)?"
)
_TOO_MANY_SECONDS = 10**11  # the year 5138; milliseconds reach this in 1973


def parse_seconds(value: object) -> float | None:
    """Read a time stamp.

    Lark sends seconds, milliseconds and microseconds under the same names, distinguished by their magnitude.
    With card callbacks, the header has been seen as Go prints a time:
    `2026-10-04 18:23:46.052290112 +0800 CST m=+3612.1`.

    Args:
        value: A header or a member of the JSON.

    Returns:
        Seconds since the epoch; None if it is neither.
    """
    text = str(value) if isinstance(value, int) else value
    if not isinstance(text, str):
        return None
    if _NUMBER.fullmatch(text):
        number = float(text)
        while number >= _TOO_MANY_SECONDS:
            number /= 1000
        return number
    if printed := _PRINTED.fullmatch(text):
        try:
            number = datetime.fromisoformat("".join(printed.groups())).timestamp()
        except ValueError:
            return None
        return number if 0 <= number < _TOO_MANY_SECONDS else None
    return None
