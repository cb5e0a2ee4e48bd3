"""The check of a value by its JSON schema, as Airflow's `Param` does it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

_MOST = 200


def find_violation(value: object, schema: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a value, shortened; None if nothing is.

    Args:
        value: The value.
        schema: The schema; an invalid one raises errors of any kind.
    """
    from jsonschema import FormatChecker
    from jsonschema.validators import Draft202012Validator, validator_for
    from referencing import Registry

    kind = validator_for(schema, default=Draft202012Validator)
    # An empty registry: references to other places must not be fetched from here, as Airflow would.
    checker = cast("Any", kind)(schema, registry=Registry(), format_checker=FormatChecker())
    error = next(checker.iter_errors(value), None)
    return None if error is None else str(error.message)[:_MOST]
