"""A process of sensors that hold it while they wait: one for each message id that is written to it.

A sensor whose look fails is tried again, as Airflow tries tasks again. It writes the id of what is answered.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lark_provider.errors import LarkError
from tests.protocol.callbacks import sender

_POKE_SECONDS = 0.5


class Worker:
    """The process, from outside.

    Args:
        env: Its environment.
        log: Takes what it logs.

    Attributes:
        answered: The ids of what was answered.
    """

    def __init__(self, env: Mapping[str, str], log: Path) -> None:
        self.answered: set[str] = set()
        with log.open("ab") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - ours
                [sys.executable, "-m", __name__],
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, message_ids: Iterable[str]) -> None:
        """Have a sensor wait for each."""
        assert self._process.stdin is not None
        self._process.stdin.writelines(f"{message_id}\n" for message_id in message_ids)
        self._process.stdin.flush()

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with suppress(BrokenPipeError):
                stream.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.answered.add(line.rstrip("\n"))


def _wait(message_id: str) -> None:
    from lark_provider.sensors import LarkCardCallbackSensor

    ti = {
        "dag_id": "d",
        "run_id": message_id,
        "task_id": "t",
        "map_index": -1,
        "try_number": 1,
        "max_tries": 0,
    }
    known = {"start_date": datetime.now(UTC), "get_first_reschedule_date": lambda _: None}
    context: Any = {"ti": SimpleNamespace(**ti, **known), "task": SimpleNamespace(retries=0)}
    while True:
        sensor = LarkCardCallbackSensor(
            task_id="t", message_id=message_id, app_id=sender.APP, poke_interval=_POKE_SECONDS
        )
        try:
            sys.stdout.write(sensor.execute(context)["message_id"] + "\n")
        except LarkError as error:
            if not error.retryable:
                raise
            time.sleep(_POKE_SECONDS)
        else:
            sys.stdout.flush()
            return


if __name__ == "__main__":
    for line in sys.stdin:
        threading.Thread(target=_wait, args=(line.rstrip("\n"),)).start()
