"""When to ping, when a silent connection counts as dead, and when to connect again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lark_provider.protocol.longconn.refusals import ConnectVerdict

SILENCE_SECONDS = 30.0
"""How many seconds longer than the interval between pings a connection may be silent."""
STEADY_SECONDS = 20.0
"""A connection that was established for fewer seconds counts as failed. Lark ends connections after multiples
of 30 s."""
QUICK_SECONDS = 2.0
"""The first attempt after an established connection has ended is made within so many seconds. Waiting as long
as Lark's configuration says would lose the clicks of up to two minutes, several times an hour."""
REFUSED_SECONDS = 900.0
_CROWDED_SECONDS, _MAX_CROWDED = 60.0, 600.0
_BOUNDS = {
    "PingInterval": ("ping_interval", 0.1, 300.0),
    "ReconnectInterval": ("reconnect_interval", 0.05, 600.0),
    "ReconnectNonce": ("reconnect_nonce", 0.0, 600.0),
}
_COUNT = "ReconnectCount"


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """The configuration that Lark sends to clients; the defaults are those of the official SDK.

    Attributes:
        ping_interval: Seconds between two pings.
        reconnect_count: The most attempts to connect again; below 0 for no limit.
        reconnect_interval: Seconds between two attempts.
        reconnect_nonce: The most seconds of a random delay before an attempt.
    """

    ping_interval: float = 120.0
    reconnect_count: int = -1
    reconnect_interval: float = 120.0
    reconnect_nonce: float = 30.0

    def with_update(self, sent: Mapping[str, Any]) -> ClientConfig:
        """Return the configuration after a change. Invalid values are ignored; others are kept within bounds.

        Args:
            sent: The changes as Lark sent them, in discovery or in a pong; other values stay.
        """
        changes: dict[str, Any] = {}
        for name, (attribute, least, most) in _BOUNDS.items():
            value = _read_number(sent.get(name))
            if value is not None and value >= least:
                changes[attribute] = min(value, most)
        count = _read_number(sent.get(_COUNT))
        if count is not None and count.is_integer():
            changes["reconnect_count"] = int(count)
        return replace(self, **changes) if changes else self

    @property
    def longest_silence(self) -> float:
        """Seconds without a message after which the connection counts as dead."""
        return self.ping_interval + SILENCE_SECONDS


def _read_number(value: object) -> float | None:
    """Return a number as Lark sent it; None for anything else."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


@dataclass(frozen=True, slots=True)
class Delay:
    """How long to wait before the next attempt.

    Attributes:
        seconds: The delay, in seconds.
        attempt: How many attempts have failed since a connection was established, this one included.
        is_exhausted: Whether the attempts that Lark allows are used up, so that the delay is long.
    """

    seconds: float
    attempt: int
    is_exhausted: bool = False


class ReconnectBackoff:
    """The delays of one app: short after an established connection, then Lark's own; long if Lark refuses."""

    def __init__(self) -> None:
        self._failures = 0
        self._crowded = 0

    def count_failure(
        self, verdict: ConnectVerdict, uptime_s: float, config: ClientConfig, random: float
    ) -> Delay:
        """Count a connection that ended, or an attempt that failed, and return the delay before the next.

        Args:
            verdict: The verdict on the failure, which decides how long to wait; see `ConnectVerdict`.
            uptime_s: How long the connection was open, in seconds; 0 if there was none.
            config: The current configuration.
            random: A random number in [0, 1), which spreads apps and processes.
        """
        if uptime_s >= STEADY_SECONDS:
            self._failures = self._crowded = 0
        self._failures += 1
        if verdict is ConnectVerdict.REFUSED:
            return Delay(REFUSED_SECONDS * (0.9 + 0.2 * random), self._failures)
        if verdict is ConnectVerdict.CROWDED:
            self._crowded += 1
            usual = min(_CROWDED_SECONDS * 2.0 ** min(self._crowded - 1, 10), _MAX_CROWDED)
            return Delay(usual * (0.5 + random), self._failures)
        if 0 <= config.reconnect_count < self._failures:
            return Delay(REFUSED_SECONDS * (0.9 + 0.2 * random), self._failures, is_exhausted=True)
        match self._failures:
            case 1:
                seconds = QUICK_SECONDS * random
            case 2:
                seconds = config.reconnect_nonce * random
            case _:
                seconds = config.reconnect_interval
        return Delay(seconds, self._failures)
