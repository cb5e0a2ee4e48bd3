"""The entry of the user cache, in memory and in databases."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CachedUser:
    """What Lark said of a user. Times are seconds since the epoch, by the clock of the fetching process.

    Attributes:
        data: The value as JSON; None is null.
        fetched_at: When Lark said so.
        expires_at: From when a clean-up may delete it.
    """

    data: str
    fetched_at: float
    expires_at: float
