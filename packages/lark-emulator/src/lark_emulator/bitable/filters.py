"""The filter of a search: conditions on fields, joined by `and` or `or`, nested one level."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import orjson

from lark_emulator import codes
from lark_emulator.bitable import dates
from lark_emulator.bitable.values import (
    ATTACHMENT,
    AUTO_NUMBER,
    AUTOMATIC,
    CHECKBOX,
    COMPUTED,
    CREATED_TIME,
    DATE,
    MODIFIED_TIME,
    NUMBER,
    PHONE,
    SINGLE_SELECT,
    TEXT,
    URL,
    USER,
)
from lark_emulator.codes import RefusedError
from lark_emulator.world.records import get_number
from lark_emulator.world.users import User

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from lark_emulator.routing import Call
    from lark_emulator.world.bases import Base, Field, Table
    from lark_emulator.world.records import Record

    Test = Callable[[Record], bool]

MAX_CONDITIONS = 50
MAX_VALUES = 10

DATES = frozenset({DATE, CREATED_TIME, MODIFIED_TIME})
DATE_OPERATORS = frozenset({"is", "isEmpty", "isNotEmpty", "isGreater", "isLess"})
#: Operators that compare sizes; `like` and `in` are listed by Lark but not supported.
ORDERED: dict[str, Callable[[float, float], bool]] = {
    "isGreater": lambda a, b: a > b,
    "isGreaterEqual": lambda a, b: a >= b,
    "isLess": lambda a, b: a < b,
    "isLessEqual": lambda a, b: a <= b,
}
#: Types that are compared with one value, whatever the operator.
SINGULAR = frozenset({TEXT, NUMBER, PHONE, URL, AUTO_NUMBER})
NEGATED = {"isNot": "is", "doesNotContain": "contains"}
#: Types whose stored value is what `is` compares, so that the table's index finds it.
INDEXED = frozenset({TEXT, NUMBER, SINGLE_SELECT, PHONE})

UNCONFIRMED = (
    "weeks begin on Monday; TheLastWeek and TheLastMonth are the 7 and 30 days up to today",
    "TheNextWeek and TheNextMonth are the 7 and 30 days after today",
    "spans of days are for `is` alone",
    "`is` on lists compares the whole list, `contains` any of its members",
    "a filter of more than 2,000 characters of JSON gets 1254107, as in the legacy list (`max_filter_chars`)",
)


class Filters:
    """Evaluates filters over one table for one caller.

    Args:
        call: The request that contains the filters.
        base: The base whose time zone decides which day it is.
        table: The table whose records are filtered.
        id_type: The kind of user id that the caller uses, such as `open_id`.
    """

    def __init__(self, call: Call, base: Base, table: Table, id_type: str) -> None:
        self._call = call
        self._table = table
        self._id_type = id_type
        self._zone = ZoneInfo(base.time_zone)

    def check_size(self, condition: Any) -> None:
        """Refuse a filter that is too long.

        Raises:
            RefusedError: 1254107.
        """
        most = self._call.settings.max_filter_chars
        if most and len(orjson.dumps(condition).decode()) > most:
            raise RefusedError(codes.FILTER_TOO_LONG)

    @property
    def today(self) -> dt.date:
        """The day it is in the base's time zone."""
        return dt.datetime.fromtimestamp(self._call.world.clock.get_time(), self._zone).date()

    def get_day(self, moment_ms: float) -> dt.date | None:
        """Return the day of a moment in the base's time zone; None beyond the year 9999."""
        try:
            return dt.datetime.fromtimestamp(moment_ms / 1000, self._zone).date()
        except (OverflowError, ValueError, OSError):
            return None

    def prepare(self, node: dict[str, Any]) -> Generator[None, None, None]:
        """Make the indexes that `list_candidates` looks into; other requests are served meanwhile."""
        for condition in node.get("conditions") or []:
            column = self._table.names.get(condition["field_name"])
            if column is not None and _is_indexed(condition, column):
                yield from self._table.records.make_index(column.field_id)
        for child in node.get("children") or []:
            yield from self.prepare(child)

    def list_candidates(self, node: dict[str, Any]) -> list[Record] | None:
        """Return the records that may pass a filter that `test` accepts, in order; None = any may."""
        records = self._find_candidates(node)
        return None if records is None else sorted(records.values(), key=get_number)

    def _find_candidates(self, node: dict[str, Any]) -> dict[str, Record] | None:
        parts = [self._look_up(condition) for condition in node.get("conditions") or []]
        parts += [self._find_candidates(child) for child in node.get("children") or []]
        if node.get("conjunction", "and") == "and":
            known = [part for part in parts if part is not None]
            return min(known, key=len) if known else None
        if not parts or None in parts:
            return None
        return {record_id: record for part in parts if part is not None for record_id, record in part.items()}

    def _look_up(self, condition: dict[str, Any]) -> dict[str, Record] | None:
        column = self._table.names[condition["field_name"]]
        if not _is_indexed(condition, column):
            return None
        value = condition["value"][0]
        wanted = _as_number(value) if column.type == NUMBER else value
        return {
            record.record_id: record for record in self._table.records.with_value(column.field_id, wanted)
        }

    def make_test(self, node: Any, depth: int = 0) -> Test:
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
            or len(conditions) > MAX_CONDITIONS
            or (children and depth)
        ):
            raise RefusedError(codes.INVALID_FILTER)
        tests = [self._make_condition_test(condition) for condition in conditions]
        tests += [self.make_test(child, depth + 1) for child in children]
        if conjunction == "or" and tests:
            return lambda record: any(test(record) for test in tests)
        return lambda record: all(test(record) for test in tests)

    def _make_condition_test(self, condition: Any) -> Test:
        if not isinstance(condition, dict):
            raise RefusedError(codes.INVALID_FILTER)
        name, operator = condition.get("field_name"), condition.get("operator")
        if not isinstance(operator, str):
            raise RefusedError(codes.INVALID_FILTER, f"operator {operator} is not supported")
        column = self._table.names.get(name) if isinstance(name, str) else None
        if column is None:
            raise RefusedError(codes.INVALID_FILTER, f"no field {name}")
        wanted = _read_values(condition)
        holds = self._make_comparison(column, operator, wanted)
        return lambda record: holds(self.get_value(record, column))

    def _make_comparison(self, column: Field, operator: str, wanted: list[str]) -> Callable[[Any], bool]:
        _check_kind(column, operator, wanted)
        if operator in ("isEmpty", "isNotEmpty"):
            if wanted:
                raise RefusedError(codes.INVALID_FILTER, f"{operator} takes no value")
            return lambda value: (value is None) == (operator == "isEmpty")
        if not wanted:
            raise RefusedError(codes.INVALID_FILTER, f"{operator} needs a value")
        if column.type in DATES:
            return self._make_date_comparison(operator, wanted)
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

    def _make_date_comparison(self, operator: str, wanted: list[str]) -> Callable[[Any], bool]:
        if operator not in DATE_OPERATORS:
            raise RefusedError(codes.INVALID_FILTER, f"dates do not support {operator}")
        days = dates.parse_span(wanted, self.today, self._zone)
        if days is None:
            raise RefusedError(codes.INVALID_FILTER, f"the emulator knows no date {wanted}")
        if operator != "is" and days[1] - days[0] > dates.DAY:
            raise RefusedError(codes.INVALID_FILTER, f"{operator} needs one day, not {wanted[0]}")
        start, end = (self._compute_first_ms(day) for day in days)
        if operator == "is":
            return lambda value: value is not None and start <= value < end
        if operator == "isGreater":
            return lambda value: value is not None and value >= end
        return lambda value: value is not None and value < start

    def _compute_first_ms(self, day: dt.date) -> int:
        return int(dt.datetime.combine(day, dt.time(), self._zone).timestamp() * 1000)

    def get_value(self, record: Record, column: Field) -> Any:
        """Return a value that can be compared: people as ids, links as their text."""
        if column.type in AUTOMATIC:
            value = AUTOMATIC[column.type](record, self._call.app, self._id_type)
            return [person["id"] for person in value] if isinstance(value, list) else value
        value = record.cells.get(column.field_id)
        if value is None:
            return None
        if column.type == URL:
            return value["text"]
        if column.type in COMPUTED:
            return "".join(str(part["text"] if isinstance(part, dict) else part) for part in value["value"])
        if column.type == USER:
            return [u.get_id(self._call.app, self._id_type) for u in value if isinstance(u, User)]
        return value


