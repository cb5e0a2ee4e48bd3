"""Log events that may repeat thousands of times a second: the first one, then one a minute with a count."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

PERIOD_SECONDS = 60.0
MAX_KINDS = 32
_LONG = ("reason", "error")
"""Fields whose text may be long: a line ends with them."""

Fields: TypeAlias = Mapping[str, object]
Write: TypeAlias = Callable[..., None]
ExcInfo: TypeAlias = BaseException | None
Log: TypeAlias = Callable[[int], None]
"""Logs an event; takes how many others of its kind were suppressed since the line before."""


@dataclass(slots=True)
class _Kind:
    """The state of one kind of event."""

    due: float
    suppressed: int = 0
    log: Log | None = None


class Throttle:
    """Log at most one line for each kind of event in an interval. Safe with threads.

    `log` takes what a logger's methods take, and the method; its lines have the field `suppressed`.

    A line stands for one event and for those that it says were suppressed, so that all events are counted.

    Args:
        seconds: The interval.
        limit: How many kinds are distinguished. Further ones count as the kind that `note` names for them.
        clock: Seconds, of any origin.
    """

    def __init__(
        self,
        *,
        seconds: float = PERIOD_SECONDS,
        limit: int = MAX_KINDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds, self._limit, self._clock = seconds, limit, clock
        self._kinds: dict[Hashable, _Kind] = {}
        self._lock = threading.Lock()

    def log(
        self,
        write: Write,
        message: str,
        *,
        extra: Fields,
        kind: Hashable = None,
        exc_info: ExcInfo = None,
    ) -> None:
        """Log an event, unless a line about such an event is not due yet.

        Args:
            write: The method of the calling module's logger, such as that for warnings.
            message: The line's text, a constant.
            extra: The line's fields.
            kind: What tells apart events with the same text, such as the app; None if nothing does.
            exc_info: An exception whose traceback is logged.
        """
        self.note((message, kind), partial(_log, write, message, extra, exc_info), overflow=message)

    def note(self, kind: Hashable, log: Log, *, overflow: Hashable = None) -> None:
        """Count an event, and log it in the caller's own way if a line of its kind is due.

        Args:
            kind: The kind of event.
            log: Logs it, now or later.
            overflow: The kind that it counts as when there are too many kinds; one of few values.
        """
        now = self._clock()
        with self._lock:
            if kind not in self._kinds and len(self._kinds) >= self._limit:
                self._forget(now)
                if len(self._kinds) >= self._limit:
                    kind = ("overflow", overflow)
            state = self._kinds.get(kind)
            if state is not None and now < state.due:
                state.suppressed, state.log = state.suppressed + 1, log
                return
            suppressed = 0 if state is None else state.suppressed
            self._kinds[kind] = _Kind(now + self._seconds)
        log(suppressed)

    def flush(self, *, everything: bool = False) -> None:
        """Log the suppressed events that are due, so that the last ones of a burst are counted as well.

        Args:
            everything: Whether to log those that are not due yet too, as at the process's end.
        """
        now = self._clock()
        with self._lock:
            late = []
            for state in self._kinds.values():
                if state.log is not None and (everything or now >= state.due):
                    late.append((state.log, state.suppressed))
                    state.due, state.suppressed, state.log = now + self._seconds, 0, None
            self._forget(now)
        for log, suppressed in late:
            log(suppressed - 1)

    async def run(self) -> None:
        """Log the counts at the end of each interval, and what is left when cancelled."""
        import asyncio  # loaded by now; a process without a loop need not import it

        try:
            while True:
                await asyncio.sleep(self._seconds)
                self.flush()
        finally:
            self.flush(everything=True)

    def reset(self) -> None:
        """Log the next event of each kind at once, as when a failure is over."""
        with self._lock:
            self._kinds.clear()

    def _forget(self, now: float) -> None:
        """Drop kinds that have nothing left to say."""
        for kind, state in list(self._kinds.items()):
            if now >= state.due and state.log is None:
                del self._kinds[kind]


def _log(write: Write, message: str, extra: Fields, exc_info: ExcInfo, suppressed: int) -> None:
    last = {name: extra[name] for name in _LONG if name in extra}
    first = {name: value for name, value in extra.items() if name not in last}
    write(message, extra={**first, "suppressed": suppressed, **last}, exc_info=exc_info)
