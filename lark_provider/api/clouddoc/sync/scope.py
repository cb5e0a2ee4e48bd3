"""The part of a table that a sync handles: a filter for Lark, and the same test for rows of the source."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lark_provider.api.clouddoc import field_types as types
from lark_provider.api.clouddoc import searches
from lark_provider.api.clouddoc.sync import canonical
from lark_provider.protocol.errors import InvalidRequestError

_TESTABLE = frozenset(
    {
        types.TEXT,
        types.NUMBER,
        types.SINGLE_SELECT,
        types.MULTI_SELECT,
        types.DATE,
        types.CHECKBOX,
        types.PHONE,
    }
)
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "isGreater": lambda a, b: a > b,
    "isGreaterEqual": lambda a, b: a >= b,
    "isLess": lambda a, b: a < b,
    "isLessEqual": lambda a, b: a <= b,
}
_OF_DATES = ("is", "isGreater", "isLess")
_NEGATED = {"isNot": "is", "doesNotContain": "contains"}


def _check(condition: Mapping[str, Any], kind: int) -> None:
    """Refuse a condition that rows of the source cannot be tested by."""
    name, operator, value = condition["field_name"], condition["operator"], condition["value"]
    if operator in ("isEmpty", "isNotEmpty"):
        return
    if kind == types.DATE:
        fits = operator in _OF_DATES and value[0] == "ExactDate" and _is_number(value[1:])
        wanted = f"compare a date by {', '.join(_OF_DATES)} with a date or a datetime"
    elif kind == types.NUMBER:
        fits, wanted = _is_number(value), "compare a number with one number"
    else:
        fits, wanted = operator not in _COMPARE, f"order no other fields than numbers by {operator!r}"
    if kind == types.CHECKBOX:
        fits = operator == "is" and value in (["true"], ["false"])
        wanted = "compare a checkbox by 'is' with a bool"
    if not fits:
        raise InvalidRequestError(
            f"scope must {wanted}; got {operator!r} and {value!r} for {name!r}. Next: write a condition "
            "such as ('Region', 'is', 'EU') or ('Amount', 'isGreater', 30)."
        )


def _is_number(value: Sequence[str]) -> bool:
    try:
        return len(value) == 1 and math.isfinite(float(value[0]))
    except ValueError:
        return False


class Scope:
    """Conditions that all hold.

    Args:
        conditions: `(field, operator, value)` with Lark's operators.
        field_types: The types of the table's fields, by name.
        zone: The base's time zone.

    Raises:
        InvalidRequestError: They are not such a list, or name a field whose values cannot be tested here.
    """

    def __init__(
        self, conditions: Sequence[searches.SearchCondition], field_types: Mapping[str, int], zone: dt.tzinfo
    ) -> None:
        if isinstance(conditions, Mapping | str) or not conditions:
            raise InvalidRequestError(
                f"scope must be a list of (field, operator, value), got {str(conditions)[:80]!r}. Next: "
                "write it as [('Region', 'is', 'EU')]: created rows are tested by it, too."
            )
        body, names = searches.make_body(conditions, (), (), zone)
        self.conditions: list[dict[str, Any]] = body["filter"]["conditions"]
        self.names = list(dict.fromkeys(names))
        for name in self.names:
            if field_types.get(name) not in _TESTABLE:
                raise InvalidRequestError(
                    f"scope must be about fields of text, numbers, selects, dates, checkboxes or phones; "
                    f"{name!r} is none of these. Next: choose another field."
                )
        for condition in self.conditions:
            _check(condition, field_types[condition["field_name"]])
        self._types, self._zone = field_types, zone

    def find_failing_field(self, row: Mapping[str, Any], *, partly: bool) -> str | None:
        """Return a field whose value puts a row outside the scope; None if the row is inside.

        Args:
            row: In the shape in which it is written; a name that is missing leaves the cell as it is.
            partly: Whether the row changes a record that is inside, so that only the names in it count; else
                a name that is missing is an empty cell.
        """
        for condition in self.conditions:
            name = condition["field_name"]
            if partly and name not in row:
                continue
            kind = self._types[name]
            (cell,) = canonical.of_source(kind, canonical.EXACT, [row.get(name)], self._zone)
            if not self._holds(kind, cell, condition["operator"], condition["value"]):
                return str(name)
        return None

    def _holds(self, kind: int, cell: Any, operator: str, wanted: list[str]) -> bool:
        if operator in ("isEmpty", "isNotEmpty"):
            return (cell is None) == (operator == "isEmpty")
        if kind == types.DATE:
            return cell is not None and self._matches_date(cell, operator, int(wanted[-1]))
        if operator in _COMPARE:
            return cell is not None and _COMPARE[operator](float(cell), float(wanted[0]))
        if kind == types.CHECKBOX:
            return bool(cell) == ((wanted[0] == "true") == (operator == "is"))
        is_match = cell is not None and self._matches(kind, cell, _NEGATED.get(operator, operator), wanted)
        return is_match != (operator in _NEGATED)

    @staticmethod
    def _matches(kind: int, cell: Any, operator: str, wanted: list[str]) -> bool:
        if kind == types.NUMBER:
            return float(cell) == float(wanted[0])
        if kind == types.MULTI_SELECT:
            return (
                sorted(cell) == sorted(wanted)
                if operator == "is"
                else any(option in cell for option in wanted)
            )
        return bool(cell == wanted[0]) if operator == "is" else any(text in cell for text in wanted)

    def _matches_date(self, cell: int, operator: str, wanted: int) -> bool:
        # Lark compares calendar days: "is" means that day, "isGreater" a later one.
        day, bound = (
            canonical.compute_midnight(cell, self._zone),
            canonical.compute_midnight(wanted, self._zone),
        )
        return day == bound if operator == "is" else day > bound if operator == "isGreater" else day < bound
