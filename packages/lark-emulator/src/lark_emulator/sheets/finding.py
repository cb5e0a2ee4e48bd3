"""`/sheets/v3/…/sheets/:sheet_id/find` and `replace`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from lark_emulator import codes
from lark_emulator.drive.access import EDIT, VIEW
from lark_emulator.routing import Call, Route
from lark_emulator.sheets import ranges
from lark_emulator.sheets.cells import Cells
from lark_emulator.sheets.filters import display_text
from lark_emulator.sheets.opened import OpenSpreadsheet, open_spreadsheet, read_body, require_part
from lark_emulator.sheets.pace import Pace
from lark_emulator.world.grid import Formula, Rich

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from lark_emulator.routing import Slices
    from lark_emulator.world.sheets import Worksheet

MAX_CELLS = 5000


class Search(NamedTuple):
    """A search and what it has found: cells by their places, and those whose formula it is."""

    file: OpenSpreadsheet
    sheet: Worksheet
    pattern: re.Pattern[str]
    whole: bool
    values: list[tuple[int, int]]
    formulas: list[tuple[int, int]]

    def to_dict(self) -> dict[str, Any]:
        """Return it as the answer of Lark."""
        return {
            "matched_cells": [ranges.format_cell(*place) for place in self.values],
            "matched_formula_cells": [ranges.format_cell(*place) for place in self.formulas],
            "rows_count": len({row for row, _ in (*self.values, *self.formulas)}),
        }


def _search(call: Call, body: dict[str, Any], need: str) -> Generator[None, None, Search]:
    file = open_spreadsheet(call, need)
    sheet = file.require_sheet(call.params["sheet_id"])
    condition = require_part(call, body, "find_condition")
    at = ranges.parse(file, condition.get("range"), sheet)
    if not at.starts_inside or not at.inside:
        raise file.make_refusal(codes.SHEET_RANGE, "beyond the grid")
    wanted = body.get("find")
    if not isinstance(wanted, str) or not wanted:
        raise file.make_refusal(codes.SHEET_BODY, "find")
    ignores = bool(condition.get("match_case")) == (call.settings.match_case == "ignores")
    try:
        source = wanted if condition.get("search_by_regex") else re.escape(wanted)
        pattern = re.compile(source, re.IGNORECASE if ignores else 0)
    except re.error:
        raise file.make_refusal(codes.SHEET_PARAM, "not a regular expression") from None
    search = Search(file, sheet, pattern, bool(condition.get("match_entire_cell")), [], [])
    pace = Pace()
    for row, grid_row in enumerate(sheet.grid.look_at(at.where.row, at.where.end_row), at.where.row):
        values = [] if grid_row is None else grid_row.values[at.where.column : at.where.end_column]
        for column, value in enumerate(values, at.where.column):
            if isinstance(value, Formula):
                if condition.get("include_formulas") and _is_hit(search, value.text):
                    search.formulas.append((row, column))
            elif value is not None and _is_hit(search, display_text(file, sheet, row, column, value)):
                search.values.append((row, column))
        if pace.count_cells(len(values)):
            yield
    if len(search.values) + len(search.formulas) > MAX_CELLS:
        raise file.make_refusal(codes.SHEET_CELLS_EXCEEDED)
    return search


def _is_hit(search: Search, text: str) -> bool:
    match = search.pattern.fullmatch(text) if search.whole else search.pattern.search(text)
    return match is not None


def find(call: Call) -> Slices:
    """Answer `POST …/find`."""
    search = yield from _search(call, read_body(call), VIEW)
    return {"find_result": search.to_dict()}


def replace(call: Call) -> Slices:
    """Answer `POST …/replace`: texts and formulas are replaced, numbers by the value of the new text."""
    body = read_body(call)
    replacement = body.get("replacement")
    search = yield from _search(call, body, EDIT)
    if not isinstance(replacement, str):
        raise search.file.make_refusal(codes.SHEET_BODY, "replacement")
    try:
        changed = list(
            _plan_replacement(search, replacement, regex=bool(body["find_condition"].get("search_by_regex")))
        )
    except re.error:
        raise search.file.make_refusal(codes.SHEET_PARAM, "replacement") from None
    for row, column, cell in changed:
        search.sheet.grid.put(row, column, [cell], rich=isinstance(cell, (Formula, Rich)))
    if changed:
        search.file.record_write()
    return {"replace_result": search.to_dict()}


def _plan_replacement(search: Search, replacement: str, *, regex: bool) -> Iterator[tuple[int, int, Any]]:
    """Yield what the cells become; none is written before all are known to fit."""
    new = replacement if regex else replacement.replace("\\", r"\\")
    grid, cells = search.sheet.grid, Cells(search.file, search.file.call.body)
    for row, column in search.values:
        old = grid.get_value(row, column)
        text = search.pattern.sub(new, display_text(search.file, search.sheet, row, column, old))
        yield row, column, _parse_value(text) if isinstance(old, (int, float)) else cells.convert_cell(text)
    for row, column in search.formulas:
        yield row, column, Formula(search.pattern.sub(new, grid.get_value(row, column).text))


def _parse_value(text: str) -> Any:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text or None


_PATH = "/open-apis/sheets/v3/spreadsheets/:spreadsheet_token/sheets/:sheet_id"

ROUTES = (
    Route(
        "POST",
        f"{_PATH}/find",
        find,
        unconfirmed=("what `match_case` does (settable, `match_case`); numbers are found as they are shown",),
    ),
    Route("POST", f"{_PATH}/replace", replace, unconfirmed=("a replaced number becomes a number again",)),
)
