"""The times that a process has reserved for its requests, by app and limit."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lark_provider.protocol.pacing import Limit

_MAX_BUCKETS = 4096
_SOON_SECONDS = 1.0


@dataclass(slots=True)
class _Bucket:
    """The times that this process has reserved of one limit, by the monotonic clock."""

    times: deque[float] = field(default_factory=deque)
    next_at: float = 0.0
    """The next time, where no database is shared."""
    reserved_at: float = float("-inf")
    block: int = 0


class Buckets:
    """The reserved times of a process, by app and limit. Each method handles all limits of a request."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[tuple[str, Limit], _Bucket] = OrderedDict()
        self._lock = threading.Lock()  # a forked child gets buckets of its own; see `Runtime.after_fork`

    def take(self, app: str, limits: Iterable[Limit]) -> tuple[float, list[Limit]]:
        """Use up the next reserved time of each limit.

        Args:
            app: Names the app.
            limits: What the request counts against.

        Returns:
            When it may be sent for all that these times say, and the limits that have none.
        """
        latest, missing = 0.0, []
        with self._lock:
            now = time.monotonic()
            for limit, bucket in self._get_buckets(app, limits):
                times, reserved = bucket.times, None
                while times and reserved is None:
                    reserved = times.popleft()
                    if reserved < now - limit.burst - limit.interval:
                        reserved = None
                if reserved is None:
                    missing.append(limit)
                else:
                    latest = max(latest, reserved)
        return latest, missing

    def choose_reservation_sizes(self, app: str, limits: Iterable[Limit]) -> dict[Limit, int]:
        """Return for how many requests to reserve: more and more while they come one after the other.

        Args:
            app: Names the app.
            limits: Of which no reserved time is left.
        """
        wanted = {}
        with self._lock:
            now = time.monotonic()
            for limit, bucket in self._get_buckets(app, limits):
                is_busy = now - bucket.reserved_at < _SOON_SECONDS
                bucket.block = min(limit.block, 2 * bucket.block) if is_busy else 1
                bucket.reserved_at = now
                wanted[limit] = bucket.block
        return wanted

    def put(self, app: str, firsts: Mapping[Limit, float], counts: Mapping[Limit, int]) -> None:
        """Keep times that were reserved, and use up the first of each limit.

        Args:
            app: Names the app.
            firsts: The first time, by limit.
            counts: For how many requests, by limit.
        """
        with self._lock:
            for limit, bucket in self._get_buckets(app, firsts):
                first, count = firsts[limit], counts[limit]
                bucket.times.extend(first + i * limit.interval for i in range(1, count))
                # For when the database becomes unavailable.
                bucket.next_at = max(bucket.next_at, first + count * limit.interval)

    def reserve(self, app: str, limits: Iterable[Limit], until: float) -> float:
        """Use up the next time of each limit, where no database is shared.

        Args:
            app: Names the app.
            limits: What the request counts against.
            until: The deadline of the request.

        Returns:
            When it may be sent for all that these times say. If that is not before the deadline, no time is
            used up: else requests that are never sent would delay those after them.
        """
        latest = 0.0
        with self._lock:
            now, buckets = time.monotonic(), self._get_buckets(app, limits)
            for limit, bucket in buckets:
                latest = max(latest, bucket.next_at, now - limit.burst)
            if latest < until:
                for limit, bucket in buckets:
                    bucket.next_at = max(bucket.next_at, now - limit.burst) + limit.interval
        return latest

    def _get_buckets(self, app: str, limits: Iterable[Limit]) -> list[tuple[Limit, _Bucket]]:
        buckets = []
        for limit in limits:
            buckets.append((limit, self._buckets.setdefault((app, limit), _Bucket())))
            # The least recently used bucket is dropped. Those of endpoints stay, since they are in use more
            # often than those of single receivers.
            self._buckets.move_to_end((app, limit))
            if len(self._buckets) > _MAX_BUCKETS:
                self._buckets.popitem(last=False)
        return buckets
