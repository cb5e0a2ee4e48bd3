"""The process's environment, as settings are read from it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping


class _Environment(Mapping[str, str]):
    """The variables as they are when they are read; `repr` shows none, since many are secrets."""

    def __getitem__(self, name: str) -> str:
        return os.environ[name]

    def __iter__(self) -> Iterator[str]:
        return iter(os.environ)

    def __len__(self) -> int:
        return len(os.environ)

    def __repr__(self) -> str:
        return "ENVIRONMENT"


ENVIRONMENT: Mapping[str, str] = _Environment()
"""The default of all parameters that take an environment: error reporters print a function's arguments."""
