"""Waiting, and whether a long connection works."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from tests.emulator.wire_client import SECONDS, Wire

if TYPE_CHECKING:
    from lark_emulator import Emulator


SHORT = 0.05


def wait(until: Callable[[], Any]) -> Any:
    """Wait for something to become true, and return it."""
    deadline = time.monotonic() + SECONDS
    while not (value := until()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.005)
    return value


def works(lark: Emulator, wire: Wire) -> bool:
    """Say whether an event goes over a connection and is acknowledged."""
    with ThreadPoolExecutor(1) as pool:
        pushed = pool.submit(lark.push_event, "x", {})
        wire.ack(wire.take())
        return bool(pushed.result(SECONDS)["state"] == "delivered")
