"""Convert the words of a command to the params of a DAG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from lark_provider.protocol.errors import InvalidRequestError

_WORDS = frozenset({"true", "false", "null"})
"""What people may write in upper case as well."""


def match_names(words: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Assign the words of a command to the names of params.

    Args:
        words: Values in the order of the names, or `name=value`.
        names: The params that `lark.yaml` opens to the command.

    Raises:
        InvalidRequestError: There are too many values, or a param is given twice.
    """
    arguments: dict[str, str] = {}
    free = iter(names)
    for word in words:
        name, mark, value = word.partition("=")
        if not mark or name not in names:
            value = word
            name = next((param for param in free if param not in arguments), "")
        elif name in arguments:
            raise InvalidRequestError(
                f"The argument {name} must be given once, got it twice. Next: remove one."
            )
        if not name:
            shown = ", ".join(names) or "none"
            raise InvalidRequestError(
                f"The arguments must be {shown}, got {value[:60]!r} as well. Next: remove it, or quote texts "
                "with spaces."
            )
        arguments[name] = value
    return arguments


def convert(arguments: Mapping[str, str], params: Mapping[str, Any]) -> dict[str, Any]:
    """Convert arguments to the types of a DAG's params.

    Args:
        arguments: Texts by param.
        params: Of the DAG, as Airflow's REST API shows them: each with its `schema`.

    Raises:
        InvalidRequestError: The DAG has no such param, or a text is not of its type.
    """
    unknown = [name for name in arguments if name not in params]
    if unknown:
        raise InvalidRequestError(
            f"The DAG must have the param {unknown[0]}, and has {', '.join(params) or 'none'}. Next: correct "
            "`arguments` in lark.yaml, or the DAG."
        )
    return {name: _parse_value(name, text, _get_types(params[name])) for name, text in arguments.items()}


def _get_types(param: Any) -> frozenset[str]:
    schema = (param.get("schema") if isinstance(param, Mapping) else None) or {}
    kind = schema.get("type")
    kinds = [kind] if isinstance(kind, str) else kind if isinstance(kind, list) else []
    if not kinds:
        kinds = _infer_types(
            schema.get("enum") or [param.get("value") if isinstance(param, Mapping) else None]
        )
    return frozenset(kinds)


def _infer_types(values: Sequence[Any]) -> list[str]:
    """Return the types of values; a param without a type takes the type of its default."""
    kinds = {bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
    return [kinds.get(type(value), "string") for value in values]


def _parse_value(name: str, text: str, types: frozenset[str]) -> Any:
    if "string" in types:
        return text
    # Only these words: the letters of texts in a list or an object stay as they were typed.
    is_word = bool(types & {"boolean", "null"}) and text.lower() in _WORDS
    try:
        value = orjson.loads(text.lower() if is_word else text)
    except orjson.JSONDecodeError:
        value = text
    if isinstance(value, str) or (isinstance(value, bool) and "boolean" not in types):
        raise InvalidRequestError(
            f"The argument {name} must be {' or '.join(sorted(types))}, got {text[:60]!r}. Next: write such "
            "a value; lists and objects as JSON, in single quotes."
        )
    return value
