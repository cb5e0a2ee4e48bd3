"""Progress of a task that moves many rows: lines in the task log, and the end that `on_kill` asks for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk.exceptions import AirflowException

T = TypeVar("T")
LINE_PAUSE_SECONDS = 5.0
"""The pause between two lines in the task log."""


class Progress:
    """Count rows, log them every few seconds, and stop where Airflow ends the task.

    Args:
        log: The task's logger.
        every: Seconds between two lines.
        clock: Returns seconds.
    """

    def __init__(
        self, log: Any, every: float = LINE_PAUSE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.log = log
        self._every, self._clock = every, clock
        self._begun = self._told = clock()
        self._is_stopped = False

    def stop(self) -> None:
        """Let the next row raise an error. Safe in a signal handler."""
        self._is_stopped = True

    def check(self) -> None:
        """Stop the task between two chunks, if that was asked for.

        Raises:
            AirflowException: `stop` was called.
        """
        if self._is_stopped:
            raise AirflowException(
                "The task was stopped by Airflow between two chunks. Next: clear it to run it again; what "
                "is written already is not written twice."
            )

    def track_rows(self, rows: Iterable[T]) -> Iterator[T]:
        """Yield rows, and log how many there were.

        Args:
            rows: The source. A generator is closed at the end.

        Raises:
            AirflowException: `stop` was called.
        """
        begun = self._clock()
        iterator = iter(rows)
        try:
            for count, row in enumerate(iterator, 1):
                self.check()
                if self._claim_turn():
                    rate = self._compute_rate(count, begun)
                    self.log.info("Reading rows", rows=count, rows_per_s=round(rate))
                yield row
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()

    def wrote(self, done: int, total: int) -> None:
        """Log how far a write has come, and stop after the chunk in flight if that was asked for.

        Args:
            done: Records written.
            total: Records to write.

        Raises:
            AirflowException: `stop` was called.
        """
        if not done:
            self._begun = self._clock()
        elif self._claim_turn():
            rate = self._compute_rate(done, self._begun)
            left = (total - done) / rate if rate else 0.0
            fields = {"records": done, "total": total}
            self.log.info("Writing records", **fields, records_per_s=round(rate), remaining_s=round(left))
        self.check()

    def _compute_rate(self, count: int, begun: float) -> float:
        return count / max(self._clock() - begun, 0.001)

    def _claim_turn(self) -> bool:
        """Return whether a line is due, and if so count it as logged now."""
        now = self._clock()
        if now - self._told < self._every:
            return False
        self._told = now
        return True


class ProgressMixin:
    """Give an operator that moves many rows its `progress`, and stop it where Airflow ends the task."""

    if TYPE_CHECKING:

        @property
        def log(self) -> Any:
            """Return the task's logger."""

    @cached_property
    def progress(self) -> Progress:
        """Log how far the task has come."""
        return Progress(self.log)

    def on_kill(self) -> None:
        """Stop before the next row or chunk; Airflow calls this when the task is ended from outside."""
        self.progress.stop()
