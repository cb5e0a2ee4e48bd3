"""Cards from templates, made in Lark's card builder and filled with variables when they are sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lark_provider.protocol.errors import InvalidRequestError

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_WRONG_TEMPLATE = 230099


def template_card(
    template_id: str, template_variable: Mapping[str, Any] | None = None, template_version: str | None = None
) -> dict[str, Any]:
    """Return a card that refers to a template; it goes wherever a card does.

    Args:
        template_id: The template, such as `AAqk…`, which must be published and open to the app.
        template_variable: The value of each variable, by its type in the builder: text, a number, a boolean,
            an image key, the id of a person, a list of objects for what repeats.
        template_version: Such as `1.0.3`; None for the newest one that is published.

    Raises:
        InvalidRequestError: An argument is invalid; the text names it.
    """
    if not (isinstance(template_id, str) and _ID.fullmatch(template_id)):
        raise _make_invalid_error(
            "template_id", "the id of a card template", template_id, "copy it from the card builder"
        )
    if template_version is not None and not (
        isinstance(template_version, str) and _VERSION.fullmatch(template_version)
    ):
        raise _make_invalid_error(
            "template_version", "a version such as '1.0.3', or None", template_version, "copy it from there"
        )
    data: dict[str, Any] = {"template_id": template_id}
    if template_version is not None:
        data["template_version_name"] = template_version
    if template_variable is not None:
        if not isinstance(template_variable, Mapping):
            raise _make_invalid_error(
                "template_variable", "a dict by variable", template_variable, "pass one"
            )
        for name, value in template_variable.items():
            if not (isinstance(name, str) and name):
                raise _make_invalid_error("The name of a template variable", "a str", name, "correct it")
            if value is None:
                raise _make_invalid_error(
                    f"template_variable[{name!r}]", "a value", value, "leave the variable out, or pass ''"
                )
        data["template_variable"] = dict(template_variable)
    return {"type": "template", "data": data}


def _make_invalid_error(what: str, wanted: str, got: object, next_step: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"{what} must be {wanted}, got {str(got)[:80]!r}. Next: {next_step}.", code=_WRONG_TEMPLATE
    )
