"""Convert many rows at once, column by column: in a large table, the cells of a column are of few types.

A column of one type is checked and converted by a few calls for all of its cells. A column for which that is
not possible is converted cell by cell, which gives the same result and names a cell that does not fit.
"""

from __future__ import annotations

import datetime as dt
import enum
import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from types import NoneType
from typing import Any, NamedTuple, TypeAlias

from lark_provider.api.clouddoc.cells import EXACT_INT, MisfitError
from lark_provider.api.clouddoc.sheets.runs import Runs
from lark_provider.api.clouddoc.sheets.serials import EPOCH_DAY, encode_moments
from lark_provider.api.clouddoc.sheets.values import (
    DATE,
    DATETIME,
    ERROR,
    MAX_CHARS,
    TEXT,
    EncodedCell,
    encode_row,
    is_typed,
    make_ragged_error,
    to_cell,
)

BLOCK = 500
"""How many rows are converted at once."""
Formats: TypeAlias = str | list[str | None] | None
"""What the cells of a column need: one formatter for all, one for each, or none."""
_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\r")
_SAFE_DIGITS = 15
"""A decimal number of up to this many digits has the same digits after conversion to a double and back."""
_BREAK = "\0"
"""The separator between texts that are searched at once; no cell may contain it."""
_TYPED_FIRST = re.compile(_BREAK + r"[-=+(.,$¥€£\d\stTfF]")
"""Matches the beginning of each text that a sheet might convert."""
_FORMULA_FIRST = _BREAK + "="
_ERROR_FIRST = _BREAK + "#"
_ERROR_ALONE = re.compile(_BREAK + ERROR + f"(?:{_BREAK}|$)")


class CellKind(enum.Enum):
    """The kinds of values that the cells of a column may have, apart from empty ones."""

    PLAIN = enum.auto()
    """Text and integers."""
    NUMBER = enum.auto()
    """Numbers, some of them doubles."""
    OTHER = enum.auto()
    """Anything."""


class ConvertedColumn(NamedTuple):
    """A converted column.

    Attributes:
        cells: The cells, as Lark takes them.
        formats: The formatters that the cells need: one for all, one for each, or None.
        kind: What kind of values the cells may be, apart from empty.
    """

    cells: Sequence[Any]
    formats: Formats = None
    kind: CellKind = CellKind.PLAIN


class Block(NamedTuple):
    """Converted rows.

    Attributes:
        rows: The cells as Lark takes them.
        formats: The formatters that each column needs.
    """

    rows: list[tuple[Any, ...]]
    formats: list[Formats]

    def add_to(self, runs: Runs, number: int) -> None:
        """Add the formats of the block to the runs.

        Args:
            runs: The `Runs` that gather the formats.
            number: The number of the block's first row in the sheet, from 1.
        """
        runs.add_block(number, len(self.rows), self.formats, self.rows)


