"""Write a workbook of Excel (XLSX), row by row."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from lark_provider.files.formats import FileError, import_openpyxl
from lark_provider.support.text import format_decimal

MAX_ROWS, MAX_COLUMNS, MAX_CHARS = 1_048_576, 16_384, 32_767
"""The limits of a worksheet, and of a cell, which Excel counts in UTF-16."""
_EXACT_DIGITS = 15
"""Excel loses digits of a number that has more than this, so such a number is written as text."""
_FIRST_DAY = dt.date(1900, 3, 1)
"""Excel treats 1900 as a leap year, so earlier days are off by one."""
_NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPE = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
"""Matches the underscore of what a workbook takes for an escaped character, such as _x0041_ for A."""


class WorkbookResult(NamedTuple):
    """What was written.

    Attributes:
        rows: How many rows, without the header.
        cut: The place of the first text that was cut to the limit of a cell, such as
            `row 3, column 'note'`; empty if no text was cut.
    """

    rows: int
    cut: str


def write_workbook(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> WorkbookResult:
    """Write rows with a header into a workbook; text stays text, even if it begins with `=`.

    Memory does not grow with the rows. Control characters, single surrogates, U+FFFE and U+FFFF, which a
    workbook cannot hold, become U+FFFD. Moments are cut to the millisecond; rounded up, they may belong to
    the next day.

    Args:
        path: The file.
        columns: The names of the columns, in order.
        rows: The rows, each a mapping of values by column; a value for which Excel has no type becomes text.

    Returns:
        How many rows were written, and whether a text was cut.

    Raises:
        FileError: openpyxl is not installed, or there are more rows or columns than a worksheet takes.
    """
    library = import_openpyxl()
    if len(columns) > MAX_COLUMNS:
        raise FileError(
            f"A worksheet of Excel must have at most {MAX_COLUMNS:,} columns, got {len(columns):,}. "
            "Next: select fewer, or use CSV."
        )
    book = library.Workbook(write_only=True)
    sheet = book.create_sheet("Sheet1")
    sheet.freeze_panes = "A2"
    bold = library.styles.Font(bold=True)

    def make_cell(value: Any, font: Any = None) -> Any:
        sheet_cell = library.cell.WriteOnlyCell(sheet)
        if isinstance(value, str):
            value = _ESCAPE.sub("_x005F_", value)
            # Not set through `value`, since openpyxl would take a text that begins with = for a formula.
            sheet_cell._value, sheet_cell.data_type = value, "s"  # noqa: SLF001 - openpyxl has no public way to do this
        else:
            sheet_cell.value = value
        if font is not None:
            sheet_cell.font = font
        return sheet_cell

    def fill() -> WorkbookResult:
        count, cut = 0, ""
        sheet.append([make_cell(_cut(_convert_value(name)), bold) for name in columns])
        for row in rows:
            if count + 1 == MAX_ROWS:
                raise FileError(
                    f"A worksheet of Excel must have at most {MAX_ROWS:,} rows, its header included. "
                    "Next: narrow the query, or use CSV."
                )
            values = [_convert_value(row.get(name)) for name in columns]
            held = [_cut(value) for value in values]
            sheet.append([make_cell(value) for value in held])
            count += 1
            long = (
                name for name, value, part in zip(columns, values, held, strict=True) if part is not value
            )
            cut = cut or next((f"row {count:,}, column {name!r}" for name in long), "")
        return WorkbookResult(count, cut)

    try:
        done = fill()
        book.save(path)
    except BaseException:
        sheet.close()  # ends the writer of its temporary file
        raise
    return done


def _cut(value: Any) -> Any:
    """Return what of a value a cell can hold: the value itself unless it is a text that is too long."""
    if not isinstance(value, str) or len(value) <= MAX_CHARS // 2:
        return value
    encoded = value.encode("utf-16-le")
    if len(encoded) <= 2 * MAX_CHARS:
        return value
    return encoded[: 2 * MAX_CHARS].decode("utf-16-le", "ignore")  # no half of a character at the end


def _convert_value(value: Any) -> Any:
    """Return a value as a cell of Excel can hold it without loss; a text may still be too long for a cell."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, dt.time | dt.datetime):
        value = value.replace(microsecond=value.microsecond // 1000 * 1000)
    if isinstance(value, int | float | Decimal):
        text = str(value)
        is_exact = len(text.strip("-").replace(".", "")) <= _EXACT_DIGITS or isinstance(value, float)
        if is_exact and math.isfinite(value):
            return value
        return format_decimal(value) if isinstance(value, Decimal) else text
    if isinstance(value, dt.time):
        return value if value.tzinfo is None else value.isoformat()
    if isinstance(value, dt.datetime):
        return value if value.tzinfo is None and value.date() >= _FIRST_DAY else value.isoformat(" ")
    if isinstance(value, dt.date):
        return value if value >= _FIRST_DAY else value.isoformat()
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", str(value))
