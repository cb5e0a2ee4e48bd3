"""The soak for some seconds; `make soak` runs it for ten minutes, and with Airflow."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.failures.waiting import wait_until
from tests.services.processes import alive, tree
from tests.soak.run import INTERRUPTED

_ROOT = Path(__file__).parents[2]
_LIMIT = 240.0


def soak(*options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - ours
        # How fast it is depends on what else runs on the machine.
        [sys.executable, "-m", "tests.soak", "--no-airflow", "--p99=60", *options],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("--seconds=25", "--seed=55", "--no-rotate", "--no-cut"), id="faults"),
        pytest.param(
            ("--seconds=20", "--seed=13"), id="faults, rotated keys and a pump without its database"
        ),
    ],
)
def test_every_accepted_click_is_stored_and_delivered(
    options: tuple[str, ...], say: Callable[[str], None]
) -> None:
    with soak(*options) as process:
        said, _ = process.communicate(timeout=_LIMIT)
    assert process.returncode == 0, said
    assert "OK: accepted = stored = delivered" in said
    for line in said.splitlines():
        if line.startswith(("Clicks:", "Stored:", "Delivered:")):
            say(f"soak {' '.join(options)}: {line}")


def test_an_interrupt_leaves_nothing_running() -> None:
    with soak("--seconds=60", "--seed=7", "--no-rotate", "--no-cut") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "freeze" in line:  # what is frozen has to be ended as well
                break
        started = tree(process.pid)
        assert len(started) > 8
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=_LIMIT)
    assert process.returncode == INTERRUPTED, said
    assert "INTERRUPTED" in said
    wait_until(lambda: not any(map(alive, started)))
