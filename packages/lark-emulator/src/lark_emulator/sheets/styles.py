"""`style`, `styles_batch_update`, `merge_cells` and `unmerge_cells` of v2."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.drive.access import EDIT
from lark_emulator.routing import Call, Route
from lark_emulator.sheets import ranges
from lark_emulator.sheets.opened import (
    OpenSpreadsheet,
    open_spreadsheet,
    read_body,
    require_part,
    require_parts,
)
from lark_emulator.sheets.writing import describe_update
from lark_emulator.world.grid import Rect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lark_emulator.sheets.ranges import Range

MAX_BORDERED = 30_000
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_FONT_SIZE = re.compile(r"(\d+)pt(?:/\d+(?:\.\d+)?)?")
_SIZES = range(9, 37)
_BORDERS = (
    *("FULL_BORDER", "OUTER_BORDER", "INNER_BORDER", "NO_BORDER"),
    *("LEFT_BORDER", "RIGHT_BORDER", "TOP_BORDER", "BOTTOM_BORDER"),
)


def _is_color(value: Any) -> bool:
    return isinstance(value, str) and (not value or _COLOR.fullmatch(value) is not None)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _make_choice_check(*choices: Any) -> Callable[[Any], bool]:
    return lambda value: not isinstance(value, bool) and value in choices


def _is_font_size(value: Any) -> bool:
    match = _FONT_SIZE.fullmatch(value) if isinstance(value, str) else None
    return match is not None and int(match[1]) in _SIZES


_STYLE: dict[str, Callable[[Any], bool]] = {
    "textDecoration": _make_choice_check(0, 1, 2, 3),
    "formatter": lambda value: isinstance(value, str),
    "hAlign": _make_choice_check(0, 1, 2),
    "vAlign": _make_choice_check(0, 1, 2),
    "foreColor": _is_color,
    "backColor": _is_color,
    "borderType": _make_choice_check(*_BORDERS),
    "borderColor": _is_color,
    "clean": _is_flag,
}
_FONT: dict[str, Callable[[Any], bool]] = {
    "bold": _is_flag,
    "italic": _is_flag,
    "fontSize": _is_font_size,
    "clean": _is_flag,
}


def check(file: OpenSpreadsheet, style: dict[str, Any]) -> dict[str, Any]:
    """Return a style without members that are null.

    Raises:
        RefusedError: 90204: a member that is unknown, or has a wrong value.
    """
    cell_style = {name: value for name, value in style.items() if value is not None}
    font = cell_style.pop("font", None)
    if font is not None and not isinstance(font, dict):
        raise file.make_refusal(codes.SHEET_BODY, "font")
    font = {name: value for name, value in (font or {}).items() if value is not None}
    for source, known in ((cell_style, _STYLE), (font, _FONT)):
        for name, value in source.items():
            if name not in known or not known[name](value):
                raise file.make_refusal(codes.SHEET_BODY, f"{name} of a style")
    return cell_style | ({"font": font} if font else {})


def overlay(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Return a style after another one was put on it."""
    if new.get("clean"):
        return {}
    style = {**old, **new}
    style.pop("clean", None)
    if "font" in new:
        font = {} if new["font"].get("clean") else {**old.get("font", {}), **new["font"]}
        font.pop("clean", None)
        style["font"] = font
        if not font:
            del style["font"]
    if style.get("borderType") == "NO_BORDER":
        del style["borderType"]
        style.pop("borderColor", None)
    return {name: value for name, value in style.items() if value != "" or name == "formatter"}


def _read_range(file: OpenSpreadsheet, text: Any, style: dict[str, Any]) -> Range:
    at = ranges.in_grid(file, text, most_rows=file.call.settings.max_style_rows)
    if (
        style.get("borderType", "NO_BORDER") != "NO_BORDER"
        and at.where.rows * at.where.columns > MAX_BORDERED
    ):
        raise file.make_refusal(codes.SHEET_CELLS_EXCEEDED, "cells with borders")
    return at


def _apply(file: OpenSpreadsheet, at: Range, style: dict[str, Any]) -> dict[str, Any]:
    book = file.book
    known: dict[int, int] = {}

    def change(number: int) -> int:
        new_number = known.get(number)
        if new_number is None:
            new_number = known[number] = book.ensure_style(overlay(book.styles[number], style))
        return new_number

    at.sheet.grid.restyle(at.where, change)
    return describe_update(file, at.sheet, at.where)


def put(call: Call) -> dict[str, Any]:
    """Answer `PUT …/style`."""
    file = open_spreadsheet(call, EDIT)
    spec = require_part(call, read_body(call), "appendStyle")
    style = check(file, require_part(call, spec, "style"))
    done = _apply(file, _read_range(file, spec.get("range"), style), style)
    return {"updates": {"revision": file.record_write(), **done}}


