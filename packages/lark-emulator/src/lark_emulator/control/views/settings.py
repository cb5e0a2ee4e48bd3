"""The settings as the page shows them: values, defaults, what may be chosen, and what each is about."""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from lark_emulator.control.specs import refuse_unknown
from lark_emulator.settings import CARD_RULES, CHOICES, Settings

if TYPE_CHECKING:
    from lark_emulator.lark import Lark


def describe(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Return all settings: `name`, `value`, `default`, `about`, and `choices` if it is one of a few words."""
    refuse_unknown(spec)
    about = explain()
    defaults, choices = Settings().to_dict(), {**CHOICES, "card_rules": tuple(CARD_RULES)}
    return {
        "settings": [
            {
                "name": name,
                "value": value,
                "default": defaults[name],
                "about": about[name],
                "choices": list(choices.get(name, ())),
            }
            for name, value in lark.settings.to_dict().items()
        ]
    }


@functools.cache
def explain() -> dict[str, str]:
    """Return what each setting is about: the text behind its field in the code, which is its only place."""
    explanations: dict[str, str] = {}
    for kind in reversed(Settings.__mro__[:-1]):
        tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
        members = [member for node in tree.body if isinstance(node, ast.ClassDef) for member in node.body]
        for member, behind in pairwise(members):
            match member, behind:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    explanations[name] = " ".join(text.split())
    return explanations
