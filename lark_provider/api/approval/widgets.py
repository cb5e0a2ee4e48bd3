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
        name: What people see.
        type: Lark's type, such as `input`, `radioV2` or `dateInterval`.
        is_required: Whether people must fill it in. Lark does not ask it of a request.
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
        """What it can be called by: ids before the name."""
        return tuple(one for one in (self.id, self.custom_id, self.name) if one)


def parse_form(form: str) -> tuple[Widget, ...]:
    """Read the form of a definition.

    Args:
        form: JSON, as Lark's `form` has it.

    Raises:
        LarkAPIError: It is not a list of widgets.
    """
    try:
        return tuple(_widget(one) for one in orjson.loads(form))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise LarkAPIError(
            f"Lark's definition of the approval has a form that cannot be read ({type(error).__name__}: "
            f"{error}). Next: report it; until then pass the form as Lark's own list of widgets."
        ) from error


def _widget(given: Mapping[str, Any]) -> Widget:
    kind = str(given["type"])
    options = given.get("option") or ()
    rows = given.get("children") or (given.get("value") if kind == "fieldList" else None) or ()
    return Widget(
        id=str(given["id"]),
        custom_id=str(given.get("custom_id") or ""),
        name=str(given.get("name") or ""),
        type=kind,
        is_required=bool(given.get("required")),
        options=tuple((str(one["value"]), str(one.get("text") or "")) for one in _dicts(options)),
        children=tuple(_widget(one) for one in _dicts(rows)),
        currencies=tuple(str(one.get("value") or one.get("key")) for one in _dicts(options))
        if kind == "amount"
        else (),
    )


def _dicts(values: Any) -> list[Mapping[str, Any]]:
    return [one for one in values if isinstance(one, Mapping)] if isinstance(values, Sequence) else []


def find_widget(widgets: Sequence[Widget], name: str, where: str) -> Widget:
    """Return the widget that a caller names.

    Args:
        widgets: The form's.
        name: Its id, custom_id or visible name; an id wins over a name.
        where: The form, for the error's text.

    Raises:
        InvalidRequestError: There is none, or several with that name.
    """
    for kind in ("id", "custom_id", "name"):
        found = [one for one in widgets if getattr(one, kind) == name]
        if len(found) == 1:
            return found[0]
        if found:
            raise InvalidRequestError(
                f"The name {name!r} must tell one field of {where} from the others, and {len(found)} have "
                f"it. Next: use the field's id: {', '.join(one.id for one in found)}.",
                code=1390001,
            )
    known = ", ".join(f"{one.id} ({one.name})" for one in widgets if one.can_be_written)
    raise InvalidRequestError(
        f"{where} has no field {name!r}. Next: use one of {known or 'none: it has no field to fill in'}.",
        code=1390001,
    )
