"""Airflow's own task runner calls the listener: what it reports, when it is silent, and what it delays."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from lark_emulator import Emulator
from sqlalchemy import text

from lark_provider.plugins import listener
from lark_provider.storage import migrate, urls
from tests.airflow.conftest import CHAT, AirflowHome, connection
from tests.storage import prepared

PLUGIN = """
import json, os, sys, time
from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

if seconds := os.environ.get("REPORT_SECONDS"):
    from lark_provider.plugins import listener
    listener.REPORT_SECONDS = float(seconds)

class Watches:
    @hookimpl
    def before_stopping(self, component):
        ours = sorted(name for name in sys.modules if name.split(".")[0] == "lark_provider")
        with open(os.environ["LOADED"], "w") as file:
            json.dump(ours, file)

class Before:
    @hookimpl(tryfirst=True)
    def on_task_instance_failed(self):
        self.at = time.monotonic()

class After:
    @hookimpl(trylast=True)
    def on_task_instance_failed(self):
        print(f"ALL LISTENERS TOOK {time.monotonic() - before.at:.2f} s", file=sys.stderr)

before = Before()

class Plugin(AirflowPlugin):
    name = "watches"
    listeners = [Watches(), before, After()]
"""
DAGS = """
import datetime as dt
import pendulum
from airflow.sdk import DAG, task

start = pendulum.datetime(2026, 1, 1)
with DAG("succeeds", schedule=None, start_date=start):
    @task
    def quiet():
        pass
    quiet()

with DAG("fails", schedule=None, start_date=start):
    @task(retries=1, retry_delay=dt.timedelta(0))
    def twice(ti=None):
        def load_orders():
            raise ValueError(f"no orders in try {ti.try_number}")
        load_orders()
    twice()

with DAG("hangs", schedule=None, start_date=start):
    @task
    def stuck():
        raise ValueError("on purpose")
    stuck()
"""
OWN = """
import pendulum
from airflow.sdk import DAG, task
from lark_provider.notifications import LarkNotifier

with DAG("reports_itself", schedule=None, start_date=pendulum.datetime(2026, 1, 1)):
    @task(on_failure_callback=[print, LarkNotifier(receiver_id="oc_emulator_data_team")])
    def told():
        raise ValueError("on purpose")
    told()
"""
#: On a busy machine a report takes longer than the time that it has; Airflow ends listeners after 20 s.
PATIENT = {"REPORT_SECONDS": "15"}
#: What a plugin costs a task that does not fail.
LIGHT = [
    "lark_provider",
    "lark_provider.get_provider_info",
    "lark_provider.plugins",
    "lark_provider.plugins.listener",
    "lark_provider.plugins.plugin",
    "lark_provider.support",
    "lark_provider.support.exports",
]


@pytest.fixture
def run(airflow_home: AirflowHome, tmp_path: Path) -> Any:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "lark_listener.py").write_text(PLUGIN)
    dag_files = {airflow_home.dags / "listened.py": DAGS, airflow_home.dags / "reports_itself.py": OWN}
    for path, code in dag_files.items():
        path.write_text(code)

    def run(dag_id: str, lark: Emulator, **settings: str) -> tuple[str, list[str]]:
        """Run `airflow dags test`; return what it printed, and which modules of ours it loaded."""
        env = airflow_home.env | {
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins),
            "AIRFLOW_CONN_LARK_DEFAULT": connection(lark),
            "LOADED": str(tmp_path / "loaded.json"),
            "LARK_FAILURE_LISTENER": "1",
            "LARK_FAILURE_RECEIVER": CHAT,
            "LARK_FAILURE_LANGUAGE": "en",
            **settings,
        }
        command = [sys.executable, "-m", "airflow", "dags", "test", dag_id]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=300)  # noqa: S603 - ours
        return done.stdout + done.stderr, json.loads((tmp_path / "loaded.json").read_text())

    yield run
    for path in dag_files:
        path.unlink()


def messages(lark: Emulator) -> list[str]:
    sent = lark.state()["chats"][0]["messages"]
    return [json.dumps(message["content"], ensure_ascii=False) for message in sent]


def test_a_task_that_fails_for_good_is_reported_once_with_its_traceback(run: Any, lark: Emulator) -> None:
    printed, _ = run("fails", lark, **PATIENT)
    [card] = messages(lark)
    assert "no orders in try 2" in card, printed
    assert "ValueError" in card
    assert "load_orders" in card  # of the traceback
    assert "Task failed" in card
    assert lark.state()["by_endpoint"].get("PATCH /open-apis/im/v1/messages/:message_id", 0) == 0


ROUTES = """
routes:
  - dag: other
    to: bob@example.com
  - dag: fail*
    what: failures
    to: [{id: oc_emulator_data_team, language: en}, {id: oc_of_another_app, app: cli_other}]
