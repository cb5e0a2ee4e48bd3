"""A line of progress on standard error, where that is a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")
_WIDTH, _EVERY = 30, 0.1


class Bar:
    """Draw how far a command has come, if standard error is a terminal, and clear the line at the end."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr is not None and sys.stderr.isatty()
        self._begun = self._drawn = 0.0

    def track_rows(self, rows: Iterable[T], verb: str = "Read") -> Iterator[T]:
        """Yield rows, and draw how many there were."""
        begun = time.monotonic()
        for count, row in enumerate(rows, 1):
            if self._claim_turn():
                self._draw(
                    f"{verb} {count:,} rows, {count / max(time.monotonic() - begun, 0.001):,.0f} a second"
                )
            yield row

    def wrote(self, done: int, total: int) -> None:
        """Draw how many of the records are written."""
        if not done:
            self._begun = time.monotonic()
        if total and (self._claim_turn() or done == total):
            filled = _WIDTH * done // total
            left = (time.monotonic() - self._begun) / done * (total - done) if done else 0.0
            self._draw(f"[{'#' * filled}{'.' * (_WIDTH - filled)}] {done:,} of {total:,}, {left:.0f} s left")

    def _claim_turn(self) -> bool:
        """Return whether a line is due, and if so count it as drawn now."""
        now = time.monotonic()
        if not self._is_shown or now - self._drawn < _EVERY:
            return False
        self._drawn = now
        return True

    def _draw(self, text: str) -> None:
        if self._is_shown:
            sys.stderr.write(f"\r{text}\x1b[K")
            sys.stderr.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._draw("")
