"""The form of a question: fields from Airflow's params, and values from what Lark sends back. Pure.

Lark sends texts of inputs, the values of chosen options, and dates with the zone of the reader. Each becomes
a JSON value of the type that the parameter's schema asks for.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from lark_provider.protocol import moments
from lark_provider.protocol.hitl.schema import Words, equals, types_of, words

FieldKind: TypeAlias = Literal[
    "text", "lines", "list", "integer", "number", "boolean", "date", "time", "datetime", "choice", "choices",
    "json",
]  # fmt: skip
"""A line; several lines; a text a line; numbers; yes or no; …; one or several of an enumeration; any JSON."""

_PREFIX = "param:"
_DECIMAL = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_INTEGERS = range(-(2**63), 2**64)
_UNLIKE = frozenset({"anyOf", "oneOf", "allOf", "not", "if", "$ref"})
_MOMENTS: dict[str, FieldKind] = {"date": "date", "time": "time", "date-time": "datetime"}


class UnreadableValueError(ValueError):
    """What was entered is no value of the field's type.

    Attributes:
        words: Why, in each language.
    """

    def __init__(self, reason: Words) -> None:
        super().__init__(reason["en"])
        self.words = reason


@dataclass(frozen=True, slots=True)
class Choice:
    """An option of an enumeration.

    Attributes:
        value: The JSON value.
        label: What people read.
    """

    value: Any
    label: str

    @property
    def key(self) -> str:
        """What the card sends back."""
        return key_of(self.value)


@dataclass(frozen=True, slots=True)
class FormField:
    """A field of a question's form.

    Attributes:
        name: The parameter.
        kind: What is entered.
        title: What people read above it.
        description: More about it; plain text.
        default: What counts if it is left empty; None for nothing.
        required: Whether it must be filled in, since there is no default and empty is no valid value.
        choices: Of an enumeration.
        examples: Proposals for a text.
        schema: The JSON schema of the value.
    """

    name: str
    kind: FieldKind
    title: str
    description: str
    default: Any
    required: bool
    choices: tuple[Choice, ...]
    examples: tuple[str, ...]
    schema: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The name of its component on the card, and its key in `form_value`."""
        return _PREFIX + self.name


def form_fields(params: Mapping[str, Mapping[str, Any]]) -> tuple[FormField, ...]:
    """Return the fields in which people enter the params; constants are none.

    Args:
        params: Airflow's: `{name: {"value": default, "description": …, "schema": JSON schema}}`.
    """
    return tuple(_field(name, param) for name, param in params.items() if "const" not in _schema(param))


