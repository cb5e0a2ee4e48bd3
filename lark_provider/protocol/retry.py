"""Backoff between the attempts of a call."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Bounds for the retries of one call.

    Attributes:
        max_retries: Attempts after the first.
        max_wait: Seconds that one call may wait in all.
        base: Seconds; the first backoff is at most this, each next one at most twice as long.
        cap: Seconds; no single backoff is longer.
    """

    max_retries: int = 5
    max_wait: float = 60.0
    base: float = 0.5
    cap: float = 15.0

    def delay(self, attempt: int, waited: float, retry_after: float | None, random: float) -> float | None:
        """Return how long to wait before the next attempt.

        Args:
            attempt: How many attempts were made, from 1.
            waited: Seconds waited so far in this call.
            retry_after: Seconds that Lark asked for, if it did.
            random: In [0, 1); spreads the callers.

        Returns:
            Seconds, or None if the call should give up. At least what Lark asked for, and up to a tenth more,
            so that many callers do not come back at once; else full jitter.
        """
        if attempt > self.max_retries:
            return None
        seconds = random * min(self.cap, self.base * 2.0 ** (attempt - 1))
        if retry_after is not None:
            # Not before the time that Lark named. If that is still too soon, the backoff makes it later.
            seconds = max(retry_after * (1 + 0.1 * random), min(seconds, 1.0))
        return seconds if waited + seconds <= self.max_wait else None
