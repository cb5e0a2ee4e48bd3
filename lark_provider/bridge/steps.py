"""What a bridge repeats."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """Work that a bridge repeats.

    Attributes:
        name: For logs.
        seconds: Between two times.
        work: Does it once; whether there is more to do at once.
        is_alone: Whether only the bridge that polls does it.
    """

    name: str
    seconds: float
    work: Callable[[], Awaitable[object]]
    is_alone: bool = False
