"""Numbers in cells that were dates before: a value that is written keeps the format that its cell had."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lark_provider.api.clouddoc.sheets.addressing import Range
from lark_provider.api.clouddoc.sheets.tables.place import AS_DATES
from lark_provider.api.clouddoc.sheets.tables.source import parse_style
from lark_provider.api.clouddoc.sheets.tables.writer import TableWriter
from lark_provider.protocol.operations import Procedure

_LOOKED = 200
"""Rows that are looked at, at the top and at the end of a table."""
GENERAL = ""
"""Lark's formatter of cells that have none."""


def reset(writer: TableWriter, first: int, last: int) -> Procedure[None]:
    """Note that columns get the general format, where numbers would be shown as dates.

    Other formats are left alone, since people give numbers the format that they like.

    Args:
        writer: Has written the values, and not set any format yet.
        first: The first row of the table below its header.
        last: Its last row.
    """
    place, columns = writer.place, set[int]()
    for top, end in _iterate_windows(first, last):
        plain = yield from place.read(writer.lease, top, end)
        shown = yield from place.read(writer.lease, top, end, AS_DATES)
        for row, (cells, texts) in enumerate(zip(plain, shown, strict=True), top):
            dated = set(map(place.get_column, _list_dated(cells, texts))) - columns
            columns |= {column for column in dated if not _is_ours(writer, row, column)}
    ranges = [Range(first, column, last, column) for column in sorted(columns)]
    if ranges:
        # First, since those that are set later win.
        writer.formats = {GENERAL: ranges, **writer.formats}


def _iterate_windows(first: int, last: int) -> Iterator[tuple[int, int]]:
    """Yield the first and the last row of what is looked at."""
    if last - first < 2 * _LOOKED:
        if first <= last:
            yield first, last
    else:
        yield first, first + _LOOKED - 1
        yield last - _LOOKED + 1, last


def _list_dated(cells: Sequence[Any], texts: Sequence[Any]) -> list[int]:
    """Return the places of numbers that are shown as dates, from 0.

    Args:
        cells: A row, as it is read without dates.
        texts: The same row, as it is read with dates as text.
    """
    return [
        at
        for at, (cell, text) in enumerate(zip(cells, texts, strict=True))
        if _is_number(cell) and isinstance(text, str)
    ]


def _is_number(cell: Any) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def _is_ours(writer: TableWriter, row: int, column: int) -> bool:
    """Return whether this write gives a cell its formatter."""
    return any(
        area.first_row <= row <= (area.last_row or row) and area.first_column == column
        for text, ranges in writer.formats.items()
        if "formatter" in parse_style(text)
        for area in ranges
    )
