"""How long to wait before a call is made again, and when to stop."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Bounds for the repeats of one call.

    Attributes:
        max_retries: Repeats after the first try.
        max_wait: Seconds that one call may wait in all.
        base: Seconds; the first back-off is at most this, each next one at most twice as long.
        cap: Seconds; no single back-off is longer.
    """

    max_retries: int = 5
    max_wait: float = 60.0
    base: float = 0.5
    cap: float = 15.0

    def delay(self, attempt: int, waited: float, retry_after: float | None, random: float) -> float | None:
        """Say how long to wait now.

        Args:
            attempt: How many tries were made, from 1.
            waited: Seconds waited so far in this call.
            retry_after: Seconds that Lark asked for, if it did.
            random: In [0, 1); spreads the callers.

        Returns:
            Seconds, or None if the call should give up. Lark's own figure is kept to, and a tenth more
            at most, so that a crowd does not come back at once; else full jitter.
        """
        if attempt > self.max_retries:
            return None
        back_off = random * min(self.cap, self.base * 2.0 ** (attempt - 1))
        if retry_after is None:
            seconds = back_off
        else:
            # Not before Lark says; and if that turns out to be too soon, later each time.
            seconds = max(retry_after + random * max(0.05, 0.1 * retry_after), min(back_off, 1.0))
        return seconds if waited + seconds <= self.max_wait else None
