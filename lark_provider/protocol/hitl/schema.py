"""Check a value against a JSON schema, with errors that people can read in both languages. Pure.

It knows the keywords that Airflow's `Param` documents, and checks them as `jsonschema` does, which Airflow
uses. What it does not know passes here; the plugin validates with `jsonschema` itself as well. Patterns are
left to that, too: matching can take practically forever, and would block the event loop.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from math import isfinite
from typing import Any, TypeGuard

from lark_provider.protocol.language import LocalizedText
from lark_provider.support.text import cut

_TYPES: dict[str, tuple[str, str]] = {
    "string": ("文本", "text"),
    "integer": ("整数", "a whole number"),
    "number": ("数字", "a number"),
    "boolean": ("是或否", "yes or no"),
    "null": ("空", "empty"),
    "array": ("列表", "a list"),
    "object": ("JSON 对象", "a JSON object"),
}
_MAX_SHOWN = 20
_MAX_CHARS = 60
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})", re.ASCII)


def localize(chinese: str, english: str) -> LocalizedText:
    """Return a text in both languages."""
    return {"zh": chinese, "en": english}


def list_types(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the types that a schema allows; empty for any."""
    declared = schema.get("type")
    names = (
        [declared] if isinstance(declared, str) else declared if isinstance(declared, list | tuple) else []
    )
    return tuple(name for name in names if isinstance(name, str))


def find_fault(value: Any, schema: Mapping[str, Any]) -> LocalizedText | None:
    """Return what is wrong with a value; None if nothing is.

    Args:
        value: A JSON value.
        schema: A JSON schema.
    """
    return next(_find_faults(value, schema), None)


def is_json_equal(value: Any, other: Any) -> bool:
    """Return whether two JSON values are equal: `1` and `1.0` are, `1` and `true` are not."""
    if isinstance(value, bool) or isinstance(other, bool):
        return value is other
    if isinstance(value, list | tuple) and isinstance(other, list | tuple):
        return len(value) == len(other) and all(map(is_json_equal, value, other))
    if isinstance(value, Mapping) and isinstance(other, Mapping):
        return value.keys() == other.keys() and all(is_json_equal(value[name], other[name]) for name in value)
    return bool(value == other)


def _find_faults(value: Any, schema: Mapping[str, Any]) -> Iterator[LocalizedText]:
    types = list_types(schema)
    if types and not any(_is_a(value, type_name) for type_name in types):
        titles = [_TYPES.get(type_name, (type_name, type_name)) for type_name in types]
        yield localize(
            f"必须是{'或'.join(zh for zh, _ in titles)}", f"must be {' or '.join(en for _, en in titles)}"
        )
    allowed = schema.get("enum")
    if isinstance(allowed, list | tuple) and not any(is_json_equal(value, member) for member in allowed):
        shown = ", ".join(_shorten(member) for member in allowed[:_MAX_SHOWN])
        yield localize(f"必须是以下之一：{shown}", f"must be one of: {shown}")
    if "const" in schema and not is_json_equal(value, schema["const"]):
        shown = _shorten(schema["const"])
        yield localize(f"必须是 {shown}", f"must be {shown}")
    if isinstance(value, str):
        yield from _check_text(value, schema)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _check_number(value, schema)
    elif isinstance(value, list | tuple):
        yield from _check_list(value, schema)
    elif isinstance(value, Mapping):
        yield from _check_object(value, schema)
    yield from _check_combined(value, schema)


def _is_a(value: Any, kind: str) -> bool:
    if kind == "integer":
        return _is_number(value) and (isinstance(value, int) or value.is_integer())
    if kind == "number":
        return _is_number(value)
    kinds: dict[str, type | tuple[type, ...]] = {
        "string": str, "boolean": bool, "null": type(None), "array": (list, tuple), "object": Mapping,
    }  # fmt: skip
    return kind in kinds and isinstance(value, kinds[kind])


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_text(value: str, schema: Mapping[str, Any]) -> Iterator[LocalizedText]:
    least, most = schema.get("minLength"), schema.get("maxLength")
    if _is_number(least) and len(value) < least:
        yield localize(
            f"至少需要 {least} 个字符，现在是 {len(value)} 个",
            f"must have at least {least} characters, got {len(value)}",
        )
    if _is_number(most) and len(value) > most:
        yield localize(
            f"最多 {most} 个字符，现在是 {len(value)} 个",
            f"must have at most {most} characters, got {len(value)}",
        )
    form = schema.get("format")
    if form == "date" and not _is_date(value):
        yield localize("必须是日期，例如 2026-01-31", "must be a date such as 2026-01-31")
    if form == "time" and not _is_time(value):
        yield localize("必须是时间，例如 18:30:00", "must be a time such as 18:30:00")
    if form == "date-time" and not _is_moment(value):
        example = "2026-01-31T18:30:00+08:00"
        yield localize(
            f"必须是带时区的日期和时间，例如 {example}",
            f"must be a date and time with zone such as {example}",
        )


