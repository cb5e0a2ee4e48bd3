"""Infer the fields of a new Bitable table from the rows of a file."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from lark_provider.api.clouddoc.cells import EXACT_INT, convert_to_python
from lark_provider.api.clouddoc.fields import CHECKBOX, DATE, MULTI_SELECT, NUMBER, TEXT, Field
from lark_provider.cli.arguments import WrongUseError

NAMES = {TEXT: "text", NUMBER: "number", DATE: "date", CHECKBOX: "checkbox", MULTI_SELECT: "several options"}
# No leading zeros: postcodes and the like are text.
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d{1,3})?")
_MAX_DIGITS = 15
"""A spreadsheet shows no more digits of a number; a longer one, such as that of a bank card, is an id."""
_PLAIN = (str, bool, int, float, Decimal, dt.date)
"""Values that a field for text takes."""
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?")


def infer_fields(
    rows: Iterable[Mapping[str, Any]],
    key_fields: Sequence[str],
    *,
    has_zone: bool = True,
    skips_bad_rows: bool = False,
) -> list[Field]:
    """Return the fields that hold all values of some rows.

    Args:
        rows: Values by column. A text is parsed, since all values of a CSV file are texts.
        key_fields: The fields that come first, so that the first of them is the table's primary field.
        has_zone: Whether a time zone is given for times that have none themselves.
        skips_bad_rows: Whether rows are left out whose values do not fit their fields.

    Returns:
        The fields. A column without a value, or with values of different kinds, is text.

    Raises:
        WrongUseError: There are no rows, none has a key field, times have no zone, or no type of field holds
            the values of a column.
    """
    kinds: dict[str, set[tuple[int, bool]]] = {}
    without_zone: dict[str, int] = {}
    nested: dict[str, int] = {}
    for number, row in enumerate(rows, 1):
        for name, value in row.items():
            column_kinds = kinds.setdefault(name, set())
            if convert_to_python(value) is not None and value != "":
                column_kinds.add(_infer_kind(value))
                if not isinstance(value, _PLAIN):
                    nested.setdefault(name, number)
                if not has_zone and _lacks_zone(value):
                    without_zone.setdefault(name, number)
    missing = [name for name in key_fields if name not in kinds]
    if missing:
        what = f"a column {missing[0]!r}, which --key names, and has none" if kinds else "rows, and has none"
        raise WrongUseError(
            f"For a new table the file must have {what}. Next: add it to the file, or change --key."
        )
    names = [*key_fields, *(name for name in kinds if name not in key_fields)]
    fields = [_make_field(name, kinds[name], is_key=name in key_fields) for name in names]
    for field in fields:
        name = field["field_name"]
        if not skips_bad_rows and field["type"] != MULTI_SELECT and name in nested:
            raise WrongUseError(
                f"Column {name!r} has a value in row {nested[name]} that a field for text does not take. "
                "Next: convert it to text in the file, or create the table with a field for it first."
            )
        if field["type"] == DATE and name in without_zone:
            raise WrongUseError(
                f"Column {name!r} has a time without a zone in row {without_zone[name]}, which may be any "
                "moment. Next: pass --zone, such as --zone Asia/Shanghai."
            )
    return fields


def _lacks_zone(value: Any) -> bool:
    if isinstance(value, str):
        match = _MOMENT.fullmatch(value)
        return match is not None and match[3] is None
    return isinstance(value, dt.datetime) and value.tzinfo is None


def _infer_kind(value: Any) -> tuple[int, bool]:
    """Return the type of field that a value needs, and whether it has a time of day."""
    if isinstance(value, bool):
        return CHECKBOX, False
    if isinstance(value, int | float | Decimal):
        return (NUMBER if -EXACT_INT <= value <= EXACT_INT else TEXT), False
    if isinstance(value, dt.date):
        return DATE, isinstance(value, dt.datetime)
    if isinstance(value, list):
        return (MULTI_SELECT if all(isinstance(element, str) for element in value) else TEXT), False
    if isinstance(value, str):
        if _NUMBER.fullmatch(value):
            is_id = value.isdecimal() and len(value) > _MAX_DIGITS
            return (NUMBER if abs(Decimal(value)) <= EXACT_INT and not is_id else TEXT), False
        if value.lower() in {"true", "false"}:
            return CHECKBOX, False
        if _DATE.fullmatch(value) and _is_date(value):
            return DATE, False
        if _MOMENT.fullmatch(value) and _is_date(value):
            return DATE, True
    return TEXT, False


def _is_date(text: str) -> bool:
    """Return whether a text that looks like a date is one: 0000-00-00 and 2026-02-31 are not."""
    try:
        dt.datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _make_field(name: str, kinds: set[tuple[int, bool]], *, is_key: bool) -> Field:
    types = {kind for kind, _ in kinds}
    kind = types.pop() if len(types) == 1 else TEXT
    if is_key and kind not in {NUMBER, DATE}:
        kind = TEXT
    field = Field(field_name=name, type=kind)
    if kind == DATE and any(has_time for _, has_time in kinds):
        field["property"] = {"date_formatter": "yyyy/MM/dd HH:mm"}
    return field
