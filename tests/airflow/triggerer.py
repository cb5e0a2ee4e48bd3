"""A real `airflow triggerer` with a DAG that waits for cards, and one that starts on Lark's events."""

from __future__ import annotations

import copy
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lark_provider.protocol.waits import Wait
from tests.airflow.conftest import AirflowHome
from tests.failures.waiting import wait_until
from tests.services.processes import alive, tree

_DAGS = """
import pendulum
from airflow.sdk import DAG, Asset, AssetWatcher
from lark_provider.sensors import LarkCardCallbackSensor
from lark_provider.triggers import LarkEventTrigger

start = pendulum.datetime(2026, 1, 1)
happened = Asset("happened", watchers=[AssetWatcher(name="lark", trigger=LarkEventTrigger())])
with DAG("starts_on_events", schedule=[happened], start_date=start):
    pass
with DAG("asks", schedule=None, start_date=start):
    for number in range({count}):
        LarkCardCallbackSensor(task_id=f"wait_{{number}}", message_id="om_1", deferrable=True)
"""
_SETUP = """
import importlib, json, sys
import pendulum
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db
from airflow.models.dagbag import DBDagBag
from airflow.models.trigger import Trigger
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType, DagRunType

manager = DagBundlesManager()
manager.sync_bundles_to_db()
[bundle] = manager.get_all_dag_bundles()
bundle.initialize()
bag = BundleDagBag(bundle.path, bundle_path=bundle.path, bundle_name=bundle.name)
sync_bag_to_db(bag, bundle.name, bundle_version=None)
with create_session() as session:
    dag = DBDagBag().get_latest_version_of_dag("asks", session=session)
    run = dag.create_dagrun(run_id="r", run_after=pendulum.now("UTC"), run_type=DagRunType.MANUAL,
                            state=DagRunState.RUNNING, triggered_by=DagRunTriggeredByType.TEST,
                            logical_date=None, data_interval=None, session=session)
    for number, (path, arguments) in enumerate(json.loads(sys.argv[1])):
        ti = run.get_task_instance(f"wait_{number}", session=session)
        module, _, name = path.rpartition(".")
        trigger = Trigger.from_object(getattr(importlib.import_module(module), name)(**arguments))
        session.add(trigger)
        session.flush()
        ti.state, ti.next_method, ti.trigger_id = TaskInstanceState.DEFERRED, "execute_complete", trigger.id
"""
_PARSE = """
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db

manager = DagBundlesManager()
manager.sync_bundles_to_db()
[bundle] = manager.get_all_dag_bundles()
bundle.initialize()
bag = BundleDagBag(bundle.path, bundle_path=bundle.path, bundle_name=bundle.name)
assert not bag.import_errors, bag.import_errors
sync_bag_to_db(bag, bundle.name, bundle_version=None)
"""
_CHANGE = """
import sys
from airflow.models.taskinstance import TaskInstance, clear_task_instances
from airflow.utils.session import create_session
from sqlalchemy import select

number, state = sys.argv[1:]
with create_session() as session:
    ti = session.scalars(select(TaskInstance).where(TaskInstance.task_id == f"wait_{number}")).one()
    if state == "cleared":
        clear_task_instances([ti], session)
        session.flush()
        ti.state = "scheduled"  # as the scheduler does next; until then Airflow leaves the trigger alone
    else:
        ti.set_state(state, session=session)
"""
_SETTINGS = {
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    # A dead triggerer is noticed within seconds.
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "3",
}


