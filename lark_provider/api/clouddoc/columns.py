"""A whole column of cells at once, where all its values are of one type.

A question that is asked once for a column costs nothing; asked of each of a million cells it takes longer
than sending them. A function here gives what `cells` would make of each value, or None where each has to be
asked.
"""

from __future__ import annotations

import datetime as dt
import math

from lark_provider.api.clouddoc.cells import EPOCH, EXACT_INT, MAX_CELL_CHARS, MILLISECOND


def numbers(values: list[int]) -> list[int] | None:
    """Numbers as they are, if a double keeps them all."""
    return values if max(map(abs, values)) <= EXACT_INT else None


def floats(values: list[float]) -> list[float] | None:
    """Numbers as they are, if they are all finite."""
    return values if all(map(math.isfinite, values)) else None


def texts(values: list[str]) -> list[str] | None:
    """Texts as they are, if all together are no longer than one may be."""
    if sum(map(len, values)) > MAX_CELL_CHARS:
        return None
    try:
        "".join(values).encode()
    except UnicodeEncodeError:
        return None
    return values


def options(values: list[str]) -> list[str] | None:
    """Names of options as they are, if none is empty."""
    return texts(values) if all(values) else None


def moments(values: list[dt.datetime]) -> list[int] | None:
    """Milliseconds since the epoch, if all datetimes have a time zone."""
    if None in {value.tzinfo for value in values}:
        return None
    return [(value - EPOCH) // MILLISECOND for value in values]
