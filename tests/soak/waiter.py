"""A process in which questions wait, all in one hub as in a triggerer, and how it is used from outside.

It reads a line for each question, `KEY MESSAGE OPERATOR`, and writes one for each answer, `KEY EVENT_ID …`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path

from lark_provider import metrics
from lark_provider.callbacks import waiting
from lark_provider.protocol.callbacks import CardClick
from lark_provider.protocol.waits import Wait
from tests.protocol.callbacks import sender
from tests.soak.ledger import Question

_READY = "waiting"


class Waiter:
    """The process, from outside. Questions that are open wait again after each start.

    Args:
        env: Its environment; the database and the broker are those that it names.
        log: Takes what it logs.
        on_answer: Called in a thread with a question's key and the event ids of its answer.
    """

    def __init__(
        self, env: Mapping[str, str], log: Path, on_answer: Callable[[str, tuple[str, ...]], None]
    ) -> None:
        self.process: subprocess.Popen[str] | None = None
        self._env, self._log, self._on_answer = env, log, on_answer
        self._open: dict[str, Question] = {}
        self._lock = threading.Lock()

    def start(self) -> str:
        """Start it, and return its first line."""
        with self._log.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - ours
                [sys.executable, "-m", __name__],
                env=dict(self._env),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.process = process
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, self._log.read_text()
        with self._lock:
            for question in self._open.values():
                self._write(question)
        threading.Thread(target=self._read, args=(process,), daemon=True).start()
        return line.strip()

    def ask(self, question: Question) -> None:
        """Have a question wait."""
        with self._lock:
            self._open[question.key] = question
            self._write(question)

    def _write(self, question: Question) -> None:
        if self.process is None or self.process.stdin is None:
            return
        with suppress(BrokenPipeError):  # it is dead, and gets all of them when it starts again
            self.process.stdin.write(f"{question.key} {question.message_id} {question.operator}\n")
            self.process.stdin.flush()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with suppress(ValueError):  # it was closed
            for line in process.stdout:
                if not line.endswith("\n"):
                    return  # killed while it wrote
                key, *event_ids = line.split()
                with self._lock:
                    self._open.pop(key, None)
                self._on_answer(key, tuple(event_ids))


def main() -> None:
    """Wait for what is read, until there is no more."""
    database, broker = os.environ["LARK_DATABASE_URL"], os.environ["RABBITMQ_URL"]
    metrics.start()  # it consumes the queue, too
    hub, lock = waiting.get_hub(database, broker), threading.Lock()

    def say(line: str) -> None:
        with lock:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()

    def tell(key: str, future: Future[list[CardClick]]) -> None:
        say(" ".join([key, *(click.event_id for click in future.result())]))

    say(_READY)
    for line in sys.stdin:
        key, message_id, operator = line.split()
        wait = Wait(key, (message_id,), operators=(operator,), app_id=sender.APP)
        hub.wait(wait).add_done_callback(partial(tell, key))


if __name__ == "__main__":
    main()