def _is_indexed(condition: dict[str, Any], column: Field) -> bool:
    return condition["operator"] == "is" and column.type in INDEXED


def _read_values(condition: dict[str, Any]) -> list[str]:
    wanted = condition.get("value")
    if wanted is None:
        return []
    if (
        not isinstance(wanted, list)
        or len(wanted) > MAX_VALUES
        or not all(isinstance(v, str) for v in wanted)
    ):
        raise RefusedError(codes.INVALID_FILTER, "value must be a list of at most 10 strings")
    return wanted


def _check_kind(column: Field, operator: str, wanted: list[str]) -> None:
    """Refuse what Lark's guide to filters rules out for a field's type."""
    reason = ""
    if column.type in COMPUTED:
        reason = f"{column.name} is a formula or a lookup, which no filter may name"
    elif operator in ("isEmpty", "isNotEmpty") or column.type in DATES:
        return
    elif column.type == ATTACHMENT:
        reason = f"attachments do not support {operator}"
    elif column.type == CHECKBOX and (operator != "is" or wanted not in (["true"], ["false"])):
        reason = "checkboxes support is with true or false"
    elif len(wanted) > 1 and (column.type in SINGULAR or operator in ("is", "isNot")):
        reason = f"{operator} takes one value here"
    if reason:
        raise RefusedError(codes.INVALID_FILTER, reason)


def _match(column: Field, wanted: list[str], *, exact: bool) -> Callable[[Any], bool]:
    """Return the test of one filled value; lists are people, options, groups or records."""
    if column.type == NUMBER:
        number = _as_number(wanted[0])
        return lambda value: bool(value == number)

    def matches(value: Any) -> bool:
        if isinstance(value, list):
            return sorted(value) == sorted(wanted) if exact else any(expected in value for expected in wanted)
        if isinstance(value, bool):
            return value == (wanted[0] == "true")
        return bool(value == wanted[0]) if exact else any(expected in value for expected in wanted)

    return matches


def _as_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise RefusedError(codes.INVALID_FILTER, f"{text} must be a number") from None
