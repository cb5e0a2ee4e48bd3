"""Format a table once its values are written: formats, header, widths, frozen rows and filter."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lark_provider.api.clouddoc.sheets.addressing import Range, format_column, parse_range
from lark_provider.api.clouddoc.sheets.tables import conditional
from lark_provider.api.clouddoc.sheets.tables.layout import TableLayout
from lark_provider.api.clouddoc.sheets.tables.modes import Extent
from lark_provider.api.clouddoc.sheets.tables.options import Freeze, TableOptions
from lark_provider.api.clouddoc.sheets.tables.place import V2, V3
from lark_provider.api.clouddoc.sheets.tables.source import parse_style
from lark_provider.api.clouddoc.sheets.tables.writer import TableWriter
from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.errors import LarkAPIError, NotFoundError, OutcomeUnknownError
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.paths import Path, fill_path

logger = logging.getLogger(__name__)

_STYLED_ROWS, _STYLED_COLUMNS, _STYLED_RANGES = 2000, 100, 50
"""The most rows and columns of a styled range, and ranges of a request."""
_CHAR, _PADDING, _NARROWEST, _WIDEST = 8, 24, 60, 400
"""Widths in pixels."""


def apply(
    writer: TableWriter,
    layout: TableLayout,
    options: TableOptions,
    extent: Extent,
    widths: Sequence[int],
    order: Sequence[int],
    *,
    is_begun: bool,
) -> Procedure[None]:
    """Format a table that was written.

    See PUT /open-apis/sheets/v2/spreadsheets/:token/styles_batch_update, PUT …/dimension_range and POST
    …/sheets_batch_update.

    Args:
        writer: The writer that has written the table.
        layout: The columns of the table.
        options: The options of the table, which say how it looks.
        extent: The rows of the worksheet that the table has.
        widths: How many characters each column has, in the order of the layout.
        order: The place in the layout of each column of the worksheet.
        is_begun: Whether this write has made the header.
    """
    entries = [(parse_style(text), ranges) for text, ranges in writer.formats.items()]
    if options.header and options.header_style and is_begun:
        entries.append((dict(options.header_style), _list_blocks(writer, extent.first)))
    for data in _iterate_requests(writer.place.sheet_id, entries):
        url = fill_path(V2 + "/styles_batch_update", token=writer.place.token)
        yield from writer.lease.send(make_request("PUT", url, json={"data": data}, idempotent=True))
    yield from _set_widths(writer, layout, options, widths, order, is_begun=is_begun)
    if options.freeze is not None:
        yield from _freeze(writer, options.freeze)
    if options.filter:
        yield from _set_filter(writer, extent)
    rules = conditional.make_rules(options.conditional_formats, layout)
    yield from conditional.apply(writer, rules, extent, extent.first + options.header, order)


def _list_blocks(writer: TableWriter, row: int) -> list[Range]:
    place = writer.place
    return [
        Range(row, left, row, left + end - first - 1)
        for (first, end), left in zip(place.blocks, place.lefts, strict=True)
    ]


def _iterate_requests(
    sheet_id: str, entries: Sequence[tuple[Mapping[str, Any], Sequence[Range]]]
) -> Iterator[list[dict[str, Any]]]:
    """Yield the entries of each request, a few ranges in each."""
    data: list[dict[str, Any]] = []
    space = _STYLED_RANGES
    for style, ranges in entries:
        left = [part.on(sheet_id) for area in ranges for part in iterate_pieces(area)]
        while left:
            data.append({"ranges": left[:space], "style": dict(style)})
            left, space = left[space:], space - len(left[:space])
            if space == 0:
                yield data
                data, space = [], _STYLED_RANGES
    if data:
        yield data


def iterate_pieces(whole: Range) -> Iterator[Range]:
    """Split a range into parts that Lark styles at once.

    Args:
        whole: A closed range.
    """
    assert whole.last_row is not None  # noqa: S101 - it is closed
    assert whole.last_column is not None  # noqa: S101 - it is closed
    for row in range(whole.first_row, whole.last_row + 1, _STYLED_ROWS):
        for column in range(whole.first_column, whole.last_column + 1, _STYLED_COLUMNS):
            last_row = min(whole.last_row, row + _STYLED_ROWS - 1)
            yield Range(row, column, last_row, min(whole.last_column, column + _STYLED_COLUMNS - 1))


def _set_widths(
    writer: TableWriter,
    layout: TableLayout,
    options: TableOptions,
    widths: Sequence[int],
    order: Sequence[int],
    *,
    is_begun: bool,
) -> Procedure[None]:
    place, setting = writer.place, options.widths
    pixels: dict[int, int] = {}
    if setting == "content":
        if is_begun:
            wanted = [min(max(_CHAR * widths[index] + _PADDING, _NARROWEST), _WIDEST) for index in order]
            pixels = {place.get_column(column): size for column, size in enumerate(wanted)}
    elif setting is not None:
        for name, width in setting.items():
            column = list(order).index(layout.find_place(name, "widths"))
            pixels[place.get_column(column)] = width
    runs: list[list[int]] = []
    for column in sorted(pixels):
        if runs and runs[-1][1] == column - 1 and pixels[runs[-1][0]] == pixels[column]:
            runs[-1][1] = column
        else:
            runs.append([column, column])
    for first, last in runs:
        body = {
            "dimension": {
                "sheetId": place.sheet_id,
                "majorDimension": "COLUMNS",
                "startIndex": first,
                "endIndex": last,
            },
            "dimensionProperties": {"fixedSize": pixels[first]},
        }
        url = fill_path(V2 + "/dimension_range", token=place.token)
        yield from writer.lease.send(make_request("PUT", url, json=body, idempotent=True))


def _freeze(writer: TableWriter, freeze: Freeze) -> Procedure[None]:
    place = writer.place
    yield from place.refresh(writer.lease)
    rows, columns = freeze
    if place.frozen == (rows, place.frozen[1] if columns is None else columns):
        return
    properties = {"sheetId": place.sheet_id, "frozenRowCount": rows}
    if columns is not None:
        properties["frozenColCount"] = columns
    body = {"requests": [{"updateSheet": {"properties": properties}}]}
    url = fill_path(V2 + "/sheets_batch_update", token=place.token)
    yield from writer.lease.send(make_request("POST", url, json=body, idempotent=True))


def _set_filter(writer: TableWriter, extent: Extent) -> Procedure[None]:
    """Set the filter of the worksheet, unless these columns have one, or a person has set another."""
    place = writer.place
    wanted = place.get_range(extent.first, extent.last)
    sheet_filter = yield from _read_filter(writer)
    if area := _get_area(sheet_filter):
        if area == wanted:
            return
        if sheet_filter.get("filter_infos") or (area.first, area.last_column) != (
            wanted.first,
            wanted.last_column,
        ):
            # It has conditions that a person has set, or it is for something else.
            logger.warning(
                "The worksheet has another filter, which is left as it is",
                extra={"filter": sheet_filter["range"], "wanted": wanted.a1},
            )
            return
        yield from _change_filter(writer, make_request("DELETE", _fill_filter_path(writer)), None)
    body = {
        "range": wanted.on(place.sheet_id),
        "col": format_column(wanted.first_column),
        "condition": {"filter_type": "clear"},
    }
    call: Call[Any] = make_request("POST", _fill_filter_path(writer), json=body, idempotent=True)
    yield from _change_filter(writer, call, wanted)


def _change_filter(writer: TableWriter, call: Call[Any], result: Range | None) -> Procedure[None]:
    """Make or remove the filter; if that is refused or its answer lost, see whether it is done already."""
    try:
        yield from writer.lease.send(call)
    except (LarkAPIError, OutcomeUnknownError):
        if _get_area((yield from _read_filter(writer))) != result:
            raise


def _read_filter(writer: TableWriter) -> Procedure[Mapping[str, Any]]:
    yield from writer.lease.keep()
    call: Call[Any] = make_request("GET", _fill_filter_path(writer))
    try:
        return (yield from perform(call)).data.get("sheet_filter_info") or {}
    except NotFoundError:
        return {}


def _fill_filter_path(writer: TableWriter) -> Path:
    place = writer.place
    return fill_path(V3 + "/sheets/{sheet_id}/filter", token=place.token, sheet_id=place.sheet_id)


def _get_area(sheet_filter: Mapping[str, Any]) -> Range | None:
    text = sheet_filter.get("range")
    return parse_range(text.rpartition("!")[2]) if text else None
