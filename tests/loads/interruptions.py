"""Attempts that are killed or frozen at a drawn point, and what a test that interrupts them counts."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from tests.loads.attempts import Attempts


class Counts(Protocol):
    """What came of a schedule."""

    seed: int
    kills: int
    freezes: int


class Interruptions:
    """Run attempts that are killed at an effect or soon after it, frozen past their lease, or left alone.

    Args:
        draw: Of the schedule's seed.
        attempts: Starts the processes.
        outcome: Where kills and freezes are counted.
        note: Is given what is known of each attempt that has ended.
        lease: The lease's seconds: a frozen process is woken within 0.3 to 2.5 times that.
    """

    def __init__(
        self,
        draw: random.Random,
        attempts: Attempts,
        outcome: Counts,
        note: Callable[[dict[str, Any]], None],
        lease: float,
    ) -> None:
        self._draw, self._attempts, self._outcome, self._note = draw, attempts, outcome, note
        self._lease = lease
        self._frozen: list[tuple[int, threading.Timer]] = []

    def point(self, effects: int, delay: float) -> dict[str, Any]:
        """Draw what an attempt's spec says about its interruption; empty for none.

        Args:
            effects: The highest number of the effect before which it comes.
            delay: For how many seconds after it at most, where the process is killed later.
        """
        kind = self._draw.choice(["kill", "kill", "kill later", "freeze", "none"])
        point: dict[str, Any] = {"at": self._draw.randint(3, effects), "signal": int(signal.SIGKILL)}
        if kind == "kill later":
            point["delay"] = self._draw.uniform(0.0, delay)
        elif kind == "freeze":
            point["signal"] = int(signal.SIGSTOP)
        return {} if kind == "none" else point

    def run(self, spec: dict[str, Any]) -> None:
        """Run an attempt until it has ended or is frozen; the latter is woken later."""
        pid = self._attempts.start(spec)
        if spec.get("signal") != signal.SIGSTOP:
            self._end(pid)
        elif stopped_or_ended(pid):
            self._outcome.freezes += 1
            wake = threading.Timer(self._draw.uniform(0.3, 2.5) * self._lease, continue_process, [pid])
            wake.start()
            self._frozen.append((pid, wake))

    def finish(self) -> None:
        """Wait until what was frozen has been woken and has ended."""
        for pid, wake in self._frozen:
            wake.join()
            self._end(pid)

    def _end(self, pid: int) -> None:
        ended = self._attempts.wait_until_ended(pid)
        assert ended is not None, f"seed {self._outcome.seed}: an attempt has not ended"
        self._outcome.kills += ended["status"] == signal.SIGKILL
        self._note(ended)


def stopped_or_ended(pid: int) -> bool:
    """Wait until a process is frozen; False if it ended before it came to that point."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        if state == "T":
            return True
        if state == "Z":
            return False
        time.sleep(0.01)
    raise AssertionError("the process neither froze nor ended")


def continue_process(pid: int) -> None:
    """Let a frozen process run."""
    os.kill(pid, signal.SIGCONT)
