"""Waiting for a condition instead of for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

SECONDS = 30.0


def wait_until(condition: Callable[[], object], seconds: float = SECONDS) -> None:
    """Look until it holds; a test whose condition never holds fails here.

    Who has waited for long looks less often: a look may be a request, and keep busy what it waits for.
    """
    begun = time.monotonic()
    while not condition():
        waited = time.monotonic() - begun
        assert waited < seconds, "waited in vain"
        time.sleep(min(max(0.01, waited / 20), 0.5))


def is_stopped(pid: int) -> bool:
    """Whether a process was stopped by a signal."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
