"""The times that a process has reserved for its requests, by app and limit."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

from lark_provider.protocol.pacing import Limit
from lark_provider.support.bounded_cache import BoundedCache
from lark_provider.support.locks import ForkSafeLock

_MOST = 4096
_SOON_SECONDS = 1.0


@dataclass(slots=True)
class _Bucket:
    """The times that this process has reserved of one limit, by the monotonic clock."""

    times: deque[float] = field(default_factory=deque)
    next_at: float = 0.0
    """Of the next time, where no database is shared."""
    reserved_at: float = 0.0
    block: int = 0


class Buckets:
    """The reserved times of a process, by app and limit."""

    def __init__(self) -> None:
        self._buckets: BoundedCache[tuple[str, Limit], _Bucket] = BoundedCache(_MOST)
        self._lock = ForkSafeLock()

    def take(self, app: str, limit: Limit) -> float | None:
        """Return the next reserved time, and use it up; None if there is none."""
        with self._lock:
            bucket = self._bucket(app, limit)
            while bucket.times:
                found = bucket.times.popleft()
                if found >= time.monotonic() - limit.burst - limit.interval:
                    return found
            return None

    def wanted(self, app: str, limit: Limit) -> int:
        """Return for how many requests to reserve: more and more while they come one after the other."""
        with self._lock:
            bucket, now = self._bucket(app, limit), time.monotonic()
            is_busy = now - bucket.reserved_at < _SOON_SECONDS
            bucket.block = min(limit.block, max(1, 2 * bucket.block)) if is_busy else 1
            bucket.reserved_at = now
            return bucket.block

    def put(self, app: str, limit: Limit, first: float, count: int) -> float:
        """Keep times that were reserved, and return the first of them."""
        with self._lock:
            bucket = self._bucket(app, limit)
            bucket.times.extend(first + each * limit.interval for each in range(1, count))
            # For when the database becomes unavailable.
            bucket.next_at = max(bucket.next_at, first + count * limit.interval)
        return first

    def reserve(self, app: str, limit: Limit) -> float:
        """Return the next time, where no database is shared."""
        with self._lock:
            bucket = self._bucket(app, limit)
            first = max(bucket.next_at, time.monotonic() - limit.burst)
            bucket.next_at = first + limit.interval
            return first

    def _bucket(self, app: str, limit: Limit) -> _Bucket:
        found = self._buckets.get((app, limit))
        if found is None:
            found = _Bucket()
            self._buckets.put((app, limit), found)
        return found
