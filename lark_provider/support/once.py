"""Log an event once in a process, however often it happens."""

from __future__ import annotations

from collections.abc import Hashable

_MAX_KEYS = 10_000


class Once:
    """Remember names, so that a log line about one is written once.

    Args:
        limit: How many names are remembered. When there are more, all are forgotten, to bound memory.
    """

    def __init__(self, limit: int = _MAX_KEYS) -> None:
        self._limit = limit
        self._names: set[Hashable] = set()

    def mark_first(self, name: Hashable) -> bool:
        """Remember a name, and return whether it is new.

        Args:
            name: What the line is about.
        """
        if name in self._names:
            return False
        if len(self._names) >= self._limit:
            self._names.clear()
        self._names.add(name)
        return True
