"""Times of the system's clock, which may be set back."""

from __future__ import annotations

from math import inf

_SLACK_SECONDS = 1.0
"""Sums of seconds since the epoch are not exact, and clocks are corrected by small steps all the time."""


def is_pending(until: float, now: float, longest: float) -> bool:
    """Return whether a time that was set at most `longest` seconds ahead has not come yet.

    A clock that is set back, as after a start with a wrong time, would put it off by as much. Such a time
    counts as past.

    Args:
        until: The time, in seconds since the epoch; infinity for one that never comes.
        now: Seconds since the epoch.
        longest: How far ahead it was set at most, in seconds.
    """
    return now < until and (until - now <= longest + _SLACK_SECONDS or until == inf)
