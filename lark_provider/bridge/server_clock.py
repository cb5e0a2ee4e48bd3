"""The clock of a server, as its answers tell it: in whole seconds, and later than it was under load."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

_WINDOW_SECONDS = 300.0


class ServerClock:
    """Estimates a server's clock from the `Date` of its answers, never ahead of it.

    A server under load tells a time that has passed, and its answer is delayed on the way. The estimate
    therefore follows the answer of the last minutes that was delayed least. If each answer counted by itself,
    an interval measured between two of them would be wrong by the delay of one. A clock that is set back is
    noticed only after these minutes.

    Args:
        clock: Seconds, of any origin; those of this process.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # When an answer came, and how far the server is ahead of this process; the furthest first.
        self._ahead: deque[tuple[float, float]] = deque()

    def add(self, server_time: datetime) -> None:
        """Take the time that an answer tells.

        Args:
            server_time: The time.
        """
        at = self._clock()
        ahead = server_time.timestamp() - at
        while self._ahead and self._ahead[-1][1] <= ahead:
            self._ahead.pop()
        self._ahead.append((at, ahead))
        while self._ahead[0][0] < at - _WINDOW_SECONDS:
            self._ahead.popleft()

    def now(self) -> datetime:
        """Return the server's time; before its first answer, this machine's."""
        if not self._ahead:
            return datetime.now(UTC)
        return datetime.fromtimestamp(self._ahead[0][1] + self._clock(), UTC)
