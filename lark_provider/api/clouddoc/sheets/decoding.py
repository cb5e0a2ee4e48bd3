"""Convert cells from Lark's answers to Python values.

Lark has no endpoint for formats. A range is read with dates as serial numbers and, if it has numbers, a
second time with dates as text. A cell that is a number in the first answer and a text in the second is a
date; the text shows whether it has a date, a time or both.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import NoneType
from typing import Any

from lark_provider.api.clouddoc.sheets.kinds import Link, Mention, is_person_id
from lark_provider.api.clouddoc.sheets.serials import decode_serial

SERIALS: Mapping[str, str] = {"valueRenderOption": "UnformattedValue"}
"""Query parameters for computed values, with dates as serial numbers."""
DATED: Mapping[str, str] = {**SERIALS, "dateTimeRenderOption": "FormattedString"}
"""Query parameters for computed values, with dates as text in the format of their cells."""
SHOWN: Mapping[str, str] = {"valueRenderOption": "FormattedValue", "dateTimeRenderOption": "FormattedString"}
"""Query parameters for text as people see it."""
_PLAIN = frozenset({str, int, float, bool, NoneType})
_CLOCK = re.compile(r"\d\s*[:时時點点]\s*\d")
_CALENDAR = re.compile(r"\d\s*[-/年月]\s*\d|\d+\.\d+\.\d|\d\s*[月年日]|[A-Za-z]{3,}")


def has_numbers(rows: Sequence[Sequence[Any]]) -> bool:
    """Return whether some cell is a number, which may be a date."""
    return any(type(cell) in (int, float) for row in rows for cell in row)


def decode(cell: Any, shown: Any = None) -> Any:
    """Return the Python value of a cell.

    Args:
        cell: The cell as Lark returns it for `SERIALS`.
        shown: The same cell as Lark returns it for `DATED`.

    Returns:
        None, text, a number, a boolean, a date, a datetime, a time, a `Link`, a `Mention`; anything else,
        such as an image, as Lark returned it.
    """
    if cell is None or cell == "":
        return None
    if isinstance(cell, list):
        return _decode_segments(cell)
    if type(cell) in (int, float) and isinstance(shown, str):
        return _to_date(cell, shown)
    return cell


def decode_rows(rows: Sequence[Sequence[Any]], shown: Sequence[Sequence[Any]] | None) -> list[list[Any]]:
    """Return the Python values of rows.

    Args:
        rows: The rows as Lark returns them for `SERIALS`.
        shown: The same rows as Lark returns them for `DATED`; None if there are no numbers.
    """
    beside = itertools.repeat(()) if shown is None else itertools.chain(shown, itertools.repeat(()))
    return [
        _decode_row(row, other, has_dates=shown is not None) for row, other in zip(rows, beside, strict=False)
    ]


def _decode_row(row: Sequence[Any], shown: Sequence[Any], *, has_dates: bool) -> list[Any]:
    # Most rows hold only text and numbers, so that their cells need not be checked one by one.
    if _PLAIN.issuperset(map(type, row)) and (not has_dates or row == shown):
        return [None if cell == "" else cell for cell in row] if "" in row else list(row)
    others = shown[: len(row)] if has_dates else row
    return [
        # A cell that is equal in both answers is not a date.
        (None if cell == "" else cell) if type(cell) in _PLAIN and cell == other else decode(cell, other)
        for cell, other in itertools.zip_longest(row, others)
    ]


@lru_cache(4096)  # the same days occur many times
def _to_date(days: float, shown: str) -> Any:
    has_clock, has_date = _CLOCK.search(shown), _CALENDAR.search(shown)
    if not (has_clock or has_date):
        return days  # the text is a number
    try:
        date_time = decode_serial(days)
    except OverflowError:
        return days
    if has_clock and not has_date and 0 <= days < 1:
        return date_time.time()
    is_midnight = date_time.time() == dt.time()
    return date_time.date() if is_midnight and not has_clock else date_time


def _decode_segments(cell: list[Any]) -> Any:
    """Return the Python value of a cell that consists of segments: rich text, links and people."""
    if not all(isinstance(segment, Mapping) for segment in cell):
        return cell
    if len(cell) == 1:
        (only,) = cell
        text = str(only.get("text") or "")
        if only.get("type") == "mention":
            ident = only.get("token") or text
            is_person = is_person_id(ident) and only.get("textType") != "fileToken"
            return Mention(ident) if is_person else text or cell
        link = only.get("link")
        if only.get("type") == "url" and isinstance(link, str):
            # Lark turns a bare URL or e-mail address into such a segment; it was written as text.
            return text if link in (text, f"mailto:{text}", f"http://{text}", "") else Link(text, link)
    if all(isinstance(segment.get("text"), str) for segment in cell) and any(
        segment["text"] for segment in cell
    ):
        return "".join(segment["text"] for segment in cell)
    return cell
