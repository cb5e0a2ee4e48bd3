"""A thousand failures over 50 DAGs while Lark is unavailable, or 500 DAGs: does every run's card end right?

`.venv/bin/python -m tests.soak.failures --dags 50 --tasks 20 --away 600` generates a folder of DAGs that do
not know of this package, lets all their tasks fail on a real Airflow as fast as the machine runs them, and
makes Lark unavailable from the first card on. Two bridges run; one of them is killed meanwhile. Then a fifth
of the runs is repaired and cleared. Each run must have one card, with all of its failures; those of repaired
runs must be green. `--dags 500 --tasks 1 --away 0` is a folder of 500 DAGs.
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
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from lark_emulator import Emulator
from sqlalchemy.engine import make_url

from tests.airflow.conftest import CHAT, AirflowHome
from tests.airflow.test_bridge import Place
from tests.bridge.making import execute
from tests.failures.waiting import wait_until
from tests.services import postgres

_SECONDS = 1800.0
_NONE = "from airflow.sdk import DAG\n"
_DAG = """
from pathlib import Path

from airflow.sdk import DAG, task

def fails(n):
    if not Path(__file__).with_name("repaired").exists():
        raise ValueError(f"no rows for part {{n}}")

with DAG("team_{number:03}", max_active_tasks=64, is_paused_upon_creation=False):
    task(task_id="part")(fails).expand(n=list(range({tasks})))
"""


class Failures:
    """One run.

    Args:
        place: Airflow, the emulator and the processes.
        dags: How many DAGs.
        tasks: How many tasks of each.
    """

    def __init__(self, place: Place, dags: int, tasks: int) -> None:
        self.place, self.dags, self.tasks = place, dags, tasks
        self.runs: dict[str, str] = {}

    def start(self) -> None:
        """Start a run of each DAG, as soon as it is parsed."""
        until = time.monotonic() + _SECONDS
        names = [f"team_{number:03}" for number in range(self.dags)]
        while len(self.runs) < self.dags:
            assert time.monotonic() < until, f"{len(self.runs)} of {self.dags} DAGs parsed"
            for dag_id in names:
                if dag_id not in self.runs:
                    with suppress(OSError):
                        made = self.place.call("POST", f"dags/{dag_id}/dagRuns", {"logical_date": None})
                        self.runs[dag_id] = made["dag_run_id"]
            time.sleep(1)

    def failed(self) -> int:
        """Return how many tasks have failed."""
        found = self.place.call("GET", "dags/~/dagRuns/~/taskInstances?state=failed&limit=1")
        return int(found["total_entries"])

    def repair(self) -> list[str]:
        """Repair every fifth DAG's run, and return the DAGs."""
        some = sorted(self.runs)[::5]
        (self.place.airflow.airflow.dags / "repaired").touch()
        for dag_id in some:
            body = {"dry_run": False, "dag_run_id": self.runs[dag_id], "only_failed": True}
            self.place.call("POST", f"dags/{dag_id}/clearTaskInstances", body)
        return some

    def cards(self) -> dict[str, list[str]]:
        """Return the cards of each DAG, as JSON."""
        found: dict[str, list[str]] = {dag_id: [] for dag_id in self.runs}
        for one in self.place.messages():
            text = json.dumps(one["content"], ensure_ascii=False)
            if named := re.search(r"team_[0-9]{3}", text):
                found.setdefault(named[0], []).append(text)
        return found

    def wrong(self, repaired: list[str]) -> list[str]:
        """Return what is wrong with the cards."""
        found = []
        for dag_id, cards in self.cards().items():
            if len(cards) != 1:
                found.append(f"{dag_id}: {len(cards)} cards")
                continue
            if self.tasks > 1 and f"({self.tasks})" not in cards[0]:
                found.append(f"{dag_id}: not {self.tasks} failures: {cards[0][:400]}")
            colour = "green" if dag_id in repaired else "red"
            if f'"template": "{colour}"' not in cards[0]:
                found.append(f"{dag_id}: not {colour}: {cards[0][:400]}")
        return found


def main() -> int:
    """Run it, and return 1 if something is wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--dags", type=int, default=50)
    parser.add_argument("--tasks", type=int, default=20)
    parser.add_argument("--away", type=float, default=600.0, help="seconds without Lark")
    given = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="bridge-failures-"))
    with postgres.find(os.environ).server.databases() as databases, Emulator() as lark:
        lark.settings(rate_limits=False)
        metadata = make_url(databases.make()).set(drivername="postgresql+psycopg2")
        settings = {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata.render_as_string(hide_password=False),
            "AIRFLOW__CORE__PARALLELISM": "8",
            "AIRFLOW__API_AUTH__JWT_SECRET": "shared-by-all-workers-of-this-test-0123456789abcdef",
            "LARK_APP_ID": lark.app_id,
            "LARK_APP_SECRET": lark.app_secret,
            "LARK_BASE_URL": lark.base_url,
        }
        (home / "model").mkdir()
        place = Place(AirflowHome(home / "model"), home, databases.make(), lark, _NONE, settings)
        with closing(place):
            for number in range(given.dags):
                text = _DAG.format(number=number, tasks=given.tasks)
                (place.airflow.airflow.dags / f"team_{number:03}.py").write_text(text)
            (home / "lark.yaml").write_text(
                f"defaults: {{language: en}}\nroutes:\n  - {{dag: 'team_*', to: {CHAT}, what: failures}}\n"
            )
            place.environment["LARK_ROUTES_PATH"] = str(home / "lark.yaml")
            bridges = [place.bridge(), place.bridge()]
            place.wait(lambda: execute(place.database, "SELECT 1 FROM meta WHERE key LIKE 'failures %'"))
            return _measure(Failures(place, given.dags, given.tasks), bridges, given.away, home)


def _measure(soak: Failures, bridges: list[Any], away: float, home: Path) -> int:
    place, began = soak.place, time.monotonic()
    soak.start()
    _say(f"{soak.dags} DAGs parsed and started in {time.monotonic() - began:.0f} s")
    total = soak.dags * soak.tasks
    if away:
        wait_until(place.messages, _SECONDS)
        place.lark.fault(times=1_000_000, status=503)
        until = time.monotonic() + away
        time.sleep(away / 2)
        bridges[0].kill()
        bridges[0].wait()
        bridges[0] = place.bridge()
        time.sleep(max(0.0, until - time.monotonic()))
        place.lark.clear_faults()
        _say(f"Lark was unavailable for {away:.0f} s; {soak.failed()} of {total} tasks have failed")
    wait_until(lambda: soak.failed() == total, _SECONDS)
    began = time.monotonic()
    with suppress(AssertionError):
        wait_until(lambda: not soak.wrong([]), 300)
    problems = soak.wrong([])
    _say(f"{total} failures, {len(problems)} wrong cards {time.monotonic() - began:.0f} s after the last one")
    repaired = soak.repair()
    with suppress(AssertionError):
        wait_until(lambda: not soak.wrong(repaired), 600)
    problems += soak.wrong(repaired)
    counts = Counter(row.state for row in execute(place.database, "SELECT state FROM incidents"))
    _say(f"{len(repaired)} runs repaired; incidents {dict(counts)}")
    _say("\n".join([*problems, f"{len(problems)} problems; logs in {home}"]))
    return min(len(problems), 1)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
