"""The emulator's own time, which tests may move forward."""

from __future__ import annotations

import time


class Clock:
    """Wall time that never runs backwards and can be advanced by hand."""

    def __init__(self) -> None:
        self._origin = time.time() - time.monotonic()
        self._ahead = 0.0

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self._origin + time.monotonic() + self._ahead

    def now_ms(self) -> int:
        """Return milliseconds since the epoch, the unit of Lark's own time stamps."""
        return int(self.now() * 1000)

    def advance(self, seconds: float) -> None:
        """Jump ahead.

        Args:
            seconds: how far; never negative.

        Raises:
            ValueError: the clock cannot be turned back.
        """
        if seconds < 0:
            raise ValueError("the clock only moves forward")
        self._ahead += seconds