"""


def test_a_failure_goes_by_route_through_the_outbox(
    run: Any, lark: Emulator, database_url: str, tmp_path: Path
) -> None:
    prepared.upgrade(urls.parse(database_url, "database_url"))
    (tmp_path / "lark.yaml").write_text(ROUTES)
    settings = {
        "LARK_FAILURE_RECEIVER": "",
        "LARK_FAILURE_LANGUAGE": "",
        "HOME": str(tmp_path),
        "LARK_ROUTES_PATH": "~/lark.yaml",
        "LARK_DATABASE_URL": database_url,
        **PATIENT,
    }
    printed, _ = run("fails", lark, **settings)
    cards = messages(lark)
    assert len(cards) == 1, printed
    assert "no orders in try 2" in cards[0], printed
    assert "load_orders" in cards[0]
    with migrate.prepare_engine(urls.parse(database_url, "database_url")).connect() as connection:
        [row] = connection.execute(text("SELECT state FROM outbox")).all()
        [incident] = connection.execute(text("SELECT receiver, dag_id FROM incidents")).all()
    assert row.state == "delivered"
    assert (incident.receiver, incident.dag_id) == (CHAT, "fails")


def test_a_task_that_does_not_fail_loads_no_report(run: Any, lark: Emulator) -> None:
    _, loaded = run(
        "succeeds", lark
    )  # it parses the other DAG files, too, which import us: test_standalone.py
    assert "lark_provider.plugins.listener" in loaded
    assert "lark_provider.plugins.failure_report" not in loaded
    assert messages(lark) == []


def test_the_listener_itself_loads_airflows_marker_of_hooks_and_nothing_else() -> None:
    code = """
import sys
import airflow.sdk.execution_time.task_runner
from airflow.listeners import hookimpl
before = set(sys.modules)
from lark_provider.plugins import listener
listener.list_listeners()
print(*sorted(set(sys.modules) - before))
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    assert set(done.stdout.splitlines()[-1].split()) <= set(LIGHT)


def test_a_lark_that_hangs_holds_a_task_up_for_three_seconds_at_most(run: Any, lark: Emulator) -> None:
    lark.fault(times=1000, delay_ms=60_000)
    printed, _ = run("hangs", lark)
    assert re.search(
        r"Failed to send the notification.* source='?hangs\.stuck|Failure report timed out", printed
    ), printed
    [took] = re.findall(r"ALL LISTENERS TOOK ([\d.]+) s", printed)
    assert (
        1 < float(took) < listener.REPORT_SECONDS + 5
    )  # a busy machine is late; Airflow would kill it after 20 s


def test_a_task_with_a_notifier_is_not_reported_twice(run: Any, lark: Emulator) -> None:
    printed, loaded = run("reports_itself", lark)
    assert len(messages(lark)) == 1, printed
    assert "lark_provider.plugins.failure_report" not in loaded


def test_it_is_off_unless_configured(run: Any, lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LARK_FAILURE_LISTENER", raising=False)
    assert listener.list_listeners() == []
    for setting, is_on in [("1", True), ("True", True), ("0", False), ("maybe", False)]:
        monkeypatch.setenv("LARK_FAILURE_LISTENER", setting)
        assert bool(listener.list_listeners()) is is_on
    monkeypatch.delenv("LARK_FAILURE_LISTENER")
    monkeypatch.setenv("AIRFLOW__LARK__FAILURE_LISTENER", "True")
    [registered] = listener.list_listeners()
    assert isinstance(registered, ModuleType)


def test_outside_of_a_task_process_it_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scheduler and the API server pass a row of the database, whose attributes may not be read."""

    class Row:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(name)

    monkeypatch.setattr("threading.Thread", None)
    listener.on_task_instance_failed(task_instance=Row(), error="worker vanished")
    monkeypatch.setitem(
        sys.modules, "airflow.sdk.execution_time.task_runner", SimpleNamespace(RuntimeTaskInstance=int)
    )
    listener.on_task_instance_failed(task_instance=Row(), error="worker vanished")
