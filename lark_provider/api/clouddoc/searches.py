"""What a search asks for: filter, sort and columns, from Python's values to Lark's object."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias

from lark_provider.api.clouddoc.cells import milliseconds
from lark_provider.api.clouddoc.fields import Converter
from lark_provider.protocol.errors import InvalidRequestError

Condition: TypeAlias = tuple[str, str, object]
Filter: TypeAlias = Mapping[str, Any] | Sequence[Condition]

#: Those that Lark performs; it also lists `like` and `in`, which it does not.
OPERATORS = (
    "is", "isNot", "contains", "doesNotContain", "isEmpty", "isNotEmpty",
    "isGreater", "isGreaterEqual", "isLess", "isLessEqual",
)  # fmt: skip
_WITHOUT_VALUE = {"isEmpty", "isNotEmpty"}
_OF_DATES = ("is", "isGreater", "isLess")
_PARTS = 3
MAX_CONDITIONS, MAX_VALUES, MAX_SORTS, MAX_NAMES = 50, 10, 100, 200


def body(
    filter: Filter | None,  # noqa: A002 - Lark's name
    sort: Sequence[str],
    field_names: Sequence[str],
    zone: dt.tzinfo | None,
) -> tuple[dict[str, Any], list[str]]:
    """Write down what a search asks for.

    Args:
        filter: As for `search_records`.
        sort: As for `search_records`.
        field_names: As for `search_records`.
        zone: The time zone of naive datetimes.

    Returns:
        Lark's object, and the field names in it, without those in a filter of Lark's own form.

    Raises:
        InvalidRequestError: Something in it cannot be.
    """
    asked: dict[str, Any] = {}
    names: list[str] = []
    if isinstance(filter, Mapping):
        asked |= {"filter": filter} if filter else {}
    elif filter:
        conditions = [_condition(one, zone) for one in _listed(filter, "filter", MAX_CONDITIONS)]
        asked["filter"] = {"conjunction": "and", "conditions": conditions}
        names += (one["field_name"] for one in conditions)
    if sort:
        order = _texts(sort, "sort", MAX_SORTS)
        asked["sort"] = [
            {"field_name": name.removeprefix("-"), "desc": name.startswith("-")} for name in order
        ]
        names += (one["field_name"] for one in asked["sort"])
    if field_names:
        asked["field_names"] = _texts(field_names, "field_names", MAX_NAMES)
        names += asked["field_names"]
    return asked, names


def check_names(names: Collection[str], converter: Converter) -> None:
    """Look for names that the table does not have; Lark would refuse them without saying which.

    Args:
        names: Those in use.
        converter: The table's.

    Raises:
        InvalidRequestError: There are some.
    """
    if unknown := converter.unknown(names):
        said = "; ".join(f"{name!r}: {why}" for name, why in unknown.items())
        raise InvalidRequestError(f"The search names unknown fields. {said}. Next: correct the names.")


def _condition(given: object, zone: dt.tzinfo | None) -> dict[str, Any]:
    if not (isinstance(given, tuple | list) and len(given) == _PARTS):
        raise InvalidRequestError(
            f"filter has {str(given)[:80]!r}. Next: write each condition as (field, operator, value), "
            "such as ('Delay', 'isGreater', 30)."
        )
    name, operator, value = given
    if not (isinstance(name, str) and name):
        raise InvalidRequestError(f"filter names the field {name!r}. Next: write its name as a text.")
    if not (isinstance(operator, str) and operator in OPERATORS):
        raise InvalidRequestError(
            f"filter compares {name!r} by {operator!r}. Next: use one of {', '.join(OPERATORS)}.",
            code=1254018,
        )
    if isinstance(value, dt.date) and operator not in _OF_DATES:
        raise InvalidRequestError(
            f"filter compares {name!r} with a date by {operator}, and Lark knows {', '.join(_OF_DATES)} for "
            "dates. Next: use one of these, with the day before or after.",
            code=1254018,
        )
    operand = _operand(value, zone)
    if bool(operand) is (operator in _WITHOUT_VALUE):
        wants = (
            "takes no value. Next: pass None" if operand else "needs a value. Next: pass one, or use isEmpty"
        )
        raise InvalidRequestError(f"filter: {operator} on {name!r} {wants}.", code=1254018)
    if len(operand) > MAX_VALUES:
        raise InvalidRequestError(
            f"filter compares {name!r} with {len(operand)} values; Lark takes {MAX_VALUES}. "
            "Next: pass fewer.",
            code=1254018,
        )
    return {"field_name": name, "operator": operator, "value": operand}


def _operand(value: object, zone: dt.tzinfo | None) -> list[str]:
    """Lark compares with lists of text; a date is named by its kind and milliseconds."""
    if value is None:
        return []
    if isinstance(value, dt.date):
        return ["ExactDate", str(milliseconds(value, zone or dt.UTC))]
    if isinstance(value, bool):
        return ["true" if value else "false"]
    return [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)]


def _listed(given: Any, what: str, most: int) -> list[Any]:
    if isinstance(given, str | bytes) or not isinstance(given, Sequence):
        raise InvalidRequestError(f"{what} is {str(given)[:80]!r}. Next: pass a list.")
    if len(given) > most:
        raise InvalidRequestError(f"{what} has {len(given)} entries; Lark takes {most}. Next: pass fewer.")
    return list(given)


def _texts(given: Any, what: str, most: int) -> list[str]:
    names = _listed(given, what, most)
    if wrong := [name for name in names if not (isinstance(name, str) and name)]:
        raise InvalidRequestError(f"{what} has {wrong[0]!r}. Next: write field names as texts.")
    return names
