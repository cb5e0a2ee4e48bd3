"""The check of a value by its JSON schema, as Airflow's `Param` does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

_MAX_CHARS = 200


def load_validation() -> Callable[[object, Mapping[str, Any]], str | None]:
    """Load the library, and return a function of a value and its schema: what is wrong, shortened, or None.

    The function raises errors of any kind if the schema is invalid.
    """
    from jsonschema import FormatChecker
    from jsonschema.validators import Draft202012Validator, validator_for
    from referencing import Registry

    def find_violation(value: object, schema: Mapping[str, Any]) -> str | None:
        kind = validator_for(schema, default=Draft202012Validator)
        # An empty registry: references to other places must not be fetched from here, as Airflow would.
        checker = cast("Any", kind)(schema, registry=Registry(), format_checker=FormatChecker())
        error = next(checker.iter_errors(value), None)
        return None if error is None else str(error.message)[:_MAX_CHARS]

    return find_violation