def iterate_blocks(rows: Iterable[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    """Cut rows into blocks."""
    source = iter(rows)
    while block := list(itertools.islice(source, BLOCK)):
        yield block


def encode_block(
    rows: Sequence[Sequence[Any]], number: int, first_column: int = 1, zone: dt.tzinfo | None = None
) -> Block:
    """Convert rows of the same length.

    Args:
        rows: The rows, at least one.
        number: The number of the first row in the sheet, for errors.
        first_column: The column of the first value, for errors.
        zone: The zone to which aware datetimes are converted.

    Raises:
        InvalidRequestError: A row has another length, or a value does not fit; the text names row or cell.
    """
    width = len(rows[0])
    if set(map(len, rows)) != {width}:
        raise next(
            make_ragged_error(width, len(row), at) for at, row in enumerate(rows, number) if len(row) != width
        )
    try:
        columns = [encode_column(values, zone) for values in zip(*rows, strict=True)]
    except MisfitError:
        for at, row in enumerate(rows, number):
            encode_row(row, at, first_column, zone)  # names the first cell that does not fit
        raise
    return Block(
        list(zip(*(column.cells for column in columns), strict=True)), [column.formats for column in columns]
    )


def encode_column(values: tuple[Any, ...], zone: dt.tzinfo | None = None) -> ConvertedColumn:
    """Convert some cells of a column.

    Args:
        values: The values of the cells, from the top.
        zone: The zone to which aware datetimes are converted.

    Raises:
        MisfitError: A value does not fit; the text does not say which.
    """
    kinds = set(map(type, values))
    if NoneType not in kinds:
        return _convert_present(values, kinds, zone)
    kinds.discard(NoneType)
    if not kinds:
        return ConvertedColumn([""] * len(values))
    converted = _convert_present(tuple(value for value in values if value is not None), kinds, zone)
    wire = iter(converted.cells)
    cells = ["" if value is None else next(wire) for value in values]
    formats = converted.formats
    if isinstance(formats, list):
        places = iter(formats)
        formats = [None if value is None else next(places) for value in values]
    return ConvertedColumn(cells, formats, converted.kind)


def _convert_present(values: tuple[Any, ...], kinds: set[type], zone: dt.tzinfo | None) -> ConvertedColumn:
    if len(kinds) == 1:
        fast = _FAST.get(next(iter(kinds)))
        converted = fast(values) if fast is not None else None
    else:
        converted = _convert_numbers(values) if kinds == {int, float} else None
    if converted is not None:
        return converted
    encoded: list[EncodedCell] = [to_cell(value, zone) for value in values]
    formats = [formatter for _, formatter in encoded]
    return ConvertedColumn(
        [cell for cell, _ in encoded], formats if len(set(formats)) > 1 else formats[0], CellKind.OTHER
    )


def _convert_texts(values: tuple[str, ...]) -> ConvertedColumn | None:
    joined = _BREAK.join(("", *values))
    try:
        data = joined.encode()
    except UnicodeEncodeError:
        return None
    if len(joined) > MAX_CHARS or len(data.translate(None, _CONTROLS)) < len(data) - len(values):
        return None
    if _ERROR_FIRST in joined and _ERROR_ALONE.search(joined) is not None:
        return None
    if _TYPED_FIRST.search(joined) is None:
        return ConvertedColumn(values)
    if "".join(values).isdecimal():
        return ConvertedColumn(values, TEXT)
    if _FORMULA_FIRST in joined:
        return None
    return ConvertedColumn(values, TEXT if any(map(is_typed, values)) else None)


def _convert_numbers(values: tuple[Any, ...]) -> ConvertedColumn | None:
    # min and max may miss a NaN among other numbers. A sum would find it, but may be too large for a float if
    # there are integers.
    is_exact = _are_small(values) and all(map(math.isfinite, values))
    return ConvertedColumn(values, None, CellKind.NUMBER) if is_exact else None


def _convert_integers(values: tuple[int, ...]) -> ConvertedColumn | None:
    return ConvertedColumn(values) if _are_small(values) else None


def _are_small(values: Sequence[Any]) -> bool:
    """Return whether no integer among them is too large for a double."""
    return bool(min(values) >= -EXACT_INT and max(values) <= EXACT_INT)


def _convert_floats(values: tuple[float, ...]) -> ConvertedColumn | None:
    # If a number is not finite, the sum is not either. The sum of finite numbers may overflow, so they are
    # checked one by one then.
    is_finite = math.isfinite(sum(values)) or all(map(math.isfinite, values))
    return ConvertedColumn(values, None, CellKind.NUMBER) if is_finite else None


def _convert_decimals(values: tuple[Decimal, ...]) -> ConvertedColumn | None:
    # Longer numbers and those with exponents are checked one by one.
    texts = list(map(str, values))
    joined = "".join(texts)
    if max(map(len, texts)) > _SAFE_DIGITS or any(
        letter in joined for letter in "ENn"
    ):  # E of an exponent; N and n of NaN and Infinity
        return None
    return ConvertedColumn(list(map(float, texts)), None, CellKind.NUMBER)


def _convert_dates(values: tuple[dt.date, ...]) -> ConvertedColumn | None:
    days = [value - EPOCH_DAY for value in map(dt.date.toordinal, values)]
    return ConvertedColumn(days, DATE) if min(days) >= 0 else None


def _convert_datetimes(values: tuple[dt.datetime, ...]) -> ConvertedColumn | None:
    try:
        days = encode_moments(values)
    except TypeError:  # one is aware
        return None
    return ConvertedColumn(days, DATETIME, CellKind.NUMBER) if min(days) >= 0 else None


_FAST: dict[type, Callable[[tuple[Any, ...]], ConvertedColumn | None]] = {
    str: _convert_texts,
    int: _convert_integers,
    float: _convert_floats,
    bool: lambda values: ConvertedColumn(values, None, CellKind.OTHER),
    Decimal: _convert_decimals,
    dt.date: _convert_dates,
    dt.datetime: _convert_datetimes,
}