def _check_number(value: float, schema: Mapping[str, Any]) -> Iterator[LocalizedText]:
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    step = schema.get("multipleOf")
    if _is_number(low) and value < low:
        yield localize(f"不能小于 {low}", f"must be at least {low}")
    if _is_number(above) and value <= above:
        yield localize(f"必须大于 {above}", f"must be greater than {above}")
    if _is_number(high) and value > high:
        yield localize(f"不能大于 {high}", f"must be at most {high}")
    if _is_number(below) and value >= below:
        yield localize(f"必须小于 {below}", f"must be less than {below}")
    if _is_number(step) and step and not _divides(step, value):
        yield localize(f"必须是 {step} 的倍数", f"must be a multiple of {step}")


def _divides(step: Any, value: float) -> bool:
    if isinstance(step, float) or isinstance(value, float):
        quotient = value / step
        return isfinite(quotient) and int(quotient) == quotient
    return not value % step


def _check_list(value: list[Any] | tuple[Any, ...], schema: Mapping[str, Any]) -> Iterator[LocalizedText]:
    least, most, inner = schema.get("minItems"), schema.get("maxItems"), schema.get("items")
    if _is_number(least) and len(value) < least:
        yield localize(
            f"至少需要 {least} 项，现在是 {len(value)} 项",
            f"must have at least {least} items, got {len(value)}",
        )
    if _is_number(most) and len(value) > most:
        yield localize(
            f"最多 {most} 项，现在是 {len(value)} 项", f"must have at most {most} items, got {len(value)}"
        )
    if schema.get("uniqueItems") is True and any(
        is_json_equal(entry, other) for place, entry in enumerate(value) for other in value[:place]
    ):
        yield localize("不能有重复项", "must not contain duplicates")
    if isinstance(inner, Mapping):
        for place, item in enumerate(value, 1):
            for reason in _find_faults(item, inner):
                yield localize(f"第 {place} 项{reason['zh']}", f"item {place} {reason['en']}")


def _check_object(value: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[LocalizedText]:
    required, declared = schema.get("required"), schema.get("properties")
    properties = declared if isinstance(declared, Mapping) else {}
    for name in required if isinstance(required, list | tuple) else ():
        if name not in value:
            yield localize(f"缺少 {name}", f"must have {name}")
    for name, item in value.items():
        if isinstance(properties.get(name), Mapping):
            for reason in _find_faults(item, properties[name]):
                yield localize(f"{name}: {reason['zh']}", f"{name}: {reason['en']}")
        elif (
            name not in properties
            and schema.get("additionalProperties") is False
            and not schema.get("patternProperties")
        ):
            yield localize(f"不能有 {_shorten(name)}", f"must not have {_shorten(name)}")


def _check_combined(value: Any, schema: Mapping[str, Any]) -> Iterator[LocalizedText]:
    for subschema in _list_schemas(schema.get("allOf")):
        yield from _find_faults(value, subschema)
    for name in ("anyOf", "oneOf"):
        choices = _list_schemas(schema.get(name))
        wrong = [reason for reason in (find_fault(value, choice) for choice in choices) if reason is not None]
        if choices and len(wrong) == len(choices):
            yield localize(
                " 或 ".join(dict.fromkeys(reason["zh"] for reason in wrong)),
                " or ".join(dict.fromkeys(reason["en"] for reason in wrong)),
            )


def _list_schemas(raw: Any) -> list[Mapping[str, Any]]:
    schemas = raw if isinstance(raw, list | tuple) else []
    # `true`, which allows everything, is a schema, too.
    return [schema if isinstance(schema, Mapping) else {} for schema in schemas]


def _is_date(value: str) -> bool:
    try:
        return bool(_DATE.fullmatch(value) and date.fromisoformat(value))
    except ValueError:
        return False


def _is_time(value: str) -> bool:
    try:
        return bool(datetime.strptime(value, "%H:%M:%S"))  # noqa: DTZ007 - as jsonschema does
    except ValueError:
        return False


def _is_moment(value: str) -> bool:
    try:
        return bool(_MOMENT.fullmatch(value) and datetime.fromisoformat(value.upper()))
    except ValueError:
        return False


def _shorten(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return cut(text, _MAX_CHARS)