def batch_update(call: Call) -> dict[str, Any]:
    """Answer `PUT …/styles_batch_update`: of two styles for a cell the later one wins."""
    file = open_spreadsheet(call, EDIT)
    planned = _plan(file, require_parts(call, read_body(call), "data"))
    responses: list[dict[str, Any]] = []
    if call.settings.style_batches == "whole":
        responses = [_apply(file, at, style) for at, style in list(planned)]
    else:
        try:
            for at, style in planned:
                responses.append(_apply(file, at, style))
        except RefusedError:
            if responses:
                file.record_write()
            raise
    totals = {
        f"totalUpdated{name}": sum(response[f"updated{name}"] for response in responses)
        for name in ("Rows", "Columns", "Cells")
    }
    return {
        "spreadsheetToken": file.token,
        "revision": file.record_write(),
        **totals,
        "responses": responses,
    }


def _plan(file: OpenSpreadsheet, specs: list[dict[str, Any]]) -> Iterator[tuple[Range, dict[str, Any]]]:
    """Yield each range with its style.

    Raises:
        RefusedError: as `check` and `_read_range` do, at the one that is wrong.
    """
    for spec in specs:
        style = check(file, require_part(file.call, spec, "style"))
        texts = spec.get("ranges")
        texts = [texts] if isinstance(texts, str) else texts
        if not isinstance(texts, list) or not texts:
            raise file.make_refusal(codes.SHEET_BODY, "ranges")
        for text in texts:
            yield _read_range(file, text, style), style


def merge(call: Call) -> dict[str, Any]:
    """Answer `POST …/merge_cells`."""
    file = open_spreadsheet(call, EDIT)
    body = read_body(call)
    at = ranges.in_grid(file, body.get("range"))
    where, kind = at.where, body.get("mergeType")
    if kind == "MERGE_ROWS":
        new_merges = [where._replace(row=n, end_row=n + 1) for n in range(where.row, where.end_row)]
    elif kind == "MERGE_COLUMNS":
        new_merges = [
            where._replace(column=n, end_column=n + 1) for n in range(where.column, where.end_column)
        ]
    elif kind == "MERGE_ALL":
        new_merges = [where]
    else:
        raise file.make_refusal(codes.SHEET_BODY, "mergeType")
    old_merges = [rect for rect in at.sheet.merges if rect.meets(where)]
    if old_merges and call.settings.remerge == "refused" and old_merges != new_merges:
        raise file.make_refusal(codes.SHEET_RANGE, "some of it is merged already")
    at.sheet.merges = [rect for rect in at.sheet.merges if rect not in old_merges]
    at.sheet.merges += [rect for rect in new_merges if rect.rows * rect.columns > 1]
    for rect in new_merges:
        _empty_covered(at.sheet.grid.rows, rect)
    file.record_write()
    return {"spreadsheetToken": file.token}


def _empty_covered(rows: list[Any], rect: Rect) -> None:
    for number in range(rect.row, min(rect.end_row, len(rows))):
        if rows[number] is not None:
            start = rect.column + (number == rect.row)
            values = rows[number].values
            stop = min(rect.end_column, len(values))
            values[start:stop] = [None] * max(0, stop - start)


def unmerge(call: Call) -> dict[str, Any]:
    """Answer `POST …/unmerge_cells`: all merged cells that the range meets."""
    file = open_spreadsheet(call, EDIT)
    at = ranges.in_grid(file, read_body(call).get("range"))
    at.sheet.merges = [rect for rect in at.sheet.merges if not rect.meets(at.where)]
    file.record_write()
    return {"spreadsheetToken": file.token}


_PATH = "/open-apis/sheets/v2/spreadsheets/:spreadsheet_token"
_STYLES = (
    "the rows of one range (settable, `max_style_rows`); a larger range gets 90202; edges of borders are "
    "kept as given, not by cell"
)

ROUTES = (
    Route("PUT", f"{_PATH}/style", put, unconfirmed=(_STYLES,)),
    Route(
        "PUT",
        f"{_PATH}/styles_batch_update",
        batch_update,
        unconfirmed=(_STYLES, "whether a refused range undoes the others (settable, `style_batches`)"),
    ),
    Route(
        "POST",
        f"{_PATH}/merge_cells",
        merge,
        unconfirmed=("cells that are merged already (settable, `remerge`); what is covered is emptied",),
    ),
    Route("POST", f"{_PATH}/unmerge_cells", unmerge),
)
