"""Convert many rows at once, a column after the other: a large table has few types in each.

A column of one type is checked and converted by few calls for all of its cells. What does not pass is
converted cell by cell, which finds the same, and names the cell that does not fit.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from operator import itemgetter
from types import NoneType
from typing import Any, NamedTuple, TypeAlias

from lark_provider.api.clouddoc.cells import EXACT_INT, MisfitError
from lark_provider.api.clouddoc.sheets.serials import DAY, EPOCH, EPOCH_DAY
from lark_provider.api.clouddoc.sheets.values import (
    DATE,
    DATETIME,
    MAX_CHARS,
    TEXT,
    Encoded,
    Runs,
    encode_row,
    is_typed,
    ragged,
    to_cell,
)

BLOCK = 500
"""Rows that are converted at once."""
Formats: TypeAlias = str | list[str | None] | None
"""What the cells of a column need: one formatter for all, one for each, or none."""
Column: TypeAlias = tuple[Sequence[Any], Formats]
_FIRST = itemgetter(slice(0, 1))
_SAFE_DIGITS = 15
"""Any decimal number of so many digits is kept by a double."""
_TYPED_FIRST = frozenset("=+-(.,$¥€£0123456789tTfF \t\n\r\f\v")


class Block(NamedTuple):
    """Converted rows.

    Attributes:
        rows: The cells as Lark takes them.
        formats: What each column needs.
    """

    rows: list[tuple[Any, ...]]
    formats: list[Formats]

    def add_to(self, runs: Runs, number: int) -> None:
        """Gather the formats.

        Args:
            runs: What gathers them.
            number: Of the first row.
        """
        runs.add_block(number, len(self.rows), self.formats, self.rows)


def blocks(rows: Iterable[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    """Cut rows into blocks."""
    source = iter(rows)
    while block := list(itertools.islice(source, BLOCK)):
        yield block


def encode_block(
    rows: Sequence[Sequence[Any]], number: int, first_column: int = 1, zone: dt.tzinfo | None = None
) -> Block:
    """Convert rows of the same length.

    Args:
        rows: The rows, one at least.
        number: Of the first row in the sheet, for errors.
        first_column: The column of the first value, for errors.
        zone: The zone to which aware datetimes are converted.

    Raises:
        InvalidRequestError: A row has another length, or a value does not fit; the text names row or cell.
    """
    width = len(rows[0])
    if set(map(len, rows)) != {width}:
        raise next(ragged(width, len(row), at) for at, row in enumerate(rows, number) if len(row) != width)
    try:
        columns = [_column(values, zone) for values in zip(*rows, strict=True)]
    except MisfitError:
        for at, row in enumerate(rows, number):
            encode_row(row, at, first_column, zone)  # names the first cell that does not fit
        raise
    return Block(list(zip(*(wire for wire, _ in columns), strict=True)), [formats for _, formats in columns])


def _column(values: tuple[Any, ...], zone: dt.tzinfo | None) -> Column:
    kinds = set(map(type, values))
    if NoneType not in kinds:
        return _present(values, kinds, zone)
    kinds.discard(NoneType)
    if not kinds:
        return [""] * len(values), None
    present = tuple(value for value in values if value is not None)
    found, formats = _present(present, kinds, zone)
    wire, places = iter(found), iter(formats) if isinstance(formats, list) else None
    cells = ["" if value is None else next(wire) for value in values]
    if places is None:
        return cells, formats
    return cells, [None if value is None else next(places) for value in values]


def _present(values: tuple[Any, ...], kinds: set[type], zone: dt.tzinfo | None) -> Column:
    if len(kinds) == 1:
        fast = _FAST.get(next(iter(kinds)))
        found = fast(values) if fast is not None else None
    else:
        found = _numbers(values) if kinds == {int, float} else None
    if found is not None:
        return found
    encoded: list[Encoded] = [to_cell(value, zone) for value in values]
    return [cell for cell, _ in encoded], [formatter for _, formatter in encoded]


def _texts(values: tuple[str, ...]) -> Column | None:
    joined = "".join(values)
    if not joined.isprintable() or len(joined) > MAX_CHARS:
        return None
    firsts = set(map(_FIRST, values))
    if firsts.isdisjoint(_TYPED_FIRST) and joined.isascii():
        return values, None
    if joined.isdecimal():
        return values, TEXT
    if "=" in firsts:
        return None
    return values, TEXT if any(map(is_typed, values)) else None


def _numbers(values: tuple[Any, ...]) -> Column | None:
    if not math.isfinite(sum(values)):
        return None
    is_exact = min(values) >= -EXACT_INT and max(values) <= EXACT_INT
    return (values, None) if is_exact else None


def _floats(values: tuple[float, ...]) -> Column | None:
    return (values, None) if math.isfinite(sum(values)) else None


def _decimals(values: tuple[Decimal, ...]) -> Column | None:
    # Longer ones and exponents are looked at one by one.
    if not all(map(Decimal.is_finite, values)) or max(map(len, map(str, values))) > _SAFE_DIGITS:
        return None
    found = list(map(float, values))
    is_exact = math.isfinite(sum(found)) and min(found) >= -EXACT_INT and max(found) <= EXACT_INT
    return (found, None) if is_exact else None


def _dates(values: tuple[dt.date, ...]) -> Column | None:
    days = [value - EPOCH_DAY for value in map(dt.date.toordinal, values)]
    return (days, DATE) if min(days) >= 0 else None


def _datetimes(values: tuple[dt.datetime, ...]) -> Column | None:
    try:
        days = [(value - EPOCH) / DAY for value in values]
    except TypeError:  # one is aware
        return None
    return (days, DATETIME) if min(days) >= 0 else None


_FAST: dict[type, Callable[[tuple[Any, ...]], Column | None]] = {
    str: _texts,
    int: _numbers,
    float: _floats,
    bool: lambda values: (values, None),
    Decimal: _decimals,
    dt.date: _dates,
    dt.datetime: _datetimes,
}
