"""What a client sends when a card is used, as Lark's pages describe it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lark_provider.protocol.callbacks import Action

_INITIAL = {
    "input": "default_value",
    "select_static": "initial_option",
    "multi_select_static": "selected_values",
    "date_picker": "initial_date",
    "picker_time": "initial_time",
    "picker_datetime": "initial_datetime",
}


def read_untouched(card: Any) -> dict[str, Any]:
    """Return the `form_value` of a form in which nothing was entered.

    Args:
        card: The card.
    """
    form_value: dict[str, Any] = {}
    for node in card.values() if isinstance(card, Mapping) else card if isinstance(card, list) else ():
        form_value |= read_untouched(node)
    if isinstance(card, Mapping) and card.get("tag") in _INITIAL:
        shown = card.get(_INITIAL[card["tag"]], [] if card["tag"].startswith("multi") else "")
        is_picked = isinstance(shown, str) and shown and "picker" in card["tag"]
        form_value[card["name"]] = f"{shown} +0800" if is_picked else shown
    return form_value


def action_on(card: Any, name: str, form: Mapping[str, Any]) -> Action:
    """Return the action that Lark sends for a click on a button.

    Args:
        card: The card.
        name: The name of the button.
        form: The values of the form that contains the button, if it submits one.
    """
    value, submits = _button(card, name)
    return Action(
        tag="button",
        name=name,
        value=value,
        form_value=dict(form) if submits else None,
        timezone="Asia/Shanghai" if submits else None,
    )


def _button(card: Any, name: str) -> tuple[Any, bool]:
    if isinstance(card, Mapping) and card.get("tag") == "button" and card.get("name") == name:
        return card["behaviors"][0]["value"], card.get("form_action_type") == "submit"
    for node in card.values() if isinstance(card, Mapping) else card if isinstance(card, list) else ():
        value, submits = _button(node, name)
        if value is not None:
            return value, submits
    return None, False
