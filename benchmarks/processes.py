"""The processes of a run: the stub, a worker for each contender, and fresh ones for what is measured cold.

All of them end with their standard input, and at the latest when their own alarm rings.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.environments import Environments

COLD_SECONDS = 60
LIFE_SECONDS = 1800  # after which every process of a run ends, whatever became of the others
_TAIL = """
import json, sys, time
done = time.monotonic()
hwm = open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]
print(json.dumps({**found, "done": done, "peak": int(hwm)}))
"""


@dataclass(frozen=True)
class Lab:
    """Where everything runs.

    Attributes:
        env: The environment of all processes.
        environments: What is installed for each of them.
        contenders: Who can be measured.
    """

    env: dict[str, str]
    environments: Environments
    contenders: tuple[str, ...]

    def worker(self, contender: str, url: str) -> Process:
        """Start a process that measures a contender against the stub."""
        return Process(self.env, "worker", contender, url, python=self.environments.python(contender))

    def cold(self, where: str, code: str) -> dict[str, Any]:
        """Run code in a fresh interpreter of an environment: see `cold`."""
        return cold(self.env, code, self.environments.python(where))


def environment(home: str) -> dict[str, str]:
    """Return the environment of all processes: no proxy to the loopback, and no settings of the user's.

    `home` gets links to the benchmarks, so that the processes import these and not the package beside them:
    what is measured is what pip has installed.
    """
    path = Path(home) / "path"
    path.mkdir(exist_ok=True)
    for name in ("benchmarks", "tests", "example_dags"):
        if not (link := path / name).exists():
            link.symlink_to(Path(__file__).parents[1] / name)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and not name.startswith(("LARK_", "AIRFLOW"))
    }
    # Rows measure what the client can do, and not the rates that Lark allows.
    ours = {"AIRFLOW_HOME": home, "LARK_PACING": "0", "PYTHONSAFEPATH": "1", "PYTHONPATH": str(path)}
    return {**kept, **ours}


class Process:
    """A module of this package in a process of its own, to which lines are written and read.

    Args:
        env: Its environment.
        arguments: The module's name in this package, and its arguments.
        python: Its interpreter.
    """

    def __init__(self, env: dict[str, str], *arguments: str, python: Path = Path(sys.executable)) -> None:
        command = [str(python), "-m", f"benchmarks.{arguments[0]}", *arguments[1:]]
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def read(self) -> str:
        """Read and return the process's next line.

        Raises:
            RuntimeError: The process ended instead; it has written the reason to the standard error.
        """
        assert self._process.stdout is not None  # noqa: S101 - asked for above
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(map(str, self._process.args))} ended early")  # type: ignore[arg-type]
        return line.strip()

    def ask(self, job: str, count: int) -> dict[str, float]:
        """Give the worker a job with a count, and return what it cost."""
        assert self._process.stdin is not None  # noqa: S101 - asked for above
        self._process.stdin.write(f"{job} {count}\n")
        self._process.stdin.flush()
        cost: dict[str, float] = json.loads(self.read())
        return cost

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._process.kill()
        self._process.communicate()  # closes its input, and waits


def cold(env: dict[str, str], code: str, python: Path) -> dict[str, Any]:
    """Run code in a fresh interpreter.

    Args:
        env: Its environment.
        code: Sets `found`, a dict of what it measured itself.
        python: The interpreter.

    Returns:
        `found`, with `wall`, the seconds from the start of the process to the end of the code, and `peak`,
        the most memory it had, in KB.
    """
    started = time.monotonic()  # one clock for all processes
    done = subprocess.run(  # noqa: S603 - ourselves
        [str(python), "-c", code + _TAIL],
        env=env,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=COLD_SECONDS,
    )
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**measured, "wall": measured["done"] - started}


@dataclass
class Series:
    """Measurements by contender, one for each round.

    Rounds go through the contenders in turn, so that a noisy minute is everybody's.
    """

    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, contender: str, value: float) -> None:
        """Note the measurement of this round."""
        self.values.setdefault(contender, []).append(value)

    def median(self, contender: str) -> float:
        """Return the median of a contender's measurements."""
        return statistics.median(self.values[contender])

    def ratio(self, contender: str, other: str) -> float:
        """Return the median of the rounds' ratios: what disturbs a round disturbs both contenders."""
        pairs = zip(self.values[contender], self.values[other], strict=True)
        return statistics.median(first / second for first, second in pairs)
