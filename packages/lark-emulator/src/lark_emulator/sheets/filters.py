"""`/sheets/v3/…/sheets/:sheet_id/filter`: the one filter of a worksheet, and which rows it hides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.drive.access import EDIT
from lark_emulator.routing import Call, Route
from lark_emulator.sheets import ranges
from lark_emulator.sheets.conditions import OF_FILTERS, check
from lark_emulator.sheets.formats import display
from lark_emulator.sheets.formulas import compute_result
from lark_emulator.sheets.opened import OpenSpreadsheet, open_spreadsheet, read_body, require_part
from lark_emulator.world.grid import Formula, Rich
from lark_emulator.world.sheets import Filter

if TYPE_CHECKING:
    from lark_emulator.world.sheets import Worksheet


def get(call: Call) -> dict[str, Any]:
    """Answer `GET`; nothing if there is no filter."""
    file = open_spreadsheet(call)
    sheet = file.require_sheet(call.params["sheet_id"])
    if sheet.filter is None:
        return {}
    return {
        "sheet_filter_info": {
            "range": ranges.format_range(sheet.sheet_id, sheet.filter.where),
            "filtered_out_rows": _list_hidden_rows(file, sheet, sheet.filter),
            "filter_infos": [
                {"col": ranges.format_column(column), "conditions": conditions}
                for column, conditions in sheet.filter.conditions.items()
            ],
        }
    }


def create(call: Call) -> dict[str, Any]:
    """Answer `POST`."""
    file = open_spreadsheet(call, EDIT)
    sheet = file.require_sheet(call.params["sheet_id"])
    if sheet.filter is not None and call.settings.filter_again == "refused":
        raise file.make_refusal(codes.SHEET_FILTER_EXISTS)
    body = read_body(call)
    at = ranges.parse(file, body.get("range"), sheet)
    if not at.starts_inside or not at.inside:
        raise file.make_refusal(codes.SHEET_RANGE, "beyond the grid")
    sheet_filter = Filter(at.where, {})
    _put(file, sheet_filter, body)
    sheet.filter = sheet_filter
    file.record_write()
    return {}


def update(call: Call) -> dict[str, Any]:
    """Answer `PUT`: the condition of one column."""
    file = open_spreadsheet(call, EDIT)
    sheet = file.require_sheet(call.params["sheet_id"])
    if sheet.filter is None:
        raise file.make_refusal(codes.SHEET_PARAM, "no filter")
    body = read_body(call)
    clears = require_part(call, body, "condition").get("filter_type") == "clear"
    column = read_column(body.get("col"))
    if column in sheet.filter.conditions and not clears:
        raise file.make_refusal(codes.SHEET_LIMIT, "the column has a condition")
    _put(file, sheet.filter, body)
    file.record_write()
    return {}


def delete(call: Call) -> dict[str, Any]:
    """Answer `DELETE`."""
    file = open_spreadsheet(call, EDIT)
    sheet = file.require_sheet(call.params["sheet_id"])
    if sheet.filter is None:
        raise file.make_refusal(codes.SHEET_PARAM, "no filter")
    sheet.filter = None
    file.record_write()
    return {}


def read_column(name: Any) -> int:
    """Return the number of a column that a request names, -1 for what is not a name."""
    if not isinstance(name, str) or not name.isascii() or not name.isalpha():
        return -1
    return ranges.parse_column(name)


def _put(file: OpenSpreadsheet, to: Filter, body: dict[str, Any]) -> None:
    name, condition = body.get("col"), require_part(file.call, body, "condition")
    column = read_column(name)
    if not to.where.column <= column < to.where.end_column:
        raise file.make_refusal(codes.SHEET_PARAM, "col is not in the range")
    if condition.get("filter_type") == "clear":
        to.conditions.pop(column, None)
        return
    to.conditions[column] = [check(file, condition, OF_FILTERS, codes.SHEET_FILTER_VALUE)]


def _list_hidden_rows(file: OpenSpreadsheet, sheet: Worksheet, filter_: Filter) -> list[int]:
    """Return the rows, from 1, that the conditions hide; the first row of the range is the header."""
    where = filter_.where
    hidden = []
    for row in range(where.row + 1, where.end_row):
        for column, conditions in filter_.conditions.items():
            if not all(_passes(file, sheet, row, column, condition) for condition in conditions):
                hidden.append(row + 1)
                break
    return hidden


def _passes(
    file: OpenSpreadsheet, sheet: Worksheet, row: int, column: int, condition: dict[str, Any]
) -> bool:
    kind, comparison, expected = (condition[name] for name in ("filter_type", "compare_type", "expected"))
    if kind == "color":
        return bool(file.book.get_style(sheet, row, column).get(comparison, "") == expected[0])
    value = sheet.grid.get_value(row, column)
    if isinstance(value, Formula):
        value = compute_result(sheet, value)
    if kind == "number":
        return isinstance(value, (int, float)) and _compare(
            value, comparison, [float(operand) for operand in expected]
        )
    text = display_text(file, sheet, row, column, value)
    return text in expected if kind == "multiValue" else _matches(text, comparison, expected[0])


def display_text(file: OpenSpreadsheet, sheet: Worksheet, row: int, column: int, value: Any) -> str:
    """Return a cell's value as the cell shows it."""
    if value is None:
        return ""
    if isinstance(value, Rich):
        return value.text
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, (int, float)):
        return display(value, file.book.get_style(sheet, row, column).get("formatter", ""))
    return str(value)


def _compare(value: float, comparison: str, bounds: list[float]) -> bool:
    first, last = bounds[0], bounds[-1]
    return {
        "equal": value == first,
        "notEqual": value != first,
        "greater": value > first,
        "greaterOrEqual": value >= first,
        "less": value < first,
        "lessOrEqual": value <= first,
        "between": first <= value <= last,
        "notBetween": not first <= value <= last,
    }[comparison]


def _matches(text: str, comparison: str, wanted: str) -> bool:
    negated = comparison.startswith("not")
    plain = comparison.removeprefix("not")
    plain = plain[:1].lower() + plain[1:]
    is_match = {
        "beginsWith": text.startswith(wanted),
        "endsWith": text.endswith(wanted),
        "contains": wanted in text,
        "equal": text == wanted,
    }[plain]
    return is_match != negated


_PATH = "/open-apis/sheets/v3/spreadsheets/:spreadsheet_token/sheets/:sheet_id/filter"

ROUTES = (
    Route("GET", _PATH, get, unconfirmed=("without a filter the answer is empty",)),
    Route("POST", _PATH, create, unconfirmed=("a second filter (settable, `filter_again`)",)),
    Route(
        "PUT",
        _PATH,
        update,
        unconfirmed=("a column that has a condition gets 1310226, unless it is cleared",),
    ),
    Route("DELETE", _PATH, delete, unconfirmed=("without a filter 1310251",)),
)
