"""The emulator's own time, which tests may move forward, and what is due at some point of it."""

from __future__ import annotations

import heapq
import itertools
import time
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: Lark's time stamps are of this century; beyond the year 9999 no date can be written at all.
MAX_AHEAD = 100 * 365 * 24 * 3600

#: Of the `Date` header, in English whatever the locale of the process.
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@lru_cache(maxsize=1)
def format_http_date(seconds: int) -> str:
    """Return a time as HTTP writes it (RFC 9110): `Sun, 06 Nov 1994 08:49:37 GMT`.

    Args:
        seconds: Seconds since the epoch. Many answers fall into one second, so the last text is cached.
    """
    at = time.gmtime(seconds)
    day, month = _DAYS[at.tm_wday], _MONTHS[at.tm_mon - 1]
    return f"{day}, {at.tm_mday:02} {month} {at.tm_year:04} {at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} GMT"


class Clock:
    """Wall time that never runs backwards and can be advanced by hand.

    Args:
        changed: A function that is called when an alarm is set or the clock is advanced, so that something
            may be due earlier.
    """

    def __init__(self, changed: Callable[[], object] = lambda: None) -> None:
        self._origin = time.time() - time.monotonic()
        self._ahead = 0.0
        self._changed = changed
        self._alarms: list[tuple[float, int, Callable[[float], None]]] = []
        self._numbers = itertools.count()

    def get_time(self) -> float:
        """Return seconds since the epoch."""
        return self._origin + time.monotonic() + self._ahead

    def get_time_ms(self) -> int:
        """Return milliseconds since the epoch, the unit of Lark's own time stamps."""
        return int(self.get_time() * 1000)

    @property
    def ahead(self) -> float:
        """How far it was advanced, in seconds."""
        return self._ahead

    def advance(self, seconds: float) -> None:
        """Jump ahead.

        Args:
            seconds: How far to advance the clock, in seconds; never negative.

        Raises:
            ValueError: the clock cannot be turned back, nor be a century ahead.
        """
        self.check(seconds)
        self._ahead += seconds
        self._changed()

    def check(self, seconds: float) -> None:
        """Check that the clock can be advanced by so much.

        Raises:
            ValueError: it cannot be turned back, nor be a century ahead.
        """
        if seconds < 0:
            raise ValueError(f"the clock only moves forward, not by {seconds:g} seconds")
        if self._ahead + seconds > MAX_AHEAD:
            raise ValueError(
                f"the clock can be {MAX_AHEAD:,} seconds (100 years) ahead, not {self._ahead + seconds:g}. "
                "Next: give seconds, not milliseconds or nanoseconds"
            )

    def set_alarm(self, due: float, action: Callable[[float], None]) -> None:
        """Set an alarm.

        Args:
            due: The time of the alarm, in seconds since the epoch.
            action: A function that is called with `due` the first time that the clock is checked after it.
                Repeated alarms count from `due`, so that a long jump has the same effect as the time that it
                skips.
        """
        heapq.heappush(self._alarms, (due, next(self._numbers), action))
        self._changed()

    def until_due(self) -> float | None:
        """Return the seconds until the next alarm, or None."""
        return max(0.0, self._alarms[0][0] - self.get_time()) if self._alarms else None

    def ring(self) -> None:
        """Perform what is due, in the order of time."""
        while self._alarms and self._alarms[0][0] <= self.get_time():
            due, _, action = heapq.heappop(self._alarms)
            action(due)
