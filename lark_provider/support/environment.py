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
