"""Attempts of a load, each in a process of its own that is killed or frozen at a chosen point.

The processes are forked from one that has imported everything; it reads attempts from its input, a line of
JSON each, and answers with lines: `{"pid": …}` when one has begun, `{"pid": …, "status": …, "said": …}` when
it has ended.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc.fitting import Fitting
from lark_provider.api.clouddoc.loads.options import LoadOptions
from lark_provider.api.clouddoc.loads.procedure import load
from lark_provider.api.clouddoc.results import BulkResult
from lark_provider.engine import http as http_library
from lark_provider.errors import LarkError
from lark_provider.protocol.operations import Procedure

ROOT = Path(__file__).parents[2]
SECONDS = 90.0


def yield_rows(
    count: int, changed: int | None = None, bad: frozenset[int] = frozenset()
) -> Iterator[dict[str, Any]]:
    """Yield the source's rows; Lark refuses the bad ones."""
    for number in range(count):
        row = {"No": number, "Name": f"row {number}{' changed' if number == changed else ''}"}
        yield {**row, "Who": "ou_nobody"} if number in bad else row


def disturb(steps: Procedure[Any], at: int, act: Callable[[], None], delay: float | None) -> Procedure[Any]:
    """Run steps, and act before the effect of a number; or so many seconds after that effect began."""
    answer: Any = None
    error: Exception | None = None
    number = 0
    while True:
        try:
            effect = steps.send(answer) if error is None else steps.throw(error)
        except StopIteration as stop:
            return stop.value
        answer = error = None
        if number == at:
            if delay is None:
                act()
            else:
                threading.Timer(delay, act).start()
        number += 1
        try:
            answer = yield effect
        except Exception as raised:  # noqa: BLE001 - of whatever kind, it is the steps' own
            error = raised


def perform(
    steps: Procedure[Any], spec: dict[str, Any], shown: Callable[[Any], dict[str, Any]]
) -> dict[str, Any]:
    """Perform steps in this process, which sends itself a signal at the point that the spec names, if any.

    Returns:
        What `shown` says about the result, and the seconds that it took; or the error of ours.
    """
    if spec.get("at") is not None:
        sent = signal.Signals(spec["signal"])
        steps = disturb(steps, spec["at"], lambda: os.kill(os.getpid(), sent), spec.get("delay"))
    began = time.monotonic()
    try:
        result = LarkServiceClient().perform(steps)
    except LarkError as failure:
        return {"error": f"{type(failure).__name__}: {failure}", "retryable": failure.retryable}
    return {**shown(result), "seconds": time.monotonic() - began}


def attempt(spec: dict[str, Any]) -> dict[str, Any]:
    """Load, in this process."""
    options = LoadOptions(
        user_id_type="open_id",
        zone=None,
        convert=True,
        empty_as_none=False,
        keep_ids=True,
        **spec["options"],
    )
    source = yield_rows(spec["rows"], spec.get("changed"), frozenset(spec.get("bad", ())))
    fitting = Fitting(None, 1000)
    steps: Procedure[Any] = load(spec["app_token"], spec["table_id"], source, spec["key"], options, fitting)

    def describe_result(result: BulkResult) -> dict[str, Any]:
        return {
            "written": result.written,
            "replayed": result.replayed,
            "chunks": result.chunks,
            "ids": result.record_ids,
            "rejected": [reject.row - 1 for reject in fitting.rejected],
        }

    return perform(steps, spec, describe_result)


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _main() -> None:
    """Fork a process for each line of the input."""
    # What a client imports when it is first used.
    for name in ("storage.store", "storage.urls", "storage.migrate"):
        importlib.import_module(f"lark_provider.{name}")
    for name in sys.argv[1:]:
        importlib.import_module(name)
    http_library.choose_library()
    children: dict[int, int] = {}
    lock = threading.Lock()

    def reap(pid: int, reading: int) -> None:
        with os.fdopen(reading) as pipe:
            said = pipe.read()
        _, status = os.waitpid(pid, 0)
        with lock:
            children.pop(pid, None)
            line = {"pid": pid, "status": status, "said": json.loads(said) if said else None}
            _say(line)

    for line in sys.stdin:
        spec = json.loads(line)
        reading, writing = os.pipe()
        with lock:  # no other thread holds a lock of ours in the child
            pid = os.fork()
            if pid == 0:
                os.close(reading)
                _child(spec, writing)
            os.close(writing)
            children[pid] = reading
            _say({"pid": pid})
        threading.Thread(target=reap, args=(pid, reading), daemon=True).start()


def _child(spec: dict[str, Any], writing: int) -> None:
    code = 1
    os.dup2(2, 1)  # what an attempt prints is no answer
    try:
        os.environ.update(spec["environ"])
        work = importlib.import_module(spec["module"]).attempt if "module" in spec else attempt
        said = work(spec)
        with os.fdopen(writing, "w") as pipe:
            pipe.write(json.dumps(said))
        code = 0
    finally:
        os._exit(code)


class Attempts:
    """The process that forks the attempts, and what they said.

    Args:
        environ: Added to the environment of each.
        preload: A module that is imported before the processes are forked.
    """

    def __init__(self, environ: dict[str, str], preload: str | None = None) -> None:
        self._environ = environ
        self._parent = subprocess.Popen(  # noqa: S603 - a fixed command
            [sys.executable, "-m", __name__, *([preload] if preload else [])],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._begun: queue.Queue[int] = queue.Queue()
        self._ended: dict[int, queue.Queue[Any]] = {}
        self._lock, self._starting = threading.Lock(), threading.Lock()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._parent.stdout is not None
        for line in self._parent.stdout:
            said = json.loads(line)
            if "status" in said:
                self._end(said["pid"]).put(said)
            else:
                self._begun.put(said["pid"])

    def _end(self, pid: int) -> queue.Queue[Any]:
        with self._lock:
            return self._ended.setdefault(pid, queue.Queue())

    def start(self, spec: dict[str, Any]) -> int:
        """Begin an attempt, and return its process id."""
        assert self._parent.stdin is not None
        with self._starting:  # or two threads could take each other's process
            self._parent.stdin.write(json.dumps({**spec, "environ": self._environ}) + "\n")
            self._parent.stdin.flush()
            return self._begun.get(timeout=SECONDS)

    def wait_until_ended(self, pid: int, seconds: float = SECONDS) -> dict[str, Any] | None:
        """Wait until an attempt has ended; None if it has not."""
        try:
            outcome: dict[str, Any] = self._end(pid).get(timeout=seconds)
        except queue.Empty:
            return None
        return outcome

    def run(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Make an attempt, and return what it said, which is nothing if it was killed."""
        outcome = self.wait_until_ended(self.start(spec))
        assert outcome is not None, "the attempt has not ended in time"
        return outcome["said"] or {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.close()
        self._parent.wait(SECONDS)
        self._listener.join(SECONDS)
        self._parent.stdout.close()


if __name__ == "__main__":
    _main()
