"""Convert filter, sort and columns of a search to Lark's object."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

from lark_provider.api.clouddoc.cells import convert_to_python, show
from lark_provider.api.clouddoc.dates import to_milliseconds
from lark_provider.api.clouddoc.record_converter import Converter
from lark_provider.protocol.errors import InvalidRequestError, make_unknown_choice_error
from lark_provider.support.text import format_decimal

SearchCondition: TypeAlias = tuple[str, str, object]
SearchFilter: TypeAlias = Mapping[str, Any] | Sequence[SearchCondition]

#: The operators that Lark supports; its page also lists `like` and `in`, which do not work.
OPERATORS = (
    "is", "isNot", "contains", "doesNotContain", "isEmpty", "isNotEmpty",
    "isGreater", "isGreaterEqual", "isLess", "isLessEqual",
)  # fmt: skip
_WITHOUT_VALUE = {"isEmpty", "isNotEmpty"}
_OF_DATES = ("is", "isGreater", "isLess")
_PARTS = 3
MAX_CONDITIONS, MAX_VALUES, MAX_SORTS, MAX_NAMES = 50, 10, 100, 200


def make_body(
    conditions: SearchFilter | None,
    sort: Sequence[str],
    field_names: Sequence[str],
    zone: dt.tzinfo | None,
    days: dt.tzinfo = dt.UTC,
) -> tuple[dict[str, Any], list[str]]:
    """Make the body of a search.

    Args:
        conditions: The conditions, in the form of the `filter` of `search_records`; None for none.
        sort: The names of the fields to sort by; a leading `-` sorts in descending order.
        field_names: The names of the fields to read; all if empty.
        zone: The time zone of naive datetimes and of days; if None, UTC for datetimes and `days` for days.
        days: The time zone of days without `zone`.

    Returns:
        Lark's object, and the field names in it, except those in a filter that has Lark's own form.

    Raises:
        InvalidRequestError: Something in it is invalid.
    """
    payload: dict[str, Any] = {}
    names: list[str] = []
    if isinstance(conditions, Mapping):
        payload |= {"filter": conditions} if conditions else {}
    elif conditions:
        checked = _check_list(conditions, "filter", MAX_CONDITIONS)
        converted = [_encode_condition(condition, zone or dt.UTC, zone or days) for condition in checked]
        payload["filter"] = {"conjunction": "and", "conditions": converted}
        names += (condition["field_name"] for condition in converted)
    if sort:
        order = _check_texts(sort, "sort", MAX_SORTS)
        payload["sort"] = [
            {"field_name": name.removeprefix("-"), "desc": name.startswith("-")} for name in order
        ]
        names += (sort_field["field_name"] for sort_field in payload["sort"])
    if field_names:
        payload["field_names"] = _check_texts(field_names, "field_names", MAX_NAMES)
        names += payload["field_names"]
    return payload, names


def has_day(conditions: SearchFilter | None) -> bool:
    """Return whether one of the conditions is about a day, which begins in some time zone.

    Args:
        conditions: As for `make_body`, which has checked them.
    """
    if conditions is None or isinstance(conditions, Mapping):
        return False
    return any(_is_day(value) for _, _, value in conditions)


def check_names(names: Collection[str], converter: Converter) -> None:
    """Refuse names that are not fields of the table; Lark would refuse them without saying which.

    Args:
        names: The names in use.
        converter: The table's converter.

    Raises:
        InvalidRequestError: There are such names.
    """
    if unknown := converter.describe_unknown(names):
        said = "; ".join(f"{name!r}: {why}" for name, why in unknown.items())
        raise InvalidRequestError(
            f"The search must name fields of the table; {said}. Next: write each name exactly as the "
            "table shows it."
        )


def _encode_condition(condition: object, zone: dt.tzinfo, days: dt.tzinfo) -> dict[str, Any]:
    if not (isinstance(condition, tuple | list) and len(condition) == _PARTS):
        raise InvalidRequestError(
            f"filter must be a list of (field, operator, value), got the condition {str(condition)[:80]!r}. "
            "Next: write it as ('Delay', 'isGreater', 30)."
        )
    name, operator, value = condition[0], condition[1], convert_to_python(condition[2])
    if not (isinstance(name, str) and name):
        raise InvalidRequestError(
            f"filter must name each field by a non-empty string, got {name!r}. Next: write the "
            "condition as ('Delay', 'isGreater', 30)."
        )
    if not (isinstance(operator, str) and operator in OPERATORS):
        raise make_unknown_choice_error(f"filter's operator on {name!r}", operator, OPERATORS, 1254018)
    if isinstance(value, dt.date) and operator not in _OF_DATES:
        raise InvalidRequestError(
            f"filter must compare {name!r} with a date by {', '.join(_OF_DATES)}, got {operator!r}. Next: "
            "use isGreater with the day before, or isLess with the day after.",
            code=1254018,
        )
    operand = _encode_operand(name, value, days if _is_day(value) else zone)
    if bool(operand) is (operator in _WITHOUT_VALUE):
        wanted = "no value, got one. Next: pass None" if operand else "a value, got none. Next: add the value"
        raise InvalidRequestError(f"filter: {operator} on {name!r} must have {wanted}.", code=1254018)
    if len(operand) > MAX_VALUES:
        raise InvalidRequestError(
            f"filter must compare {name!r} with at most {MAX_VALUES} values, got {len(operand)}. Next: pass "
            "fewer.",
            code=1254018,
        )
    return {"field_name": name, "operator": operator, "value": operand}


def _is_day(value: object) -> bool:
    return isinstance(value, dt.date) and not isinstance(value, dt.datetime)


def _encode_operand(name: str, value: object, zone: dt.tzinfo) -> list[str]:
    """Return a value as Lark compares it: a list of texts; for a date, its kind and milliseconds."""
    if value is None:
        return []
    if isinstance(value, dt.date):
        return ["ExactDate", str(to_milliseconds(value, zone))]
    if isinstance(value, set | frozenset):
        return sorted(_encode_part(name, part) for part in value)
    parts = value if isinstance(value, list | tuple) else [value]
    return [_encode_part(name, part) for part in parts]


def _encode_part(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format_decimal(value)
    if isinstance(value, str | int | float):
        return str(value)
    # The text of anything else would match no record, as if there were none.
    raise InvalidRequestError(
        f"filter must compare {name!r} with text, a number, a bool, a date or a list of texts, got "
        f"{show(value)}. Next: pass a person's open_id, a record's id or an option's name as text.",
        code=1254018,
    )


def _check_list(value: Any, what: str, limit: int) -> list[Any]:
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise InvalidRequestError(
            f"{what} must be a list, got {str(value)[:80]!r}. Next: put it in brackets."
        )
    if len(value) > limit:
        raise InvalidRequestError(
            f"{what} must have at most {limit} entries, got {len(value)}. Next: pass fewer."
        )
    return list(value)


def _check_texts(value: Any, what: str, limit: int) -> list[str]:
    names = _check_list(value, what, limit)
    if wrong := [name for name in names if not (isinstance(name, str) and name)]:
        raise InvalidRequestError(
            f"{what} must hold field names, got {wrong[0]!r}. Next: pass non-empty strings."
        )
    return names
