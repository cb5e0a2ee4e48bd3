"""The entry of the user cache, in memory and in databases."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CachedUser:
    """What Lark answered about a user. Times are seconds since the epoch, by the fetching process's clock.

    Attributes:
        data: The answer as JSON; `null` for a user that does not exist.
        fetched_at: When Lark gave the answer.
        expires_at: The time from which a clean-up may delete the entry.
    """

    data: str
    fetched_at: float
    expires_at: float
