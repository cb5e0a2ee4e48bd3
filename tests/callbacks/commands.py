"""`lark-provider callbacks …` as processes of their own, to be killed and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.callbacks import mq
from tests.protocol.callbacks import sender

OURS = ("LARK_", "POSTGRES_", "RABBITMQ_")
ROOT = str(Path(__file__).parents[2])
KEYS = {
    "LARK_APP_ID": sender.APP,
    "LARK_EVENT_ENCRYPT_KEY": sender.KEY,
    "LARK_EVENT_VERIFICATION_TOKEN": sender.TOKEN,
}


RUNNING: set[Command] = set()
"""Those that have been started and not ended, for a test that fails between the two."""


class Command:
    """One of the commands.

    Args:
        log: Takes what it prints beside its first line.
        words: What follows `lark-provider callbacks`.
        settings: Its environment, beside what is not ours.
        prefix: A program that runs it, with its arguments.
    """

    def __init__(
        self, log: Path, *words: str, settings: Mapping[str, str], prefix: Sequence[str] = ()
    ) -> None:
        self.log, self._words, self._prefix = log, words, prefix
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        self._env = {**inherited, "PYTHONPATH": ROOT, **settings}
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> str:
        """Start it, and return the line that says that it has started."""
        command = [*self._prefix, sys.executable, "-m", "lark_provider.cli", "callbacks", *self._words]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - ours
                command, env=self._env, stdout=subprocess.PIPE, stderr=log, text=True
            )
        RUNNING.add(self)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.log.read_text()
        return line.strip()

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, unless it has ended, and wait until it has."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(mq.LIMIT)
        assert self.process.stdout is not None
        self.process.stdout.close()
        RUNNING.discard(self)
        return code

    def kill(self) -> None:
        """Kill it without a warning."""
        self.end(signal.SIGKILL)


def gateway(log: Path, port: int, *words: str, **settings: str) -> Command:
    """Return the command `callbacks serve` for the app of `sender`."""
    return Command(log, "serve", "--port", str(port), *words, settings={**KEYS, **settings})


def ready(url: str) -> bool:
    """Return whether all sinks of a gateway are ready; False while it does not answer."""
    try:
        answer = httpx.get(f"http://{urlsplit(url).netloc}/readyz")
    except httpx.TransportError:
        return False
    return all(answer.json()["sinks"].values())
