"""What is kept of a person, in memory and in databases."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """What was said of somebody. Times are seconds since the epoch, by the clock of whoever asked.

    Attributes:
        data: The value as JSON; None is null.
        fetched_at: When Lark said so.
        expires_at: From when a clean-up may take it.
    """

    data: str
    fetched_at: float
    expires_at: float
