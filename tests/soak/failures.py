"""A folder of DAGs that do not know of this package, all of which fail while Lark is unavailable.

`.venv/bin/python -m tests.soak.failures --dags 50 --wide 50 --tasks 2 --down 60` generates the DAGs and lets
each run once, as fast as the machine runs them, on a real Airflow on PostgreSQL: some with several mapped
tasks, the others with one. Lark is unavailable from the first card on; two bridges run, and each is killed
meanwhile. Then some runs are repaired and cleared. Each run must have one card, with all of its failures and
the error of one, and those of repaired runs must be green.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from lark_emulator import Emulator
from sqlalchemy.engine import make_url

from tests.airflow.bridge_place import BridgeSetup
from tests.airflow.conftest import CHAT, AirflowHome, metadata_setting
from tests.bridge.builders import execute
from tests.services import postgres
from tests.services.processes import end_on_sigterm
from tests.soak.saying import say

_SECONDS = 1800.0
_NONE = "from airflow.sdk import DAG\n"
_DAG = """
from datetime import datetime
from pathlib import Path

from airflow.sdk import DAG, task

def fails(n):
    if not Path(__file__).with_name("repaired").exists():
        raise ValueError(f"no rows for part {{n}}")

with DAG("team_{number:03}", schedule="@once", start_date=datetime(2026, 1, 1), max_active_tasks=64):
    task(task_id="part")(fails).expand(n=list(range({tasks})))
"""
_REPAIRED = 25
"""One run of so many is repaired."""


@dataclass
class Failures:
    """One run.

    Attributes:
        place: Airflow, the emulator and the processes.
        tasks: How many tasks of each DAG fail.
    """

    place: BridgeSetup
    tasks: dict[str, int]

    @property
    def total(self) -> int:
        """Return how many tasks fail."""
        return sum(self.tasks.values())

    def generate(self) -> None:
        """Write the DAGs."""
        for number, (dag_id, tasks) in enumerate(self.tasks.items()):
            text = _DAG.format(number=number, tasks=tasks)
            (self.place.airflow.airflow.dags / f"{dag_id}.py").write_text(text)

    def count_failed(self) -> int:
        """Return how many tasks have failed."""
        response = self.place.call("GET", "dags/~/dagRuns/~/taskInstances?state=failed&limit=1")
        return int(response["total_entries"])

    def repair(self) -> list[str]:
        """Repair some runs, and return their DAGs."""
        some = sorted(self.tasks)[::_REPAIRED]
        (self.place.airflow.airflow.dags / "repaired").touch()
        for dag_id in some:
            (run,) = self.place.call("GET", f"dags/{dag_id}/dagRuns")["dag_runs"]
            body = {"dry_run": False, "dag_run_id": run["dag_run_id"], "only_failed": True}
            self.place.call("POST", f"dags/{dag_id}/clearTaskInstances", body)
        return some

    def wrong(self, repaired: list[str]) -> list[str]:
        """Return what is wrong with the cards."""
        problems = []
        for dag_id, some in self._cards().items():
            if len(some) != 1:
                problems.append(f"{dag_id}: {len(some)} cards")
                continue
            colour = "green" if dag_id in repaired else "red"
            if f'"template": "{colour}"' not in some[0]:
                problems.append(f"{dag_id}: not {colour}: {some[0][:400]}")
            elif colour == "red" and _read_shown_count(self.tasks[dag_id]) not in some[0]:
                problems.append(f"{dag_id}: not {self.tasks[dag_id]} failures: {some[0][:400]}")
        return problems

    def silent(self) -> list[str]:
        """Return the DAGs whose cards quote no error of a task."""
        return [
            f"{dag_id}: no error quoted"
            for dag_id, some in self._cards().items()
            if not any("no rows for part" in text for text in some)
        ]

    def _cards(self) -> dict[str, list[str]]:
        cards: dict[str, list[str]] = {dag_id: [] for dag_id in self.tasks}
        for message in self.place.messages():
            text = json.dumps(message["content"], ensure_ascii=False)
            if named := re.search(r"team_[0-9]{3}", text):
                cards[named[0]].append(text)
        return cards


def _read_shown_count(tasks: int) -> str:
    """Return what a card shows of so many failures; of one, which is not counted, its task."""
    return f"({tasks})" if tasks > 1 else "part_0"


def main() -> int:
    """Run it, and return 1 if something is wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--dags", type=int, default=50)
    parser.add_argument("--wide", type=int, default=50, help="how many of them have several tasks")
    parser.add_argument("--tasks", type=int, default=2, help="how many these have")
    parser.add_argument("--down", type=float, default=60.0, help="seconds without Lark")
    args = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="bridge-failures-"))
    with postgres.find(os.environ).server.databases() as databases, Emulator() as lark:
        lark.settings(rate_limits=False)
        settings = {
            **metadata_setting(make_url(databases.make())),
            "AIRFLOW__CORE__PARALLELISM": "8",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
            "AIRFLOW__SCHEDULER__MAX_DAGRUNS_TO_CREATE_PER_LOOP": "50",
            "AIRFLOW__SCHEDULER__MAX_DAGRUNS_PER_LOOP_TO_SCHEDULE": "100",
            "AIRFLOW__API_AUTH__JWT_EXPIRATION_TIME": "3600",
            "AIRFLOW__API_AUTH__JWT_SECRET": "shared-by-all-workers-of-this-test-0123456789abcdef",
        }
        (home / "model").mkdir()
        place = BridgeSetup(AirflowHome(home / "model"), home, databases.make(), lark, _NONE, settings)
        with closing(place):
            (home / "lark.yaml").write_text(
                f"defaults: {{language: en}}\nroutes:\n  - {{dag: 'team_*', to: {CHAT}, what: failures}}\n"
            )
            place.environment["LARK_ROUTES_PATH"] = str(home / "lark.yaml")
            tasks = {f"team_{n:03}": args.tasks if n < args.wide else 1 for n in range(args.dags)}
            problems = _measure(Failures(place, tasks), args.down)
            say("\n".join([*problems, f"{len(problems)} problems; logs in {home}"]))
            return min(len(problems), 1)


