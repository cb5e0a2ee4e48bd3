"""Rate limits: per app and endpoint (429 with headers), and per receiver of messages."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from lark_emulator.clock import Clock


class Windows:
    """Counts events in windows that open with their first event.

    Lark says how many requests fit into a second or a minute, not how it counts; a fixed window is the
    simplest reading and lets exactly the documented number pass.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: dict[Hashable, list[float]] = defaultdict(lambda: [0.0, 0.0])

    def take(self, key: Hashable, rates: Sequence[Sequence[float]]) -> tuple[float, float] | None:
        """Count one event.

        Args:
            key: The identity of what is limited, such as an app's id, its tenant and the endpoint.
            rates: Pairs of a count and a period in seconds; each must hold.

        Returns:
            None if the event fits; else the limit that tripped and the seconds until it opens again. An
            event that does not fit is not counted.
        """
        now = self._clock.get_time()
        due = []
        for count, seconds in rates:
            window = self._windows[key, seconds]
            if now >= window[0] + seconds:
                window[0], window[1] = now, 0
            if window[1] >= count:
                return count, window[0] + seconds - now
            due.append(window)
        for window in due:
            window[1] += 1
        return None
