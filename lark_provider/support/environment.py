"""The process's environment, as settings are read from it."""

from __future__ import annotations

import os
from collections.abc import Mapping


class _Environment(Mapping[str, str]):
    """The variables as they are when they are read; `repr` shows none, since many are secrets."""

    __getitem__ = os.environ.__getitem__
    __iter__ = os.environ.__iter__
    __len__ = os.environ.__len__

    def __repr__(self) -> str:
        return "ENVIRONMENT"


ENVIRONMENT: Mapping[str, str] = _Environment()
"""The default of all parameters that take an environment: error reporters print a function's arguments."""
_FLAGS = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(
    ("", "0", "false", "no", "off"), False
)


def parse_flag(text: str) -> bool | None:
    """Return what a setting that turns something on or off says; None if it says neither.

    Args:
        text: The setting, in lower case and without blanks around it; empty for off.
    """
    return _FLAGS.get(text)
