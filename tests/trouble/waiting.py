"""Waiting for a condition instead of for a time."""

from __future__ import annotations

import time
from collections.abc import Callable

SECONDS = 30.0


def wait_until(condition: Callable[[], object], seconds: float = SECONDS) -> None:
    """Look until it holds; a test whose condition never holds fails here."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
