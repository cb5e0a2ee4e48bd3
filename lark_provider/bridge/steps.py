"""The steps that a bridge repeats."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BridgeStep:
    """Work that a bridge repeats.

    Attributes:
        name: The step's name, for log lines.
        seconds: Seconds between two runs of the work.
        work: Does the work once, and returns whether there is more to do at once.
        is_alone: Whether only the bridge that polls does it.
        wanted: An event that is set to have the work done at once.
    """

    name: str
    seconds: float
    work: Callable[[], Awaitable[object]]
    is_alone: bool = False
    wanted: asyncio.Event | None = None
