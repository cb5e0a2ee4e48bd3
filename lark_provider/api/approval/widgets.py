"""The widgets of an approval's form, as its definition describes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from lark_provider.protocol.errors import InvalidRequestError, LarkAPIError

NOT_CREATABLE = frozenset({"text", "mutableGroup", "account", "serialNumber", "tripGroup", "remedyGroupV2"})
"""Types that no request may fill in; one of them makes Lark refuse the whole form."""
_PEOPLE_GROUPS = "apaascorehr"


@dataclass(frozen=True, slots=True)
class Widget:
    """A field of a form.

    Attributes:
        id: Lark's id, such as `widget1`.
        custom_id: The id that the definition's author gave it, or empty.
        name: The name that people see.
        type: Lark's type, such as `input`, `radioV2` or `dateInterval`.
        is_required: Whether people must fill it in. Lark does not enforce this for API requests.
        options: Value → text of the choices, where it has some.
        children: The fields of a row, for a `fieldList`.
        currencies: The currencies of an `amount`, where the definition names them.
    """

    id: str
    custom_id: str
    name: str
    type: str
    is_required: bool = False
    options: tuple[tuple[str, str], ...] = ()
    children: tuple[Widget, ...] = ()
    currencies: tuple[str, ...] = ()

    @property
    def can_be_written(self) -> bool:
        """Whether a request may fill it in."""
        return self.type not in NOT_CREATABLE and not self.type.startswith(_PEOPLE_GROUPS)

    @property
    def names(self) -> tuple[str, ...]:
        """The names by which a caller may refer to it, ids before the visible name."""
        return tuple(name for name in (self.id, self.custom_id, self.name) if name)


def parse_form(form: str) -> tuple[Widget, ...]:
    """Read the form of a definition.

    Args:
        form: JSON, as Lark's `form` has it.

    Raises:
        LarkAPIError: It is not a list of widgets.
    """
    try:
        return tuple(_read_widget(widget) for widget in orjson.loads(form))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise LarkAPIError(
            f"Lark's definition of the approval has a form that cannot be read ({type(error).__name__}: "
            f"{error}). Next: report it; until then pass the form as Lark's own list of widgets."
        ) from error


def _read_widget(widget: Mapping[str, Any]) -> Widget:
    kind = str(widget["type"])
    options = widget.get("option") or ()
    rows = widget.get("children") or (widget.get("value") if kind == "fieldList" else None) or ()
    return Widget(
        id=str(widget["id"]),
        custom_id=str(widget.get("custom_id") or ""),
        name=str(widget.get("name") or ""),
        type=kind,
        is_required=bool(widget.get("required")),
        options=tuple(
            (str(option["value"]), str(option.get("text") or "")) for option in _select_dicts(options)
        ),
        children=tuple(_read_widget(child) for child in _select_dicts(rows)),
        currencies=tuple(str(option.get("value") or option.get("key")) for option in _select_dicts(options))
        if kind == "amount"
        else (),
    )


def _select_dicts(values: Any) -> list[Mapping[str, Any]]:
    return [value for value in values if isinstance(value, Mapping)] if isinstance(values, Sequence) else []


def find_widget(widgets: Sequence[Widget], name: str, where: str) -> Widget:
    """Return the widget that a caller names.

    Args:
        widgets: The widgets to search, those of a form or of one of its rows.
        name: The widget's id, custom_id or visible name; an id wins over a name.
        where: What the error's text calls the form.

    Raises:
        InvalidRequestError: There is none, or several with that name.
    """
    for kind in ("id", "custom_id", "name"):
        matches = [widget for widget in widgets if getattr(widget, kind) == name]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise InvalidRequestError(
                f"The name {name!r} must identify one field of {where}, and {len(matches)} have "
                f"it. Next: use the field's id: {', '.join(widget.id for widget in matches)}.",
                code=1390001,
            )
    known = ", ".join(f"{widget.id} ({widget.name})" for widget in widgets if widget.can_be_written)
    raise InvalidRequestError(
        f"{where} has no field {name!r}. Next: use one of {known or 'none: it has no field to fill in'}.",
        code=1390001,
    )
