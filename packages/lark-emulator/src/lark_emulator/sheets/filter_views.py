"""`/sheets/v3/…/filter_views`: filters with names, several in a worksheet, and their conditions."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.drive.access import EDIT, VIEW
from lark_emulator.routing import Call, Route
from lark_emulator.sheets import ranges
from lark_emulator.sheets.conditions import OF_VIEWS, check
from lark_emulator.sheets.filters import read_column
from lark_emulator.sheets.locked import check_unlocked
from lark_emulator.sheets.opened import OpenSpreadsheet, open_spreadsheet, read_body
from lark_emulator.world.sheets import Filter, FilterView

if TYPE_CHECKING:
    from lark_emulator.world.grid import Rect
    from lark_emulator.world.sheets import Worksheet

MAX_VIEWS = 150
MAX_NAME_LENGTH = 100
ID = re.compile("[0-9A-Za-z]{10}")
#: The number that a second filter of a worksheet gets: for conditions of views the page calls it so.
_WRONG = codes.SHEET_FILTER_EXISTS._replace(msg="wrong filter value")


def create(call: Call) -> dict[str, Any]:
    """Answer `POST …/filter_views`."""
    file = open_spreadsheet(call, EDIT)
    sheet = file.require_sheet(call.params["sheet_id"])
    body = read_body(call)
    view_id = body.get("filter_view_id") or call.world.make_id("", 10)
    if not isinstance(view_id, str) or not ID.fullmatch(view_id):
        raise file.make_refusal(codes.SHEET_VIEW_ID, "10 digits and letters")
    if view_id in sheet.views:
        raise file.make_refusal(codes.SHEET_VIEW_EXISTS, view_id)
    if len(sheet.views) >= MAX_VIEWS:
        raise file.make_refusal(codes.SHEET_VIEW_LIMIT, f"at most {MAX_VIEWS}")
    name = _check_name(file, sheet, body.get("filter_view_name") or _make_name(sheet))
    view = FilterView(view_id, name, Filter(_read_range(file, sheet, body.get("range")), {}))
    sheet.views[view_id] = view
    file.record_write()
    return {"filter_view": _render(sheet, view)}


def query(call: Call) -> dict[str, Any]:
    """Answer `GET …/filter_views/query`."""
    sheet = open_spreadsheet(call).require_sheet(call.params["sheet_id"])
    return {"items": [_render(sheet, view) for view in sheet.views.values()]}


def get(call: Call) -> dict[str, Any]:
    """Answer `GET …/filter_views/:filter_view_id`."""
    _, sheet, view = _find_view(call)
    return {"filter_view": _render(sheet, view)}


def patch(call: Call) -> dict[str, Any]:
    """Answer `PATCH …/filter_views/:filter_view_id`: its name or its range; conditions beyond that go."""
    file, sheet, view = _find_view(call, EDIT)
    body = read_body(call)
    new_name, new_filter = view.name, view.filter
    if body.get("filter_view_name") is not None and body["filter_view_name"] != view.name:
        new_name = _check_name(file, sheet, body["filter_view_name"])
    if body.get("range") is not None:
        where = _read_range(file, sheet, body["range"])
        kept = {
            n: conditions
            for n, conditions in view.filter.conditions.items()
            if where.column <= n < where.end_column
        }
        new_filter = Filter(where, kept)
    if (new_name, new_filter) == (view.name, view.filter):
        raise file.make_refusal(codes.SHEET_UNCHANGED)
    sheet.views[view.view_id] = replace(view, name=new_name, filter=new_filter)
    file.record_write()
    return {"filter_view": _render(sheet, sheet.views[view.view_id])}


def delete(call: Call) -> dict[str, Any]:
    """Answer `DELETE …/filter_views/:filter_view_id`."""
    file, sheet, view = _find_view(call, EDIT)
    del sheet.views[view.view_id]
    file.record_write()
    return {}


def create_condition(call: Call) -> dict[str, Any]:
    """Answer `POST …/conditions`; `condition_id` is the letter of the column."""
    file, sheet, view = _find_view(call, EDIT)
    body = read_body(call)
    column = _require_column(file, view, body.get("condition_id"))
    if column in view.filter.conditions:
        raise file.make_refusal(codes.SHEET_LIMIT, "the column has a condition")
    return _put(file, sheet, view, column, body)


def update_condition(call: Call) -> dict[str, Any]:
    """Answer `PUT …/conditions/:condition_id`."""
    file, sheet, view = _find_view(call, EDIT)
    column, _ = _require_condition(file, view)
    return _put(file, sheet, view, column, read_body(call))


def query_conditions(call: Call) -> dict[str, Any]:
    """Answer `GET …/conditions/query`."""
    _, _, view = _find_view(call)
    conditions = sorted(view.filter.conditions.items())
    return {"items": [_render_condition(column, condition) for column, (condition,) in conditions]}


def get_condition(call: Call) -> dict[str, Any]:
    """Answer `GET …/conditions/:condition_id`."""
    file, _, view = _find_view(call)
    return {"condition": _render_condition(*_require_condition(file, view))}


def delete_condition(call: Call) -> dict[str, Any]:
    """Answer `DELETE …/conditions/:condition_id`."""
    file, _, view = _find_view(call, EDIT)
    column, _ = _require_condition(file, view)
    del view.filter.conditions[column]
    file.record_write()
    return {}


def _find_view(call: Call, need: str = VIEW) -> tuple[OpenSpreadsheet, Worksheet, FilterView]:
    file = open_spreadsheet(call, need)
    sheet = file.require_sheet(call.params["sheet_id"])
    view = sheet.views.get(call.params["filter_view_id"])
    if view is None:
        raise file.make_refusal(codes.SHEET_VIEW_ID)
    return file, sheet, view


def _make_name(sheet: Worksheet) -> str:
    names = {view.name for view in sheet.views.values()}
    return next(name for n in range(1, MAX_VIEWS + 1) if (name := f"筛选视图 {n}") not in names)


def _check_name(file: OpenSpreadsheet, sheet: Worksheet, name: Any) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_LENGTH:
        raise file.make_refusal(codes.SHEET_VIEW_NAME, f"1 to {MAX_NAME_LENGTH} characters")
    if any(view.name == name for view in sheet.views.values()):
        raise file.make_refusal(codes.SHEET_VIEW_NAME_EXISTS, name)
    return name


def _read_range(file: OpenSpreadsheet, sheet: Worksheet, text: Any) -> Rect:
    at = ranges.parse(file, text, sheet)
    if not at.starts_inside or not at.inside:
        raise file.make_refusal(codes.SHEET_RANGE, "beyond the grid")
    check_unlocked(file, sheet, at.where)
    return at.where


def _require_column(file: OpenSpreadsheet, view: FilterView, name: Any) -> int:
    column = read_column(name)
    if not view.filter.where.column <= column < view.filter.where.end_column:
        raise file.make_refusal(codes.SHEET_DIMENSION, "condition_id is no column of the view")
    return column


def _require_condition(file: OpenSpreadsheet, view: FilterView) -> tuple[int, dict[str, Any]]:
    column = _require_column(file, view, file.call.params["condition_id"])
    conditions = view.filter.conditions.get(column)
    if conditions is None:
        raise file.make_refusal(codes.SHEET_DIMENSION, "the column has no condition")
    return column, conditions[0]


def _put(
    file: OpenSpreadsheet, sheet: Worksheet, view: FilterView, column: int, spec: dict[str, Any]
) -> dict[str, Any]:
    condition = check(file, spec, OF_VIEWS, _WRONG)
    check_unlocked(file, sheet, view.filter.where)
    view.filter.conditions[column] = [condition]
    file.record_write()
    return {"condition": _render_condition(column, condition)}


def _render_condition(column: int, condition: dict[str, Any]) -> dict[str, Any]:
    return {"condition_id": ranges.format_column(column), **condition}


def _render(sheet: Worksheet, view: FilterView) -> dict[str, Any]:
    return {
        "filter_view_id": view.view_id,
        "filter_view_name": view.name,
        "range": ranges.format_range(sheet.sheet_id, view.filter.where),
    }


_PATH = "/open-apis/sheets/v3/spreadsheets/:spreadsheet_token/sheets/:sheet_id/filter_views"
_ONE = f"{_PATH}/:filter_view_id"
_CONDITION = f"{_ONE}/conditions/:condition_id"
_NONE = "a column without a condition gets 1310223"

ROUTES = (
    Route("POST", _PATH, create, unconfirmed=("the name of a view that was given none",)),
    Route("GET", f"{_PATH}/query", query),
    Route("GET", _ONE, get),
    Route(
        "PATCH",
        _ONE,
        patch,
        unconfirmed=("conditions of columns beyond a new range go; nothing new gets 1310216",),
    ),
    Route("DELETE", _ONE, delete),
    Route(
        "POST", f"{_ONE}/conditions", create_condition, unconfirmed=("a column that has one gets 1310226",)
    ),
    Route("GET", f"{_ONE}/conditions/query", query_conditions),
    Route("GET", _CONDITION, get_condition, unconfirmed=(_NONE,)),
    Route("PUT", _CONDITION, update_condition, unconfirmed=(_NONE,)),
    Route("DELETE", _CONDITION, delete_condition, unconfirmed=(_NONE,)),
)