class Triggerer:
    """An Airflow of its own, a copy of another, and its triggerer, which can be frozen, killed and started.

    Args:
        model: An Airflow whose database is up to date.
        home: Where the copy goes.
        settings: Added to its environment.
    """

    def __init__(self, model: AirflowHome, home: Path, settings: Mapping[str, str]) -> None:
        shutil.copytree(model.home, home)
        self.airflow = AirflowHome(home)
        logs = {"AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs")}
        self.airflow.env = {**self.airflow.env, **_SETTINGS, **logs, **settings}
        self._database, self._log = home / "airflow.db", home / "triggerer.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._forget_waits()

    def _forget_waits(self) -> None:
        """Delete the stored triggers of other tests' tasks, which would run in this triggerer, too."""
        with closing(sqlite3.connect(self._database, timeout=30)) as connection, connection:
            connection.execute("DELETE FROM trigger WHERE id IN (SELECT trigger_id FROM task_instance)")
            connection.execute("UPDATE task_instance SET trigger_id = NULL")

    def defer(self, waits: Sequence[Wait | str], database_id: str) -> None:
        """Defer a task of the DAG for each wait: the id of a question, or a wait of version 0.1."""
        waited_for = [
            {"wait_id": wait} if isinstance(wait, str) else {"wait": asdict(wait)} for wait in waits
        ]
        path = "lark_provider.triggers.LarkCardCallbackTrigger"
        self.defer_triggers([(path, {**arguments, "database_id": database_id}) for arguments in waited_for])

    def defer_triggers(self, triggers: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        """Defer a task of the DAG for each trigger, given as its class path and its arguments."""
        (self.airflow.dags / "waits.py").write_text(_DAGS.format(count=len(triggers)))
        self.airflow.python("-c", textwrap.dedent(_SETUP), json.dumps(triggers))

    def waiting(self) -> int:
        """Return how many triggers of tasks Airflow has stored."""
        query = "SELECT count(*) FROM trigger WHERE id NOT IN (SELECT trigger_id FROM asset_watcher)"
        [(count,)] = self._ask(query)
        return int(count)

    def parse(self, dag_file: str) -> None:
        """Parse a DAG file, as a DAG processor does."""
        (self.airflow.dags / "parsed.py").write_text(dag_file)
        self.airflow.python("-c", _PARSE)

    def watchers(self) -> set[str]:
        """Return the class paths of the triggers that Airflow has stored for assets."""
        query = "SELECT classpath FROM trigger JOIN asset_watcher ON trigger.id = asset_watcher.trigger_id"
        return {classpath for (classpath,) in self._ask(query)}

    def change(self, number: int, state: str) -> None:
        """Change a task as a person does in Airflow: `cleared`, or marked `failed` or `success`."""
        self.airflow.python("-c", textwrap.dedent(_CHANGE), str(number), state)

    def start(self) -> None:
        """Start the triggerer."""
        command = [sys.executable, "-m", "airflow", "triggerer", "--skip-serve-logs"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, env=self.airflow.env, stdout=log, stderr=log)  # noqa: S603 - ours

    def freeze(self) -> None:
        """Freeze the process that stores fired events; the process that runs the triggers continues."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def stop(self) -> None:
        """Stop the triggerer with SIGTERM, and wait until it has ended."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)
        self._process = None

    def beside(self) -> Triggerer:
        """Return a second triggerer of the same Airflow, not yet started."""
        other = copy.copy(self)
        other._process, other._log = None, self._log.with_name("beside.log")
        return other

    def thaw(self) -> None:
        """Resume the process that `freeze` has stopped."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill all processes of the triggerer with SIGKILL, and wait until they are gone."""
        if self._process is None:
            return
        processes = tree(self._process.pid)
        for pid in processes:
            os.kill(pid, signal.SIGKILL)
        self._process.wait()
        wait_until(lambda: not any(map(alive, processes)))
        self._process = None

    def heartbeats(self) -> int:
        """Return how many triggerer processes have sent a heartbeat after they were started."""
        query = "SELECT count(*) FROM job WHERE job_type = 'TriggererJob' AND latest_heartbeat > start_date"
        [(count,)] = self._ask(query)
        return int(count)

    def read_events(self) -> list[dict[str, Any]]:
        """Return the payloads of the asset events that triggers have fired and Airflow has stored."""
        stored = [json.loads(extra) for (extra,) in self._ask("SELECT extra FROM asset_event")]
        return [extra["payload"] for extra in stored if "payload" in extra]  # the model's DAGs have others

    def list_queued(self) -> set[str]:
        """Return the ids of the DAGs for which asset events have queued a run."""
        return {dag_id for (dag_id,) in self._ask("SELECT target_dag_id FROM asset_dag_run_queue")}

    def task(self, number: int = 0) -> tuple[str, Any]:
        """Return the state of a task, and the arguments with which its trigger's event resumes it."""
        query = f"SELECT state, next_kwargs FROM task_instance WHERE task_id = 'wait_{number:d}'"  # noqa: S608
        [(state, next_kwargs)] = self._ask(query)
        return state, next_kwargs

    def task_log(self, number: int) -> str:
        """Return what the triggers of a task have logged."""
        logs = sorted((self.airflow.home / "logs").glob(f"**/task_id=wait_{number}/*.trigger.*"))
        return "".join(log.read_text() for log in logs)

    def log(self) -> str:
        """Return what the triggerer has printed."""
        return self._log.read_text()

    def _ask(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._database, timeout=30)) as connection:
            return connection.execute(query).fetchall()
