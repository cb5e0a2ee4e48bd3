"""The fields of a question's form, from Airflow's params. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from lark_provider.protocol.hitl.schema import is_json_equal, list_types

FieldKind: TypeAlias = Literal[
    "text", "lines", "list", "integer", "number", "boolean", "date", "time", "datetime", "choice", "choices",
    "json",
]  # fmt: skip
"""A line; several lines; a text a line; numbers; yes or no; …; one or several of an enumeration; any JSON."""

_PREFIX = "param:"
_UNLIKE = frozenset({"anyOf", "oneOf", "allOf", "not", "if", "$ref"})
_MOMENTS: dict[str, FieldKind] = {"date": "date", "time": "time", "date-time": "datetime"}


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
        return encode_key(self.value)


@dataclass(frozen=True, slots=True)
class FormField:
    """A field of a question's form.

    Attributes:
        name: The name of the param.
        kind: The kind of value that is entered, see `FieldKind`.
        title: What people read above it.
        description: More about it; plain text.
        default: The value that counts if it is left empty; None for nothing.
        required: Whether it must be filled in, since there is no default and empty is no valid value.
        choices: The options of an enumeration; empty for another kind.
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


def make_form_fields(params: Mapping[str, Mapping[str, Any]]) -> tuple[FormField, ...]:
    """Return the fields in which people enter the params; constants are none.

    Args:
        params: Airflow's params: `{name: {"value": default, "description": …, "schema": JSON schema}}`.
    """
    return tuple(
        _make_field(name, param) for name, param in params.items() if "const" not in _get_schema(param)
    )


def select_constants(params: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the params that have one value only, which nobody enters.

    Args:
        params: Airflow's params: `{name: {"value": default, "description": …, "schema": JSON schema}}`.
    """
    return {name: param.get("value") for name, param in params.items() if "const" in _get_schema(param)}


def has_secrets(params: Mapping[str, Mapping[str, Any]]) -> bool:
    """Return whether a password is asked for, which must not lie in a chat or a row of a click.

    Args:
        params: Airflow's params: `{name: {"value": default, "description": …, "schema": JSON schema}}`.
    """
    schemas = [_get_schema(param) for param in params.values()]
    return any(schema.get("format") == "password" or schema.get("writeOnly") is True for schema in schemas)


def encode_key(value: Any) -> str:
    """Return the key of an option on a card: JSON, since an enumeration may hold both `1` and `"1"`."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def to_json(value: Any) -> str:
    """Return a value as JSON, for people and for a field that takes JSON."""
    return json.dumps(value, ensure_ascii=False)


def _make_field(name: str, param: Mapping[str, Any]) -> FormField:
    schema, default = _get_schema(param), param.get("value")
    kind, choices = _choose_kind(schema, default)
    title, description = schema.get("title"), param.get("description") or schema.get("description")
    examples = schema.get("examples")
    types = list_types(schema)
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


def _get_schema(param: Mapping[str, Any]) -> Mapping[str, Any]:
    schema = param.get("schema")
    return schema if isinstance(schema, Mapping) else {}


def _choose_kind(schema: Mapping[str, Any], default: Any) -> tuple[FieldKind, tuple[Choice, ...]]:
    types = [type_name for type_name in list_types(schema) if type_name != "null"]
    if isinstance(schema.get("enum"), list | tuple):
        return "choice", _make_choices(schema["enum"], schema)
    if not types and not _UNLIKE & schema.keys():
        types = _infer_types(default)
    if set(types) == {"integer", "number"}:
        types = ["number"]
    if len(types) != 1:
        return "json", ()
    if types[0] == "array":
        return _choose_array_kind(schema, default)
    if types[0] == "string":
        form = schema.get("format")
        if isinstance(form, str) and form in _MOMENTS:
            return _MOMENTS[form], ()
        many = form == "multiline" or (isinstance(default, str) and "\n" in default)
        return "lines" if many else "text", ()
    simple: dict[str, FieldKind] = {"integer": "integer", "number": "number", "boolean": "boolean"}
    return simple.get(types[0], "json"), ()


def _choose_array_kind(schema: Mapping[str, Any], default: Any) -> tuple[FieldKind, tuple[Choice, ...]]:
    inner = schema.get("items")
    items: Mapping[str, Any] = inner if isinstance(inner, Mapping) else {}
    values = default if isinstance(default, list | tuple) else []
    if isinstance(items.get("enum"), list | tuple):
        return "choices", _make_choices(items["enum"], {**items, **schema})
    examples = schema.get("examples")
    if isinstance(examples, list | tuple) and examples:
        # Airflow's page offers the examples; a default that is none of them must be shown as well.
        return "choices", _make_choices([*examples, *values], schema)
    # A line is one text; texts that do not survive that are written as JSON.
    plain = all(
        isinstance(value, str) and value and value == value.strip() and len(value.splitlines()) == 1
        for value in values
    )
    is_texts = list_types(items) == ("string",) or (not items and bool(values))
    return "list" if is_texts and plain else "json", ()


def _infer_types(default: Any) -> list[str]:
    if default is None or isinstance(default, str):
        return ["string"]
    kinds = ((bool, "boolean"), (int, "integer"), (float, "number"), (list | tuple, "array"))
    # Airflow takes any value where there is no schema, also a fraction instead of the whole number.
    type_name = next((name for kind, name in kinds if isinstance(default, kind)), "object")
    return ["number" if type_name == "integer" else type_name]


def _make_choices(values: Iterable[Any], schema: Mapping[str, Any]) -> tuple[Choice, ...]:
    declared = schema.get("values_display")
    labels: Mapping[str, Any] = declared if isinstance(declared, Mapping) else {}
    choices: list[Choice] = []
    for value in values:
        if not any(is_json_equal(value, choice.value) for choice in choices):
            plain = value if isinstance(value, str) else to_json(value)
            choices.append(Choice(value, str(labels.get(plain, plain))))
    return tuple(choices)
