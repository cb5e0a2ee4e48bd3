"""`dataValidation` of v2: dropdowns."""

from __future__ import annotations

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
from lark_emulator.world.sheets import Rule

if TYPE_CHECKING:
    from lark_emulator.sheets.ranges import Range
    from lark_emulator.world.grid import Rect
    from lark_emulator.world.sheets import Worksheet

MAX_OPTIONS = 500
MAX_OPTION_LENGTH = 100
MAX_RANGES = 100
MAX_CELLS = 5000


def create(call: Call) -> dict[str, Any]:
    """Answer `POST …/dataValidation`: in place of those that its cells had."""
    file = open_spreadsheet(call, EDIT)
    body = read_body(call)
    at = _read_range(file, body.get("range"))
    if body.get("dataValidationType") != "list":
        raise file.make_refusal(codes.SHEET_BODY, "dataValidationType")
    spec = _check(file, require_part(call, body, "dataValidation"))
    _cut_out(at.sheet, at.where)
    rule_id = str(int(call.world.make_id("", 8), 16))
    at.sheet.dropdowns[rule_id] = Rule(rule_id, [at.where], spec)
    file.record_write()
    return {}


def get(call: Call) -> dict[str, Any]:
    """Answer `GET …/dataValidation?range=&dataValidationType=list`."""
    file = open_spreadsheet(call)
    if call.query.get("dataValidationType") != "list":
        raise file.make_refusal(codes.SHEET_URL_PARAM, "dataValidationType")
    at = ranges.parse(file, call.query.get("range"))
    met = [rule for rule in at.sheet.dropdowns.values() if any(rect.meets(at.where) for rect in rule.where)]
    return {
        "spreadsheetToken": file.token,
        "sheetId": at.sheet.sheet_id,
        "revision": file.book.revision,
        "dataValidations": [_render(at.sheet, rule) for rule in met],
    }


def update(call: Call) -> dict[str, Any]:
    """Answer `PUT …/dataValidation/:sheetId/:dataValidationId`."""
    file = open_spreadsheet(call, EDIT)
    sheet = file.require_sheet(call.params["sheetId"])
    rule = sheet.dropdowns.get(call.params["dataValidationId"])
    if rule is None:
        raise file.make_refusal(codes.SHEET_PARAM, "dataValidationId")
    rule.spec = _check(file, require_part(call, read_body(call), "dataValidation"))
    file.record_write()
    return {"spreadsheetToken": file.token, "sheetId": sheet.sheet_id, "dataValidation": _render(sheet, rule)}


def delete(call: Call) -> dict[str, Any]:
    """Answer `DELETE …/dataValidation`, with a result for each range."""
    file = open_spreadsheet(call, EDIT)
    results = []
    for spec in require_parts(call, read_body(call), "dataValidationRanges", MAX_RANGES):
        result: dict[str, Any] = {
            "range": spec.get("range"),
            "msg": "success",
            "success": True,
            "updatedCells": 0,
        }
        try:
            at = _read_range(file, spec.get("range"))
        except RefusedError as refusal:
            result |= {"msg": refusal.msg, "success": False}
        else:
            result["updatedCells"] = _cut_out(at.sheet, at.where)
        results.append(result)
    if any(result["success"] for result in results):
        file.record_write()
    return {"rangeResults": results}


def _read_range(file: OpenSpreadsheet, text: Any) -> Range:
    at = ranges.to_write(file, text)
    if not at.starts_inside or not at.inside:
        raise file.make_refusal(codes.SHEET_RANGE, f"{text} is beyond the grid")
    if at.where.rows * at.where.columns > MAX_CELLS:
        raise file.make_refusal(codes.SHEET_CELLS_EXCEEDED, f"at most {MAX_CELLS} cells")
    return at


def _check(file: OpenSpreadsheet, spec: dict[str, Any]) -> dict[str, Any]:
    values = spec.get("conditionValues")
    if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
        raise file.make_refusal(codes.SHEET_BODY, "conditionValues")
    if len(values) > MAX_OPTIONS or any(len(value) > MAX_OPTION_LENGTH for value in values):
        raise file.make_refusal(codes.SHEET_LIMIT, "conditionValues")
    options = spec.get("options") or {}
    if any("," in value for value in values) or not isinstance(options, dict):
        raise file.make_refusal(codes.SHEET_BODY, "a comma in conditionValues, or options")
    return {"conditionValues": values, "options": options}


def _cut_out(sheet: Worksheet, where: Rect) -> int:
    """Take cells out of the dropdowns that they have, and return how many had one."""
    cells = 0
    for rule in list(sheet.dropdowns.values()):
        left: list[Rect] = []
        for rect in rule.where:
            if rect.meets(where):
                inner_row, inner_end = max(rect.row, where.row), min(rect.end_row, where.end_row)
                inner_column = max(rect.column, where.column)
                inner_end_column = min(rect.end_column, where.end_column)
                cells += (inner_end - inner_row) * (inner_end_column - inner_column)
                pieces = (
                    rect._replace(end_row=inner_row),
                    rect._replace(row=inner_end),
                    rect._replace(row=inner_row, end_row=inner_end, end_column=inner_column),
                    rect._replace(row=inner_row, end_row=inner_end, column=inner_end_column),
                )
                left += [piece for piece in pieces if piece.rows > 0 and piece.columns > 0]
            else:
                left.append(rect)
        rule.where = left
        if not left:
            del sheet.dropdowns[rule.rule_id]
    return cells


def _render(sheet: Worksheet, rule: Rule) -> dict[str, Any]:
    return {
        "dataValidationId": int(rule.rule_id),
        "dataValidationType": "list",
        "conditionValues": rule.spec["conditionValues"],
        "options": rule.spec["options"],
        "ranges": [ranges.format_range(sheet.sheet_id, rect) for rect in rule.where],
    }


_PATH = "/open-apis/sheets/v2/spreadsheets/:spreadsheetToken/dataValidation"

ROUTES = (
    Route("GET", _PATH, get),
    Route("POST", _PATH, create, unconfirmed=("cells that have a dropdown already get the new one",)),
    Route("PUT", f"{_PATH}/:sheetId/:dataValidationId", update),
    Route("DELETE", _PATH, delete, unconfirmed=("the names in `rangeResults`",)),
)
