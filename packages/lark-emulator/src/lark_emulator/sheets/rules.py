"""`condition_formats` of v2: conditional formats, with a result for each."""

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
    from collections.abc import Callable

    from lark_emulator.world.grid import Rect
    from lark_emulator.world.sheets import Worksheet

MAX_AT_ONCE = 10
MAX_PER_SHEET = 20
_CELL_IS = (
    *("equal", "notEqual", "greaterThan", "greaterThanOrEqual", "lessThan", "lessThanOrEqual"),
    *("between", "notBetween"),
)
_CONTAINS = ("contains", "notContains", "is", "beginsWith", "endsWith")
_PERIODS = ("yesterday", "today", "tomorrow", "last7Days")
_WITHOUT_ATTRS = ("containsBlanks", "notContainsBlanks", "duplicateValues", "uniqueValues")


def create(call: Call) -> dict[str, Any]:
    """Answer `POST …/condition_formats/batch_create`."""
    return _perform_each(call, _create)


def update(call: Call) -> dict[str, Any]:
    """Answer `POST …/condition_formats/batch_update`."""
    return _perform_each(call, _update)


def delete(call: Call) -> dict[str, Any]:
    """Answer `DELETE …/condition_formats/batch_delete`."""
    return _perform_each(call, _delete, "sheet_cf_ids")


def list_rules(call: Call) -> dict[str, Any]:
    """Answer `GET …/condition_formats?sheet_ids=`."""
    file = open_spreadsheet(call)
    sheets = [file.require_sheet(sheet_id) for sheet_id in call.query.get("sheet_ids", "").split(",")]
    shown = [
        {
            "sheet_id": sheet.sheet_id,
            "condition_format": {
                "cf_id": rule.rule_id,
                "ranges": [ranges.format_range(sheet.sheet_id, rect) for rect in rule.where],
                **rule.spec,
            },
        }
        for sheet in sheets
        for rule in sheet.formats.values()
    ]
    return {"sheet_condition_formats": shown}


def _perform_each(
    call: Call,
    perform: Callable[[OpenSpreadsheet, Worksheet, dict[str, Any]], str],
    name: str = "sheet_condition_formats",
) -> dict[str, Any]:
    file = open_spreadsheet(call, EDIT)
    responses, changed = [], False
    for spec in require_parts(call, read_body(call), name, MAX_AT_ONCE):
        code, msg, rule_id = 0, "success", ""
        try:
            rule_id = perform(file, file.require_sheet(spec.get("sheet_id")), spec)
            changed = True
        except RefusedError as refusal:
            code, msg = refusal.code.number, refusal.msg
        result = {"sheet_id": spec.get("sheet_id", ""), "cf_id": rule_id, "res_code": code, "res_msg": msg}
        responses.append(result)
    if changed:
        file.record_write()
    return {"responses": responses}


def _create(file: OpenSpreadsheet, sheet: Worksheet, spec: dict[str, Any]) -> str:
    if len(sheet.formats) >= MAX_PER_SHEET:
        raise file.make_refusal(codes.SHEET_LIMIT, f"at most {MAX_PER_SHEET} in a worksheet")
    where, rest = _check(file, sheet, require_part(file.call, spec, "condition_format"))
    rule_id = file.call.world.make_id("", 10)
    sheet.formats[rule_id] = Rule(rule_id, where, rest)
    return rule_id


def _update(file: OpenSpreadsheet, sheet: Worksheet, spec: dict[str, Any]) -> str:
    format_spec = require_part(file.call, spec, "condition_format")
    rule = _find_rule(file, sheet, format_spec.get("cf_id"))
    rule.where, rule.spec = _check(file, sheet, format_spec)
    return rule.rule_id


def _delete(file: OpenSpreadsheet, sheet: Worksheet, spec: dict[str, Any]) -> str:
    rule = _find_rule(file, sheet, spec.get("cf_id"))
    del sheet.formats[rule.rule_id]
    return rule.rule_id


def _find_rule(file: OpenSpreadsheet, sheet: Worksheet, rule_id: Any) -> Rule:
    rule = sheet.formats.get(rule_id) if isinstance(rule_id, str) else None
    if rule is None:
        raise file.make_refusal(codes.SHEET_CONDITIONAL_FORMAT, "cf_id")
    return rule


def _check(
    file: OpenSpreadsheet, sheet: Worksheet, spec: dict[str, Any]
) -> tuple[list[Rect], dict[str, Any]]:
    """Return the ranges of a conditional format, and the rest of it.

    Raises:
        RefusedError: 90202 (a range), 90230 (anything else).
    """
    texts = spec.get("ranges")
    if not isinstance(texts, list) or not texts:
        raise file.make_refusal(codes.SHEET_CONDITIONAL_FORMAT, "ranges")
    where = []
    for text in texts:
        at = ranges.parse(file, text, sheet)
        if not at.starts_inside or not at.inside:
            raise file.make_refusal(codes.SHEET_RANGE, f"{text} is beyond the grid")
        where.append(at.where)
    kind, attrs, style = spec.get("rule_type"), spec.get("attrs") or [], spec.get("style")
    if not isinstance(attrs, list) or not isinstance(style, dict) or not _fits(kind, attrs):
        raise file.make_refusal(codes.SHEET_CONDITIONAL_FORMAT, "rule_type, attrs or style")
    return where, {"rule_type": kind, "attrs": attrs, "style": style}


def _fits(kind: Any, attrs: list[Any]) -> bool:
    if kind in _WITHOUT_ATTRS:
        return not attrs
    if len(attrs) != 1 or not isinstance(attrs[0], dict):
        return False
    operator = attrs[0].get("operator")
    if kind == "cellIs":
        formula = attrs[0].get("formula")
        wanted = 2 if operator in ("between", "notBetween") else 1
        if not isinstance(formula, list) or not all(isinstance(operand, str) for operand in formula):
            return False
        return operator in _CELL_IS and len(formula) == wanted
    if kind == "containsText":
        return operator in _CONTAINS and isinstance(attrs[0].get("text"), str)
    return kind == "timePeriod" and operator == "is" and attrs[0].get("time_period") in _PERIODS


_PATH = "/open-apis/sheets/v2/spreadsheets/:spreadsheet_token/condition_formats"
_WORDS = "the names of operators, and of `time_period`; colours and fonts are kept as given"

ROUTES = (
    Route("GET", _PATH, list_rules),
    Route("POST", f"{_PATH}/batch_create", create, unconfirmed=(_WORDS,)),
    Route("POST", f"{_PATH}/batch_update", update, unconfirmed=(_WORDS,)),
    Route("DELETE", f"{_PATH}/batch_delete", delete),
)
