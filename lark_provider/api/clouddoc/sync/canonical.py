"""The canonical form of cells, in which source and table are compared.

Lark reads a cell in another shape than it is written in, and one value has several spellings: a list of
options in any order, a checkbox that was never set, a number as int or float. Here both sides become the same
JSON value, None for an empty cell. A whole column is converted at once, since there may be millions of cells.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

from lark_provider.api.clouddoc import field_types as types
from lark_provider.api.clouddoc.dates import EPOCH, MILLISECOND
from lark_provider.api.clouddoc.reading import read

Cells: TypeAlias = "Sequence[Any]"

EXACT: Final = ""
DAY: Final = "d"
"""A date that the source gives as a calendar day: any moment of that day is equal."""
ADDRESS: Final = "l"
"""A URL that the source gives as text: only the link is compared, since people may have changed its title."""
NAMED: Final = "n"
"""Attachments that the source gives with name and size, by which they are compared."""

_DAYS_CACHED = 4096
_INTS = {int, type(None)}


def of_table(field_type: int, mode: str, cells: Cells, zone: dt.tzinfo) -> Cells:
    """Return the canonical form of cells as search and batch_get return them.

    Args:
        field_type: Lark's number for the field's type.
        mode: How the source gives the value: `EXACT`, `DAY`, `ADDRESS` or `NAMED`.
        cells: One field of several records, None where it is empty.
        zone: The base's time zone, for calendar days.
    """
    try:
        return _convert_column(_READ, field_type, mode, cells, zone)
    except (AttributeError, KeyError, TypeError, ValueError):
        # A cell of an undocumented shape is taken to differ from any value, so that it is written.
        return [_convert_cell(field_type, mode, cell, zone) for cell in cells]


def of_source(field_type: int, mode: str, cells: Cells, zone: dt.tzinfo) -> Cells:
    """Return the canonical form of cells in the shape in which they are written.

    Args:
        field_type: Lark's number for the field's type.
        mode: How the source gives the value: `EXACT`, `DAY`, `ADDRESS` or `NAMED`.
        cells: What `Converter.convert_all_to_wire` returned, None where the cell is to be empty.
        zone: The base's time zone, for calendar days.
    """
    return _convert_column(_WRITTEN, field_type, mode, cells, zone)


def _convert_column(
    kinds: Mapping[int, Callable[[Cells], Cells]], field_type: int, mode: str, cells: Cells, zone: dt.tzinfo
) -> Cells:
    if mode == DAY:
        return [None if cell is None else compute_midnight(int(cell), zone) for cell in cells]
    if mode in _MODES:
        return [_MODES[mode](cell) for cell in cells]
    return kinds.get(field_type, _convert_others)(cells)


def _convert_cell(field_type: int, mode: str, cell: Any, zone: dt.tzinfo) -> Any:
    try:
        return _convert_column(_READ, field_type, mode, [cell], zone)[0]
    except (AttributeError, KeyError, TypeError, ValueError):
        return {"unreadable": cell}


@lru_cache(_DAYS_CACHED)
def compute_midnight(milliseconds: int, zone: dt.tzinfo) -> int:
    """Return the start of the calendar day of a moment.

    Args:
        milliseconds: The moment, in milliseconds since the epoch.
        zone: The time zone in which the day begins.
    """
    try:
        moment = (EPOCH + dt.timedelta(milliseconds=milliseconds)).astimezone(zone)
    except OverflowError:
        return milliseconds  # beyond Python's calendar
    start = dt.datetime(moment.year, moment.month, moment.day, tzinfo=zone)
    return (start - EPOCH) // MILLISECOND


def read_text(cell: Any) -> str | None:
    """Return the text of a cell of text as it was read, None if it is empty."""
    return read(types.TEXT, cell, None) or None


def _convert_text(cell: Any) -> str | None:
    if cell is None:
        return None
    if type(cell) is list and len(cell) == 1 and "text" in cell[0]:
        return cell[0]["text"] or None
    return read_text(cell)


def _convert_texts(cells: Cells) -> Cells:
    # Nearly all cells have one part; `read_text` joins what people wrote with mentions and links.
    try:
        texts = [part["text"] for (part,) in cells]
    except (KeyError, TypeError, ValueError):
        return [_convert_text(cell) for cell in cells]
    return _null_empty(texts)


def _null_empty(cells: Cells) -> Cells:
    return cells if all(cells) else [cell or None for cell in cells]


def _convert_numbers(cells: Cells) -> Cells:
    if None in cells:
        return [None if cell is None else float(cell) for cell in cells]
    return list(map(float, cells))


def _convert_moments(cells: Cells) -> Cells:
    kinds = set(map(type, cells))
    return cells if kinds <= _INTS else [None if cell is None else int(cell) for cell in cells]


def _convert_sets(cells: Cells) -> Cells:
    return [(sorted(set(cell)) if len(cell) > 1 else cell) if cell else None for cell in cells]


def _compare_by(member: str) -> Callable[[Cells], Cells]:
    """Return a function for lists of dicts, which are compared by one member."""

    def convert(cells: Cells) -> Cells:
        return [sorted({part[member] for part in _as_list(cell)}) if cell else None for cell in cells]

    return convert


def _as_list(cell: Any) -> Iterable[Mapping[str, Any]]:
    return [cell] if isinstance(cell, Mapping) else cell


def _convert_links(cells: Cells) -> Cells:
    return _convert_sets(
        [cell.get("link_record_ids") if isinstance(cell, Mapping) else cell for cell in cells]
    )


def _convert_urls(cells: Cells) -> Cells:
    return [[cell.get("text") or cell["link"], cell["link"]] if cell else None for cell in cells]


def _convert_address(cell: Any) -> Any:
    return cell["link"] if cell else None


def _convert_locations(cells: Cells) -> Cells:
    return [_convert_location(cell) for cell in cells]


def _convert_location(cell: Any) -> list[float] | None:
    place = cell.get("location") if isinstance(cell, Mapping) else cell
    return [float(part) for part in place.split(",")] if place else None


def _convert_attachments(cell: Any) -> Any:
    if not cell:
        return None
    return sorted([str(attachment.get("name")), int(attachment.get("size") or 0)] for attachment in cell)


def _convert_others(cells: Cells) -> Cells:
    return [None if cell in ("", [], {}) else cell for cell in cells]


_MODES: dict[str, Callable[[Any], Any]] = {ADDRESS: _convert_address, NAMED: _convert_attachments}
_BOTH: dict[int, Callable[[Cells], Cells]] = {
    types.NUMBER: _convert_numbers,
    types.SINGLE_SELECT: _null_empty,
    types.MULTI_SELECT: _convert_sets,
    types.DATE: _convert_moments,
    types.CHECKBOX: _null_empty,
    types.PERSON: _compare_by("id"),
    types.PHONE: _null_empty,
    types.URL: _convert_urls,
    types.ATTACHMENT: _compare_by("file_token"),
    types.LINK: _convert_links,
    types.DUPLEX_LINK: _convert_links,
    types.LOCATION: _convert_locations,
    types.GROUP: _compare_by("id"),
}
_READ: dict[int, Callable[[Cells], Cells]] = {**_BOTH, types.TEXT: _convert_texts}
_WRITTEN: dict[int, Callable[[Cells], Cells]] = {**_BOTH, types.TEXT: _null_empty}
