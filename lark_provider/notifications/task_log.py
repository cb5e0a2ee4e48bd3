"""Read from a task's log how the task failed.

A DAG's callback gets no exception, and a task whose process was killed calls no callback of its own. The
task's log has both. The DAG processor can read it where it shares the workers' disk: with the LocalExecutor,
or with a volume for logs. Elsewhere the notification lacks the error.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

_TAIL_BYTES = 256 * 1024
_RUNNER = ("/airflow/sdk/", "/airflow/providers/standard/")
_FAILED = "Task failed with exception"


@dataclass(frozen=True, slots=True)
class Ending:
    """How one try of a task ended.

    Attributes:
        signal: The signal that ended the process, such as `SIGKILL`; empty for an exception.
        error_type: The name of the exception's class.
        error: The exception's message.
        traceback: The exception's traceback, from the first frame of the task's own code.
    """

    signal: str = ""
    error_type: str = ""
    error: str = ""
    traceback: str = ""


def read_ending(dag_id: str, run_id: str, task_id: str, map_index: int, try_number: int = 0) -> Ending | None:
    """Return how a task instance ended.

    Args:
        dag_id: The DAG's id.
        run_id: The DAG run's id.
        task_id: The task's id.
        map_index: The index of a mapped task instance; -1 if the task is not mapped.
        try_number: The try, from 1; 0 for the last one that has a log.

    Returns:
        The ending; None if the log cannot be read here, or does not have it.
    """
    try:
        for line in reversed(_read_tail(_find_path(dag_id, run_id, task_id, map_index, try_number))):
            if '"signal_name"' in line or _FAILED in line:
                record = json.loads(line)
                if record.get("logger") != "task":  # a line that the task itself has logged
                    continue
                if isinstance(name := record.get("signal_name"), str):
                    return Ending(signal=name)
                if record.get("event") == _FAILED and record.get("error_detail"):
                    return _read_exception(record["error_detail"][0])
    except Exception:  # noqa: BLE001 - a missing or different log must not stop the notification
        return None
    return None


def _find_path(dag_id: str, run_id: str, task_id: str, map_index: int, try_number: int) -> Path:
    from airflow.sdk import conf
    from jinja2 import Template

    folder = Path(conf.get("logging", "base_log_folder"))
    render: Callable[..., str] = Template(conf.get("logging", "log_filename_template")).render
    ti = SimpleNamespace(dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index)

    def make_path(number: int) -> Path:
        ti.try_number = number
        return folder / render(ti=ti, try_number=number)

    if try_number:
        return make_path(try_number)
    tries: Iterator[Path] = itertools.takewhile(Path.exists, map(make_path, range(1, 1000)))
    return list(tries)[-1]


def _read_tail(path: Path) -> list[str]:
    with path.open("rb") as log:
        size = log.seek(0, os.SEEK_END)
        log.seek(max(0, size - _TAIL_BYTES))
        return log.read().decode(errors="replace").splitlines()


def _read_exception(detail: Mapping[str, Any]) -> Ending:
    frames = detail.get("frames") or []
    runner = [n for n, frame in enumerate(frames) if any(part in frame["filename"] for part in _RUNNER)]
    own_frames = frames[runner[-1] + 1 :] if runner else frames
    lines = [
        f'  File "{frame["filename"]}", line {frame["lineno"]}, in {frame["name"]}'
        for frame in own_frames or frames
    ]
    name, text = str(detail["exc_type"]), str(detail["exc_value"])
    shown = "\n".join(["Traceback (most recent call last):", *lines, f"{name}: {text}"])
    return Ending(error_type=name, error=text, traceback=shown)
