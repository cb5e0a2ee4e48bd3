"""Backoff between the attempts of a call."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Bounds for the retries of one call.

    Attributes:
        max_retries: Attempts after the first.
        max_wait: Seconds that one call may wait in all.
        base: The maximum of the first backoff, in seconds; the maximum of each further one is twice as long.
        cap: The maximum of any backoff, in seconds.
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
            random: A random number in [0, 1), which spreads the callers.

        Returns:
            Seconds, or None if the call should give up. If Lark asked for a time, the result is at least that
            and up to a tenth more, or up to a second if it is shorter, so that many callers do not return at
            once; else it has full jitter.
        """
        if attempt > self.max_retries:
            return None
        left = self.max_wait - waited
        seconds = random * min(self.cap, self.base * 2.0 ** (attempt - 1))
        if retry_after is not None:
            # Not before the time that Lark asked for. If that is very short, the backoff makes it longer.
            seconds = max(retry_after * (1 + 0.1 * random), min(seconds, 1.0))
            # Lark asks for up to a minute where it counts by the minute, which leaves no time to spread.
            seconds = max(retry_after, min(seconds, left))
        return seconds if seconds <= left else None
