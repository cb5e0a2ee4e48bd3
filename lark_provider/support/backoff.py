"""Pauses between attempts: exponential backoff with jitter."""

from __future__ import annotations

import random

_MAX_DOUBLINGS = 32


class Backoff:
    """Pauses between attempts, in seconds: each pause doubles, up to a maximum, with ±50 % jitter.

    Args:
        first: The first pause, before jitter.
        longest: The longest pause, before jitter.
    """

    def __init__(self, first: float, longest: float) -> None:
        self._pause, self._longest = first, longest

    def draw_pause(self) -> float:
        """Return how long to pause now."""
        pause, self._pause = self._pause, min(2 * self._pause, self._longest)
        return pause * random.uniform(0.5, 1.5)  # noqa: S311 - jitter


def pause_after(attempts: int, first: float, longest: float) -> float:
    """Return how long to pause after a number of attempts, in seconds, without jitter.

    Args:
        attempts: How many there were, 1 or more.
        first: The pause after the first one; each further one is twice as long.
        longest: The longest pause.
    """
    return min(first * 2.0 ** min(attempts - 1, _MAX_DOUBLINGS), longest)
