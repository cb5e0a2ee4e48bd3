"""What people enter in the fields of a question's form, as JSON values, and back. Pure.

Lark sends texts of inputs, the values of chosen options, and dates with the zone of the reader.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from decimal import Decimal, InvalidOperation
from typing import Any

from lark_provider.protocol import moments
from lark_provider.protocol.hitl.params import FormField, to_json
from lark_provider.protocol.hitl.schema import is_json_equal, list_types, localize
from lark_provider.protocol.language import LocalizedText

_DECIMAL = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_INTEGERS = range(-(2**63), 2**64)


class UnreadableValueError(ValueError):
    """What was entered is not a value of the field's type.

    Attributes:
        words: Why, in each language.
    """

    def __init__(self, reason: LocalizedText) -> None:
        super().__init__(reason["en"])
        self.words = reason


def parse(field: FormField, raw: Any, *, timezone: str = "", zone: str | None = None) -> Any:
    """Return the JSON value of what was entered; the default if the field was left empty.

    Args:
        field: The field.
        raw: From `form_value`: a text, an option's value, a list of them; None if it is missing.
        timezone: In which the card showed date and time.
        zone: Of the reader, as Lark names it.

    Raises:
        UnreadableValueError: It is not a value of the field's type, or nothing was entered where something
            must.
    """
    if is_empty(raw):
        if field.required:
            raise UnreadableValueError(localize("必填", "must be filled in"))
        return field.default
    if field.kind == "choices":
        return [_choose(field, key) for key in (raw if isinstance(raw, list | tuple) else [raw])]
    if isinstance(raw, bool) and field.kind == "boolean":
        return raw
    if not isinstance(raw, str):
        raise UnreadableValueError(localize("无法识别输入的内容", "is not readable; enter it again"))
    if field.kind == "choice":
        return _choose(field, raw)
    if field.kind in {"text", "lines"}:
        return raw
    if field.kind == "list":
        return [line.strip() for line in raw.splitlines() if line.strip()]
    if field.kind in {"date", "time", "datetime"}:
        return _parse_moment(field, raw, timezone, zone)
    plain = unicodedata.normalize("NFKC", raw).strip()  # digits of a Chinese keyboard may be full-width
    if field.kind == "boolean":
        if plain not in {"true", "false"}:
            raise UnreadableValueError(localize("必须是或否", "must be yes or no"))
        return plain == "true"
    if field.kind == "json":
        return _parse_json(field, raw)
    return _parse_number(plain, whole=field.kind == "integer")


def to_entry(field: FormField, value: Any, timezone: str = "UTC") -> str | list[str]:
    """Return what a field holds when it shows a value.

    `parse` returns the value again as far as the field can show it: a picker has no seconds, so that only the
    default keeps them, and the items of a list become texts.

    Args:
        field: The field.
        value: A JSON value; None for an empty field.
        timezone: In which date and time are shown.

    Returns:
        A text, the key of an option, or several keys; empty if the field cannot show the value.
    """
    if field.kind == "choice":
        return next((choice.key for choice in field.choices if is_json_equal(choice.value, value)), "")
    if field.kind == "choices":
        values = value if isinstance(value, list | tuple) else []
        return [
            choice.key for item in values for choice in field.choices if is_json_equal(choice.value, item)
        ]
    if value is None:
        return ""
    if field.kind == "boolean":
        return {True: "true", False: "false"}[value] if isinstance(value, bool) else ""
    if field.kind == "list" and isinstance(value, list | tuple):
        return "\n".join(map(str, value))
    if field.kind == "datetime":
        return moments.to_wall_time(value, timezone) if isinstance(value, str) else ""
    if field.kind == "time":
        return value[:5] if isinstance(value, str) and moments.is_time(value[:5]) else ""
    if field.kind == "date":
        return value if isinstance(value, str) and moments.is_date(value) else ""
    return value if isinstance(value, str) and field.kind != "json" else to_json(value)


def is_empty(raw: Any) -> bool:
    """Return whether a field was left empty: Lark leaves it out, or sends an empty text or list."""
    return raw is None or raw == [] or (isinstance(raw, str) and not raw.strip())


def _choose(field: FormField, key: Any) -> Any:
    for choice in field.choices:
        if choice.key == key:
            return choice.value
    raise UnreadableValueError(localize("没有这个选项", "is not one of the options"))


def _parse_moment(field: FormField, raw: str, timezone: str, zone: str | None) -> Any:
    # A picker knows minutes only. If it still shows the default, the default itself counts.
    default = field.default if isinstance(field.default, str) else ""
    text = moments.without_zone(raw)
    if default and any(
        text == to_entry(field, default, zone_name) for zone_name in (timezone, zone) if zone_name
    ):
        return default
    read = {"date": moments.read_date, "time": moments.read_time}.get(field.kind)
    moment = read(raw) if read is not None else moments.read_moment(raw, zone or timezone)
    if moment is None:
        raise UnreadableValueError(localize("无法识别日期或时间", "is not a readable date or time"))
    return moment


def _parse_number(text: str, *, whole: bool) -> int | float:
    if not _DECIMAL.fullmatch(text):
        example = "42" if whole else "42 / 0.5"
        kind = ("整数", "a whole number") if whole else ("数字", "a number")
        raise UnreadableValueError(
            localize(f"必须是{kind[0]}，例如 {example}", f"must be {kind[1]} such as {example}")
        )
    if math.isinf(float(text)):
        raise UnreadableValueError(localize("数字太大", "is too large a number"))
    return _parse_integer(text) if whole or _WHOLE.fullmatch(text) else float(text)


def _parse_integer(text: str) -> int:
    # Exact, where a float is not; and `int` takes neither "1e3" nor thousands of digits.
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent beyond any use
        number = Decimal("NaN")
    if number != number.to_integral_value():
        raise UnreadableValueError(localize("必须是整数，例如 42", "must be a whole number such as 42"))
    if not _INTEGERS.start <= number < _INTEGERS.stop:
        raise UnreadableValueError(localize("数字太大", "is too large a number"))
    return int(number)


def _parse_json(field: FormField, raw: str) -> Any:
    try:
        return json.loads(raw, parse_constant=_refuse)
    except (ValueError, RecursionError):
        if "string" in list_types(field.schema):
            return raw
        raise UnreadableValueError(
            localize(
                '必须是 JSON，例如 {"a": 1} 或 ["x", "y"]', 'must be JSON such as {"a": 1} or ["x", "y"]'
            )
        ) from None


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
