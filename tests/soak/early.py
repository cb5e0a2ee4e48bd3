"""Questions that are answered at any time after they are asked: does a task fail by an early answer?

`.venv/bin/python -m tests.soak.early --questions 500`. A real Airflow on PostgreSQL with the plugin and its
default hold; each question is answered through Airflow's API as soon as its row is there, while the task runs
still, or up to 20 s later. Nothing is killed; the machine should be busy.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
import urllib.error
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from lark_emulator import Emulator
from sqlalchemy.engine import make_url

from lark_provider.bridge.settings import HOLD_SECONDS
from tests.airflow.conftest import AirflowHome
from tests.airflow.test_bridge import Place
from tests.failures.waiting import wait_until
from tests.services import postgres

_DAGS = """
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG

BOB = [{{"id": "bob", "name": "bob"}}]
with DAG("early", max_active_tasks=64):
    ApprovalOperator.partial(task_id="q", assigned_users=BOB).expand(
        subject=[f"Question {{n}}?" for n in range({count})]
    )
"""
_SECONDS, _LATEST = 1800.0, 20.0
_ASKED = "SELECT map_index FROM task_instance t JOIN hitl_detail h ON h.ti_id = t.id WHERE t.run_id = :run"
_STATES = "SELECT state, count(*) AS n FROM task_instance WHERE run_id = :run GROUP BY state"
_MISMATCHES = "SELECT count(*) FROM log WHERE event = 'state mismatch'"


class Early:
    """One run.

    Args:
        place: Airflow.
        metadata: Its database.
        count: How many questions.
        rng: Decides when each is answered.
    """

    def __init__(self, place: Place, metadata: sa.Engine, count: int, rng: random.Random) -> None:
        self.place, self.metadata, self.count, self.rng = place, metadata, count, rng
        self.statuses: Counter[int] = Counter()

    def answer(self, run_id: str) -> None:
        """Answer each question once, at a random time after its row is there."""
        seen: set[int] = set()
        running: list[Future[None]] = []
        until = time.monotonic() + _SECONDS
        with ThreadPoolExecutor(48) as pool:
            while len(seen) < self.count and time.monotonic() < until:
                with self.metadata.connect() as connection:
                    asked = set(connection.execute(sa.text(_ASKED), {"run": run_id}).scalars())
                for number in asked - seen:
                    after = self.rng.choice([0.0, self.rng.uniform(0, _LATEST)])
                    running.append(pool.submit(self._one, run_id, number, time.monotonic() + after))
                seen |= asked
                time.sleep(0.05)
            for one in running:
                one.result()
        assert len(seen) == self.count, f"{len(seen)} of {self.count} asked"

    def _one(self, run_id: str, number: int, moment: float) -> None:
        time.sleep(max(0.0, moment - time.monotonic()))
        path = f"dags/early/dagRuns/{run_id}/taskInstances/q/{number}/hitlDetails"
        body = {"chosen_options": ["Approve"], "params_input": {}}
        for _ in range(60):
            try:
                self.place.call("PATCH", path, body, user="bob")
            except urllib.error.HTTPError as error:
                self.statuses[error.code] += 1
                if error.code == 409:  # Answered, though its client was not told.
                    return
            except OSError:
                self.statuses[0] += 1
            else:
                self.statuses[200] += 1
                return
            time.sleep(1)

    def states(self, run_id: str) -> dict[str, int]:
        """Return how many tasks are in which state."""
        with self.metadata.connect() as connection:
            return {row.state: row.n for row in connection.execute(sa.text(_STATES), {"run": run_id})}

    def mismatches(self) -> int:
        """Return how often Airflow took an answered task for a killed one."""
        with self.metadata.connect() as connection:
            found: Any = connection.execute(sa.text(_MISMATCHES)).scalar_one()
            return int(found)


def main() -> int:
    """Run it, and return 1 if a task has failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--questions", type=int, default=500)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    _say(f"seed {given.seed}")
    home = Path(tempfile.mkdtemp(prefix="bridge-early-"))
    with postgres.find(os.environ).server.databases() as databases, Emulator() as lark:
        metadata = make_url(databases.make()).set(drivername="postgresql+psycopg2")
        settings = {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata.render_as_string(hide_password=False),
            "AIRFLOW__CORE__PARALLELISM": "16",
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "5",
            "LARK_ANSWER_HOLD": str(HOLD_SECONDS),
            "AIRFLOW__API_AUTH__JWT_EXPIRATION_TIME": "3600",
            "AIRFLOW__API_AUTH__JWT_SECRET": "shared-by-all-workers-of-this-test-0123456789abcdef",
        }
        (home / "model").mkdir()
        dags = _DAGS.format(count=given.questions)
        place = Place(AirflowHome(home / "model"), home, databases.make(), lark, dags, settings)
        engine = sa.create_engine(metadata)
        with closing(place):
            rng = random.Random(given.seed)  # noqa: S311 - not for secrets
            early, began = Early(place, engine, given.questions, rng), time.monotonic()
            run_id = place.run("early")
            early.answer(run_id)
            with suppress(AssertionError):
                wait_until(lambda: early.states(run_id).get("success", 0) == given.questions, 300)
            states, mismatches = early.states(run_id), early.mismatches()
            seconds = time.monotonic() - began
            engine.dispose()
        _say(
            f"{given.questions} questions in {seconds:.0f} s, load {os.getloadavg()[1]:.0f}; "
            f"hold {HOLD_SECONDS:g} s: answers by status {dict(early.statuses)}; tasks {states}; "
            f"{mismatches} state mismatches; logs in {home}"
        )
        return int(states != {"success": given.questions} or mismatches > 0)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
