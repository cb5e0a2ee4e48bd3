"""Convert a whole column of cells at once, if all its values are of one type.

Checking each of a million cells takes longer than sending them; one check for a column is cheap. Each
function returns what `cells` would make of each value, or None if each of them has to be checked.
"""

from __future__ import annotations

import datetime as dt
import math

from lark_provider.api.clouddoc.cells import EXACT_INT, MAX_CELL_CHARS, MAX_OPTIONS
from lark_provider.api.clouddoc.dates import EPOCH, MAX_MILLISECONDS, SECONDS_BELOW
from lark_provider.support.text import is_unicode

_DAY_SECONDS = 24 * 60 * 60


def accept_numbers(values: list[int]) -> list[int] | None:
    """Return the numbers unchanged, if a double represents them all."""
    return values if max(map(abs, values)) <= EXACT_INT else None


def accept_floats(values: list[float]) -> list[float] | None:
    """Return the numbers unchanged, if all are finite."""
    return values if all(map(math.isfinite, values)) else None


def accept_texts(values: list[str]) -> list[str] | None:
    """Return the texts unchanged, if none is too long and all are valid Unicode."""
    together = "".join(values)
    if len(together) > MAX_CELL_CHARS and max(map(len, values)) > MAX_CELL_CHARS:
        return None
    return values if together.isascii() or is_unicode(together) else None


def accept_options(values: list[str]) -> list[str] | None:
    """Return the names of options unchanged, if none is empty."""
    return accept_texts(values) if all(values) else None


def accept_option_lists(values: list[list[str]]) -> list[list[str]] | None:
    """Return lists of names of options unchanged, if all are lists of names."""
    names = [name for value in values for name in value]
    if names and (set(map(type, names)) != {str} or accept_options(names) is None):
        return None
    return values if max(map(len, values)) <= MAX_OPTIONS else None


def accept_booleans(values: list[bool]) -> list[bool]:
    """Return the values unchanged."""
    return values


def accept_milliseconds(values: list[int]) -> list[int] | None:
    """Return milliseconds unchanged, if all are after 1970 and cannot be seconds."""
    return values if min(values) >= SECONDS_BELOW and max(values) <= MAX_MILLISECONDS else None


def convert_moments(values: list[dt.datetime]) -> list[int] | None:
    """Return milliseconds since the epoch, if all datetimes have a time zone."""
    if None in {value.tzinfo for value in values}:
        return None
    passed = [value - EPOCH for value in values]
    # A division by a millisecond would take twice as long.
    return [
        (delta.days * _DAY_SECONDS + delta.seconds) * 1000 + delta.microseconds // 1000 for delta in passed
    ]
