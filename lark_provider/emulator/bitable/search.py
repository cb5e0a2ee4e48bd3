"""`POST …/records/search`: filter, sort, page."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from lark_provider.emulator import codes
from lark_provider.emulator.bitable import dates
from lark_provider.emulator.bitable.access import base_of, table_of
from lark_provider.emulator.bitable.rows import Rows
from lark_provider.emulator.bitable.values import (
    AUTO_NUMBER,
    AUTOMATIC,
    CREATED_TIME,
    DATE,
    MODIFIED_TIME,
    NUMBER,
    URL,
    USER,
)
from lark_provider.emulator.codes import RefusedError
from lark_provider.emulator.routing import Call, Route
from lark_provider.emulator.validation import json_object, page, page_size, user_id_type
from lark_provider.emulator.world.users import User

if TYPE_CHECKING:
    from collections.abc import Callable

    from lark_provider.emulator.world.bases import Base, Field, Record, Table

    Test = Callable[[Record], bool]

MOST_PER_PAGE = 500
MOST_CONDITIONS = 50
MOST_VALUES = 10
MOST_SORTS = 100
MOST_NAMES = 200

DATES = frozenset({DATE, CREATED_TIME, MODIFIED_TIME})
DATE_OPERATORS = frozenset({"is", "isEmpty", "isNotEmpty", "isGreater", "isLess"})
#: Operators that compare sizes; `like` and `in` are listed by Lark but not supported.
ORDERED: dict[str, Callable[[float, float], bool]] = {
    "isGreater": lambda a, b: a > b,
    "isGreaterEqual": lambda a, b: a >= b,
    "isLess": lambda a, b: a < b,
    "isLessEqual": lambda a, b: a <= b,
}
NEGATED = {"isNot": "is", "doesNotContain": "contains"}


def search(call: Call) -> dict[str, Any]:
    """Answer with records in the read shape, empty fields left out."""
    base, table = base_of(call), table_of(call)
    id_type = user_id_type(call)
    size = page_size(call, most=MOST_PER_PAGE, code_for_zero=codes.PAGE_SIZE)
    body = json_object(call, codes.WRONG_JSON)
    finder = _Finder(call, base, table, id_type)
    records = list(table.records.values())
    condition, sorts = body.get("filter"), body.get("sort")
    if condition:
        records = list(filter(finder.test(condition), records))
    if sorts:
        records = finder.ordered(records, sorts)
    view_id = body.get("view_id")
    if view_id and not condition and not sorts and view_id != table.view_id:
        raise RefusedError(codes.VIEW_NOT_FOUND)
    columns = finder.columns(body.get("field_names"))
    items, more = page(records, call, size, codes.INVALID_PAGE_TOKEN)
    rows = Rows(call, base, table, id_type)
    automatic = body.get("automatic_fields") is True
    return {
        "items": [rows.shown(record, columns=columns, automatic=automatic) for record in items],
        **more,
        "total": len(records),
    }


class _Finder:
    """Evaluates filters and sorts over one table."""

    def __init__(self, call: Call, base: Base, table: Table, id_type: str) -> None:
        self._call = call
        self._table = table
        self._id_type = id_type
        self._zone = ZoneInfo(base.time_zone)

    def columns(self, names: Any) -> list[Field] | None:
        if not names:
            return None
        if not isinstance(names, list) or len(names) > MOST_NAMES:
            raise RefusedError(codes.INVALID_FIELD_NAMES)
        try:
            return [self._table.names[name] for name in names]
        except (KeyError, TypeError):
            raise RefusedError(codes.INVALID_FIELD_NAMES) from None

    def ordered(self, records: list[Record], sorts: Any) -> list[Record]:
        if not isinstance(sorts, list) or len(sorts) > MOST_SORTS:
            raise RefusedError(codes.INVALID_SORT)
        for sort in reversed(sorts):
            name = sort.get("field_name") if isinstance(sort, dict) else None
            column = self._table.names.get(name) if isinstance(name, str) else None
            if column is None:
                raise RefusedError(codes.INVALID_SORT)
            filled = [r for r in records if self._value(r, column) is not None]
            empty = [r for r in records if self._value(r, column) is None]
            filled.sort(key=partial(self._rank, column), reverse=sort.get("desc") is True)
            records = filled + empty
        return records

    def test(self, node: Any, depth: int = 0) -> Test:
        """Return the test that a filter makes; a bad filter is refused even where there are no records.

        Raises:
            RefusedError: 1254018; filters nest one level.
        """
        if not isinstance(node, dict):
            raise RefusedError(codes.INVALID_FILTER)
        conjunction = node.get("conjunction", "and")
        conditions, children = node.get("conditions") or [], node.get("children") or []
        if (
            conjunction not in ("and", "or")
            or not isinstance(conditions, list)
            or not isinstance(children, list)
            or len(conditions) > MOST_CONDITIONS
            or (children and depth)
        ):
            raise RefusedError(codes.INVALID_FILTER)
        tests = [self._condition(condition) for condition in conditions]
        tests += [self.test(child, depth + 1) for child in children]
        if conjunction == "or" and tests:
            return lambda record: any(test(record) for test in tests)
        return lambda record: all(test(record) for test in tests)

    def _condition(self, condition: Any) -> Test:
        if not isinstance(condition, dict):
            raise RefusedError(codes.INVALID_FILTER)
        name, operator = condition.get("field_name"), condition.get("operator")
        if not isinstance(operator, str):
            raise RefusedError(codes.INVALID_FILTER, f"operator {operator} is not supported")
        column = self._table.names.get(name) if isinstance(name, str) else None
        if column is None:
            raise RefusedError(codes.INVALID_FILTER, f"no field {name}")
        wanted = _wanted(condition)
        holds = self._comparison(column, operator, wanted)
        return lambda record: holds(self._value(record, column))

    def _comparison(self, column: Field, operator: str, wanted: list[str]) -> Callable[[Any], bool]:
        if operator in ("isEmpty", "isNotEmpty"):
            if wanted:
                raise RefusedError(codes.INVALID_FILTER, f"{operator} takes no value")
            return lambda value: (value is None) == (operator == "isEmpty")
        if not wanted:
            raise RefusedError(codes.INVALID_FILTER, f"{operator} needs a value")
        if column.type in DATES:
            return self._date_comparison(operator, wanted)
        if operator in ORDERED:
            if column.type != NUMBER:
                raise RefusedError(codes.INVALID_FILTER, f"{operator} is for numbers and dates")
            compare, bound = ORDERED[operator], _as_number(wanted[0])
            return lambda value: value is not None and compare(value, bound)
        positive = NEGATED.get(operator, operator)
        if positive not in ("is", "contains"):
            raise RefusedError(codes.INVALID_FILTER, f"operator {operator} is not supported")
        matches = _match(column, wanted, exact=positive == "is")
        negated = operator in NEGATED
        return lambda value: (value is not None and matches(value)) != negated

    def _date_comparison(self, operator: str, wanted: list[str]) -> Callable[[Any], bool]:
        if operator not in DATE_OPERATORS:
            raise RefusedError(codes.INVALID_FILTER, f"dates do not support {operator}")
        today = dt.datetime.fromtimestamp(self._call.world.clock.now(), self._zone).date()
        days = dates.span(wanted, today, self._zone)
        if days is None:
            raise RefusedError(codes.INVALID_FILTER, f"the emulator knows no date {wanted}")
        if operator != "is" and days[1] - days[0] > dates.DAY:
            raise RefusedError(codes.INVALID_FILTER, f"{operator} needs one day, not {wanted[0]}")
        start, end = (self._first_ms(day) for day in days)
        if operator == "is":
            return lambda value: value is not None and start <= value < end
        if operator == "isGreater":
            return lambda value: value is not None and value >= end
        return lambda value: value is not None and value < start

    def _first_ms(self, day: dt.date) -> int:
        return int(dt.datetime.combine(day, dt.time(), self._zone).timestamp() * 1000)

    def _value(self, record: Record, column: Field) -> Any:
        """Return a value that can be compared: people as ids, links as their text."""
        if column.type in AUTOMATIC:
            value = AUTOMATIC[column.type](record)
            return [person["id"] for person in value] if isinstance(value, list) else value
        value = record.cells.get(column.field_id)
        if value is None:
            return None
        if column.type == URL:
            return value["text"]
        if column.type == USER:
            return [u.id_for(self._call.app, self._id_type) for u in value if isinstance(u, User)]
        return value

    def _rank(self, column: Field, record: Record) -> Any:
        value = self._value(record, column)
        if column.options and isinstance(value, str):  # options sort in the order of the field
            return list(column.options).index(value)
        if column.type == AUTO_NUMBER:
            return int(value)
        return "\0".join(value) if isinstance(value, list) else value


def _wanted(condition: dict[str, Any]) -> list[str]:
    wanted = condition.get("value")
    if wanted is None:
        return []
    if (
        not isinstance(wanted, list)
        or len(wanted) > MOST_VALUES
        or not all(isinstance(v, str) for v in wanted)
    ):
        raise RefusedError(codes.INVALID_FILTER, "value must be a list of at most 10 strings")
    return wanted


def _match(column: Field, wanted: list[str], *, exact: bool) -> Callable[[Any], bool]:
    """Return the test of one filled value; lists are people, options, groups or records."""
    if column.type == NUMBER:
        number = _as_number(wanted[0])
        return lambda value: bool(value == number)

    def matches(value: Any) -> bool:
        if isinstance(value, list):
            return sorted(value) == sorted(wanted) if exact else any(each in value for each in wanted)
        if isinstance(value, bool):
            return value == (wanted[0].lower() == "true")
        return bool(value == wanted[0]) if exact else any(each in value for each in wanted)

    return matches


def _as_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise RefusedError(codes.INVALID_FILTER, f"{text} is no number") from None


ROUTES = (
    Route(
        "POST",
        "/open-apis/bitable/v1/apps/:app_token/tables/:table_id/records/search",
        search,
        unconfirmed=(
            "weeks begin on Monday; TheLastWeek and TheLastMonth are the 7 and 30 days up to today",
            "TheNextWeek and TheNextMonth are the 7 and 30 days after today",
            "spans of days are for `is` alone",
            "`is` on lists compares the whole list, `contains` any of its members",
            "empty cells sort last",
            "unknown names: 1254024 (field_names), 1254018 (filter), 1254016 (sort)",
            "a bad `page_token` gets 1254030, as on newer pages; this page has it for too large an answer",
        ),
    ),
)