def constants(params: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the params that have one value only, which nobody enters.

    Args:
        params: As for `form_fields`.
    """
    return {name: param.get("value") for name, param in params.items() if "const" in _schema(param)}


def has_secrets(params: Mapping[str, Mapping[str, Any]]) -> bool:
    """Return whether a password is asked for, which must not lie in a chat or a row of a click.

    Args:
        params: As for `form_fields`.
    """
    schemas = [_schema(param) for param in params.values()]
    return any(one.get("format") == "password" or one.get("writeOnly") is True for one in schemas)


def parse(field: FormField, given: Any, *, timezone: str = "", zone: str | None = None) -> Any:
    """Return the JSON value of what was entered; the default if the field was left empty.

    Args:
        field: The field.
        given: From `form_value`: a text, an option's value, a list of them; None if it is missing.
        timezone: In which the card showed date and time.
        zone: Of the reader, as Lark names it.

    Raises:
        UnreadableValueError: It is no value of the field's type, or nothing was entered where something must.
    """
    if is_empty(given):
        if field.required:
            raise UnreadableValueError(words("必填", "must be filled in"))
        return field.default
    if field.kind == "choices":
        return [_chosen(field, one) for one in (given if isinstance(given, list | tuple) else [given])]
    if isinstance(given, bool) and field.kind == "boolean":
        return given
    if not isinstance(given, str):
        raise UnreadableValueError(words("无法识别输入的内容", "is not readable; enter it again"))
    if field.kind == "choice":
        return _chosen(field, given)
    if field.kind in {"text", "lines"}:
        return given
    if field.kind == "list":
        return [line.strip() for line in given.splitlines() if line.strip()]
    if field.kind in {"date", "time", "datetime"}:
        return _moment(field, given, timezone, zone)
    plain = unicodedata.normalize("NFKC", given).strip()  # digits of a Chinese keyboard may be full-width
    if field.kind == "boolean":
        if plain not in {"true", "false"}:
            raise UnreadableValueError(words("必须是或否", "must be yes or no"))
        return plain == "true"
    if field.kind == "json":
        return _json(field, given)
    return _number(plain, whole=field.kind == "integer")


def entry(field: FormField, value: Any, timezone: str = "UTC") -> str | list[str]:
    """Return what a field holds when it shows a value; `parse` returns the value again.

    Args:
        field: The field.
        value: A JSON value; None for an empty field.
        timezone: In which date and time are shown.

    Returns:
        A text, the key of an option, or several keys; empty if the field cannot show the value.
    """
    if field.kind == "choice":
        return next((one.key for one in field.choices if equals(one.value, value)), "")
    if field.kind == "choices":
        given = value if isinstance(value, list | tuple) else []
        return [one.key for one in field.choices if any(equals(one.value, item) for item in given)]
    if value is None:
        return ""
    if field.kind == "boolean":
        return {True: "true", False: "false"}[value] if isinstance(value, bool) else ""
    if field.kind == "list" and isinstance(value, list | tuple):
        return "\n".join(map(str, value))
    if field.kind == "datetime":
        return moments.wall(value, timezone) if isinstance(value, str) else ""
    if field.kind == "time":
        return value[:5] if isinstance(value, str) and moments.is_time(value[:5]) else ""
    if field.kind == "date":
        return value if isinstance(value, str) and moments.is_date(value) else ""
    return value if isinstance(value, str) and field.kind != "json" else written(value)


def key_of(value: Any) -> str:
    """Return what stands for an option on a card: JSON, since an enumeration may hold both `1` and `"1"`."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def written(value: Any) -> str:
    """Return a value as JSON, for people and for a field that takes JSON."""
    return json.dumps(value, ensure_ascii=False)


def is_empty(given: Any) -> bool:
    """Return whether a field was left empty: Lark leaves it out, or sends an empty text or list."""
    return given is None or given == [] or (isinstance(given, str) and not given.strip())


def _field(name: str, param: Mapping[str, Any]) -> FormField:
    schema, default = _schema(param), param.get("value")
    kind, choices = _kind(schema, default)
    title, description = schema.get("title"), param.get("description") or schema.get("description")
    examples = schema.get("examples")
    types = types_of(schema)
    nullable = not types or "null" in types
    return FormField(
        name=name,
        kind=kind,
        title=str(title or name),
        description=str(description or schema.get("description_md") or ""),
        default=default,
        required=default is None and not nullable,
        choices=choices,
        examples=tuple(map(str, examples)) if isinstance(examples, list | tuple) and not choices else (),
        schema=schema,
    )


def _schema(param: Mapping[str, Any]) -> Mapping[str, Any]:
    found = param.get("schema")
    return found if isinstance(found, Mapping) else {}


def _kind(schema: Mapping[str, Any], default: Any) -> tuple[FieldKind, tuple[Choice, ...]]:
    types = [one for one in types_of(schema) if one != "null"]
    if isinstance(schema.get("enum"), list | tuple):
        return "choice", _choices(schema["enum"], schema)
    if not types and not _UNLIKE & schema.keys():
        types = _types_like(default)
    if set(types) == {"integer", "number"}:
        types = ["number"]
    if len(types) != 1:
        return "json", ()
    if types[0] == "array":
        return _array(schema, default)
    if types[0] == "string":
        form = schema.get("format")
        if isinstance(form, str) and form in _MOMENTS:
            return _MOMENTS[form], ()
        many = form == "multiline" or (isinstance(default, str) and "\n" in default)
        return "lines" if many else "text", ()
    simple: dict[str, FieldKind] = {"integer": "integer", "number": "number", "boolean": "boolean"}
    return simple.get(types[0], "json"), ()


def _array(schema: Mapping[str, Any], default: Any) -> tuple[FieldKind, tuple[Choice, ...]]:
    inner = schema.get("items")
    items: Mapping[str, Any] = inner if isinstance(inner, Mapping) else {}
    values = default if isinstance(default, list | tuple) else []
    if isinstance(items.get("enum"), list | tuple):
        return "choices", _choices(items["enum"], {**items, **schema})
    examples = schema.get("examples")
    if isinstance(examples, list | tuple) and examples:
        # Airflow's page offers the examples; a default that is none of them must be shown as well.
        return "choices", _choices([*examples, *values], schema)
    # A line is one text; texts that do not survive that are written as JSON.
    plain = all(
        isinstance(one, str) and one and one == one.strip() and len(one.splitlines()) == 1 for one in values
    )
    is_texts = types_of(items) == ("string",) or (not items and bool(values))
    return "list" if is_texts and plain else "json", ()


def _types_like(default: Any) -> list[str]:
    if default is None or isinstance(default, str):
        return ["string"]
    kinds = ((bool, "boolean"), (int, "integer"), (float, "number"), (list | tuple, "array"))
    # Airflow takes any value where there is no schema, also a fraction instead of the whole number.
    found = next((name for kind, name in kinds if isinstance(default, kind)), "object")
    return ["number" if found == "integer" else found]


def _choices(values: Iterable[Any], schema: Mapping[str, Any]) -> tuple[Choice, ...]:
    labels = schema.get("values_display")
    named: Mapping[str, Any] = labels if isinstance(labels, Mapping) else {}
    found: list[Choice] = []
    for value in values:
        if not any(equals(value, one.value) for one in found):
            plain = value if isinstance(value, str) else written(value)
            found.append(Choice(value, str(named.get(plain, plain))))
    return tuple(found)


def _chosen(field: FormField, key: Any) -> Any:
    for choice in field.choices:
        if choice.key == key:
            return choice.value
    raise UnreadableValueError(words("没有这个选项", "is not one of the options"))


def _moment(field: FormField, given: str, timezone: str, zone: str | None) -> Any:
    # A picker knows minutes only. If it still shows the default, the default itself counts.
    default = field.default if isinstance(field.default, str) else ""
    bare = moments.bare(given)
    if default and any(bare == entry(field, default, one) for one in (timezone, zone) if one):
        return default
    read = {"date": moments.read_date, "time": moments.read_time}.get(field.kind)
    found = read(given) if read is not None else moments.read_moment(given, zone or timezone)
    if found is None:
        raise UnreadableValueError(words("无法识别日期或时间", "is not a readable date or time"))
    return found


def _number(text: str, *, whole: bool) -> int | float:
    if _WHOLE.fullmatch(text):
        value = int(text)
        if value in _INTEGERS:
            return value
        raise UnreadableValueError(words("数字太大", "is too large a number"))
    if not _DECIMAL.fullmatch(text):
        example = "42" if whole else "42 / 0.5"
        kind = ("整数", "a whole number") if whole else ("数字", "a number")
        raise UnreadableValueError(
            words(f"必须是{kind[0]},例如 {example}", f"must be {kind[1]} such as {example}")
        )
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise UnreadableValueError(words("数字太大", "is too large a number"))
    if whole and not number.is_integer():
        raise UnreadableValueError(words("必须是整数,例如 42", "must be a whole number such as 42"))
    return number


def _json(field: FormField, given: str) -> Any:
    try:
        return json.loads(given, parse_constant=_refuse)
    except (ValueError, RecursionError):
        if "string" in types_of(field.schema):
            return given
        raise UnreadableValueError(
            words('必须是 JSON,例如 {"a": 1} 或 ["x", "y"]', 'must be JSON such as {"a": 1} or ["x", "y"]')
        ) from None


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
