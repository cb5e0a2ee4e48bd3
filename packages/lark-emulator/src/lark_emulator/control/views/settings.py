"""The settings as the page shows them: values, defaults, and what may be chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator.control.specs import only
from lark_emulator.settings import CARD_RULES, CHOICES, Settings

if TYPE_CHECKING:
    from lark_emulator.lark import Lark


def described(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Return all settings: `name`, `value`, `default`, and `choices` if it is one of a few words."""
    only(spec)
    defaults, choices = Settings().as_dict(), {**CHOICES, "card_rules": tuple(CARD_RULES)}
    return {
        "settings": [
            {"name": name, "value": value, "default": defaults[name], "choices": list(choices.get(name, ()))}
            for name, value in lark.settings.as_dict().items()
        ]
    }