def _measure(soak: Failures, down: float) -> list[str]:
    place = soak.place
    bridges = [place.bridge(), place.bridge()]
    place.wait(lambda: execute(place.database, "SELECT 1 FROM meta WHERE key LIKE 'failures %'"))
    began = time.monotonic()
    soak.generate()
    if down:
        _wait(lambda: bool(place.messages()), _SECONDS)
        place.lark.fault(times=1_000_000, status=503)
        for number in range(2):
            time.sleep(down / 2)
            bridges[number].kill()
            bridges[number].wait()
            bridges[number] = place.bridge()
        place.lark.clear_faults()
        say(f"Lark unavailable for {down:.0f} s; {soak.count_failed()} of {soak.total} tasks have failed")
    _wait(lambda: soak.count_failed() == soak.total, _SECONDS)
    say(
        f"{soak.total} failures of {len(soak.tasks)} DAGs {time.monotonic() - began:.0f} s after the files "
        f"were written, load {os.getloadavg()[1]:.0f}"
    )
    began = time.monotonic()
    _wait(lambda: not soak.wrong([]), 300)
    problems = soak.wrong([])
    say(
        f"{len(problems)} wrong cards {time.monotonic() - began:.0f} s after the last failure; "
        f"{len(soak.tasks) - len(soak.silent())} of {len(soak.tasks)} cards quote the error"
    )
    _wait(lambda: not soak.silent(), 300)
    silent = soak.silent()
    say(f"{len(silent)} cards quote no error {time.monotonic() - began:.0f} s after the last failure")
    repaired = soak.repair()
    _wait(lambda: not soak.wrong(repaired), 300)
    states = Counter(row.state for row in execute(place.database, "SELECT state FROM incidents"))
    say(f"{len(repaired)} runs repaired; incidents {dict(states)}")
    return problems + silent + soak.wrong(repaired)


def _wait(condition: Callable[[], bool], seconds: float) -> None:
    """Look every 2 s until it holds; what is wrong after that time is counted."""
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(2)


if __name__ == "__main__":
    end_on_sigterm()
    sys.exit(main())
