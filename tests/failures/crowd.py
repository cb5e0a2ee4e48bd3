"""Many processes at once. They are forked from one that has imported everything, and begin work together.

A process costs its imports once for all of them, so that 64 are there in a second; and they are forks, as
the workers of many servers are.
"""

from __future__ import annotations

import gc
import importlib
import json
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from lark_provider.utils.logger import RedactingFormatter

ROOT = Path(__file__).parents[2]
SECONDS = 120.0
Work = Callable[..., Any]
PARENT = "parent"


@dataclass(frozen=True)
class Outcome:
    """What came of a piece of work in one process."""

    pid: int
    value: Any = None
    error: str = ""
    warnings: list[str] = field(default_factory=list)


class Crowd:
    """Processes that do what they are told, all at once.

    Args:
        count: How many.
        first: What their parent does before it forks them.
        environ: Added to the environment.
    """

    def __init__(self, count: int, first: Work | None = None, environ: Mapping[str, str] = {}) -> None:
        self._parent = subprocess.Popen(  # noqa: S603 - a fixed command
            [sys.executable, "-m", __name__, str(count), _name_work(first) if first is not None else ""],
            cwd=ROOT,
            env={**os.environ, **environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._said: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        self.pids: list[int] = []
        self.pids = json.loads(self._next())

    def _listen(self) -> None:
        assert self._parent.stdout is not None
        for line in self._parent.stdout:
            self._said.put(line)
        self._said.put("")

    def _next(self) -> str:
        line = self._said.get(timeout=SECONDS)
        assert line, "the parent of the crowd ended"
        return line

    @property
    def parent(self) -> int:
        """Return the pid of the process that forked the others."""
        return self._parent.pid

    def begin(self, work: Work, *arguments: Any, who: str | int = "") -> None:
        """Start `work` in all processes, or only in `who`: one of them by its pid, or `PARENT`."""
        assert self._parent.stdin is not None
        self._parent.stdin.write(json.dumps([who, _name_work(work), arguments]) + "\n")
        self._parent.stdin.flush()

    def outcomes(self, count: int | None = None) -> list[Outcome]:
        """Wait for outcomes, by default one of each process, and return them in order of completion."""
        wanted = len(self.pids) if count is None else count
        return [Outcome(**json.loads(self._next())) for _ in range(wanted)]

    def all(self, work: Work, *arguments: Any) -> list[Outcome]:
        """Run `work` in all processes, and return the outcomes."""
        self.begin(work, *arguments)
        return self.outcomes()

    def one(self, who: str | int, work: Work, *arguments: Any) -> Outcome:
        """Run `work` in one process, and return the outcome."""
        self.begin(work, *arguments, who=who)
        return self.outcomes(1)[0]

    def leave(self) -> None:
        """Let all processes but the parent exit normally, and wait for them."""
        for pid in self.pids:
            self.begin(sys.exit, who=pid)
        self.pids = []
        assert self.one(PARENT, _reap).error == ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        if kind is not None:
            self._kill()
        with suppress(BrokenPipeError):
            self._parent.stdin.close()
        try:
            self._parent.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
            self._parent.kill()
            raise
        finally:
            self._parent.wait()
            self._parent.stdout.close()

    def _kill(self) -> None:
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def unwrap_values(outcomes: list[Outcome]) -> list[Any]:
    """Return the values of outcomes; assert that none of them is an error."""
    failed = [outcome for outcome in outcomes if outcome.error]
    assert failed == [], failed
    return [outcome.value for outcome in outcomes]


# ── in the processes themselves ──────────────────────────────────────────────────────────────────────


def _name_work(work: Work) -> str:
    return f"{work.__module__}:{work.__qualname__}"


def _import_work(name: str) -> Work:
    module, _, attribute = name.partition(":")
    work: Work = getattr(importlib.import_module(module), attribute)
    return work


def _reap() -> None:
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


class _Warnings(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.setFormatter(RedactingFormatter())
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))


_warnings = _Warnings()


def _do(name: str, arguments: list[Any]) -> None:
    result: dict[str, Any] = {"pid": os.getpid()}
    try:
        result["value"] = _import_work(name)(*arguments)
    except Exception as error:  # noqa: BLE001 - told to whoever asked
        result["error"] = f"{type(error).__name__}: {error}"[:2000]
    result["warnings"], _warnings.texts = _warnings.texts[:4], []
    os.write(1, (json.dumps(result)[:4000] + "\n").encode())  # at once, so that no two lines mix


def _child(commands: int) -> None:
    with os.fdopen(commands) as lines:
        for line in lines:
            _do(*json.loads(line))


def main(count: int, first: str) -> None:
    """Fork processes, and pass the commands that arrive on standard input on to them."""
    importlib.import_module("tests.failures.work")
    httpx.Client().close()  # which imports the larger part of it
    logging.getLogger("lark_provider").addHandler(_warnings)
    if first:
        _import_work(first)()
    gc.freeze()
    to: dict[int, int] = {}
    for _ in range(count):
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            for other in (writing, *to.values()):
                os.close(other)
            _child(reading)
            os._exit(0)  # a normal shutdown takes half a minute for 64 forks
        os.close(reading)
        to[pid] = writing
    os.write(1, (json.dumps(list(to)) + "\n").encode())
    for line in sys.stdin:
        who, *rest = json.loads(line)
        if who == PARENT:
            _do(*rest)
        for pid in to if who == "" else {who} & set(to):
            with suppress(BrokenPipeError):
                os.write(to[pid], (json.dumps(rest) + "\n").encode())
    for writing in to.values():
        os.close(writing)
    _reap()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
