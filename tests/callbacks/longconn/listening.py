"""A process that listens, as an operator would run it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

from tests.callbacks.longconn.larkside import SECONDS, LarkSide, Link
from tests.protocol.callbacks import sender
from tests.services.processes import tree

ROOT = Path(__file__).parents[3]
HANDLER = "tests.callbacks.longconn.answering.answer"
SECRET = "a-secret-that-nobody-else-sees"
IMPATIENT = (sys.executable, "-m", "tests.callbacks.longconn.impatient")
_events = count(1)


def click(app_id: str = sender.APP, **value: Any) -> dict[str, Any]:
    """Return a click with a new event id."""
    content = sender.card({"value": value, "tag": "button"}, app_id=app_id)
    content["header"]["event_id"] = f"click-{next(_events)}"
    return content


def event_id(of: Mapping[str, Any]) -> str:
    return str(of["header"]["event_id"])


def until(condition: Callable[[], bool], what: object) -> None:
    """Wait for something outside of this process."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def _environment() -> dict[str, str]:
    ours = ("LARK_", "POSTGRES_", "RABBITMQ_")
    return {
        name: value
        for name, value in os.environ.items()
        if not (name.startswith(ours) or name.lower().endswith("_proxy"))
    }


class Listening:
    """A process that listens.

    Args:
        lark: Where it connects.
        folder: Its database and its log.
        command: Starts it.
        environment: Over what it has; what is empty is taken away.
    """

    def __init__(
        self,
        lark: LarkSide,
        folder: Path,
        command: tuple[str, ...] = (*IMPATIENT, HANDLER, "", ""),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._lark = lark
        self.database, self._log = folder / "lark.db", folder / "log"
        ours = {
            "PYTHONPATH": str(ROOT),
            "LARK_BASE_URL": lark.base_url,
            "LARK_APP_ID": sender.APP,
            "LARK_APP_SECRET": SECRET,
            "LARK_DATABASE_URL": f"sqlite:///{self.database}",
        }
        variables = _environment() | ours | dict(environment or {})
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(  # noqa: S603 - a fixed command
                command,
                env={name: value for name, value in variables.items() if value},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # what a terminal sends to all processes at once can be sent to these
            )

    @property
    def log(self) -> str:
        """Return what the process has logged so far."""
        return self._log.read_text()

    @property
    def memory(self) -> float:
        """Return the resident memory of the process, in MB."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.partition("VmRSS:")[2].split()[0]) / 1024

    @property
    def children(self) -> list[int]:
        """Return the ids of the processes that it has started; it needs none."""
        return tree(self.process.pid)[1:]

    def link(self) -> Link:
        """Wait for its next connection, of whichever app."""
        return self._lark.link(lambda: self.process.poll() is None)

    def count_stored(self) -> Counter[str]:
        """Return how often each click is in the database, by event id."""
        with closing(sqlite3.connect(self.database)) as database:
            rows = database.execute("SELECT event_id FROM card_callbacks").fetchall()
        return Counter(row[0] for row in rows)

    def payload(self, event_id: str) -> dict[str, Any]:
        """Return the payload of a click in the database."""
        with closing(sqlite3.connect(self.database)) as database:
            query = "SELECT payload FROM card_callbacks WHERE event_id = ?"
            content: dict[str, Any] = json.loads(database.execute(query, [event_id]).fetchone()[0])
        return content

    def stop(self) -> int:
        """Ask it to end; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SECONDS)

    def close(self) -> None:
        """Kill it if it still runs."""
        self.process.kill()
        self.process.wait()
