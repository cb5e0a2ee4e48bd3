"""Failures of DAGs that do not know of us, told on cards with buttons, against a real Airflow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lark_emulator import Emulator

from tests.airflow.conftest import CHAT, AirflowHome
from tests.airflow.test_bridge import Place
from tests.bridge.making import execute
from tests.services.postgres import PostgresServer

DAGS = """
import os, signal
from datetime import datetime
from pathlib import Path

from airflow.sdk import DAG, task

def fails(name):
    if not Path(__file__).with_name("repaired").exists():
        raise ValueError(f"no rows for {name}, password=hunter2hunter2")

with DAG("pay_daily", tags=["prod"], default_args={"owner": "data"}):
    task(task_id="load")(lambda: fails("load"))()
    task(task_id="part")(fails).expand(name=["a", "b"])

with DAG("pay_killed", tags=["prod"]):
    task(task_id="killed")(lambda: os.kill(os.getpid(), signal.SIGKILL))()

with DAG("pay_noisy", tags=["prod"]):
    task(task_id="noisy")(lambda: fails("noisy"))()

with DAG("unrouted"):
    task(task_id="t")(lambda: fails("unrouted"))()
"""
ROUTES = f"""
defaults: {{language: en, timezone: Asia/Shanghai}}
routes:
  - {{tag: prod, dag: pay_*, what: failures, to: {CHAT}, mentions: [ann@example.com]}}
"""


@pytest.fixture(scope="module")
def place(
    airflow_home: AirflowHome, tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> Iterator[Place]:
    home = tmp_path_factory.mktemp("failures")
    with postgres_server.databases() as databases, Emulator() as lark:
        lark.settings(rate_limits=False)
        made = Place(airflow_home, home, databases.make(), lark, DAGS)
        (home / "lark.yaml").write_text(ROUTES)
        made.environment["LARK_ROUTES_PATH"] = str(home / "lark.yaml")
        made.link()
        made.bridge()
        made.start("callbacks", "listen")
        made.wait(lambda: execute(made.database, "SELECT 1 FROM meta WHERE key LIKE 'failures %'"))
        made.wait(lark.connections)
        try:
            yield made
        finally:
            made.close()


def failed(place: Place, dag_id: str) -> str:
    """Run a DAG that fails, and return the run once its failure is told."""
    run_id = place.run(dag_id)
    place.wait(lambda: place.call("GET", f"dags/{dag_id}/dagRuns/{run_id}")["state"] == "failed")
    return run_id


def text(message: dict[str, Any]) -> str:
    return json.dumps(message["content"], ensure_ascii=False)


def card(place: Place, run_id: str) -> dict[str, Any]:
    (found,) = place.messages(run_id)
    return found


def test_failures_of_a_run_are_one_card_that_turns_green(place: Place, tmp_path: Path) -> None:
    run_id = failed(place, "pay_daily")
    place.wait(lambda: place.messages(run_id) and "part_1" in text(card(place, run_id)))
    shown = text(card(place, run_id))
    assert all(name in shown for name in ("pay_daily", "load", "part_0", "data", "no rows for load"))
    assert "hunter2" not in shown
    assert all(label in shown for label in ("Retry", "Claim", "Mute this task", "ann@example.com"))
    assert "try_number=1" in shown
    (place.airflow.airflow.dags / "repaired").touch()
    try:
        place.lark.click(card(place, run_id)["message_id"], "bob", "retry")
        place.wait(lambda: "Recovered" in text(card(place, run_id)))
    finally:
        (place.airflow.airflow.dags / "repaired").unlink()
    green = text(card(place, run_id))
    assert "bob" in green  # who retried
    assert '"retry"' not in green
    (incident,) = execute(place.database, "SELECT state FROM incidents WHERE run_id = :r", r=run_id)
    assert incident.state == "recovered"
    events = place.call("GET", "eventLogs?event=post_clear_task_instances&limit=50")["event_logs"]
    assert {one["owner"] for one in events} == {"bob"}


def test_a_killed_process_is_told(place: Place) -> None:
    run_id = failed(place, "pay_killed")
    place.wait(lambda: place.messages(run_id))
    assert "killed" in text(card(place, run_id))


def test_a_claim_is_shown_and_noted_in_airflow(place: Place) -> None:
    run_id = failed(place, "pay_killed")
    place.wait(lambda: place.messages(run_id))
    place.lark.click(card(place, run_id)["message_id"], "bob", "claim")
    place.wait(lambda: "Claimed by bob" in text(card(place, run_id)))
    assert "Asia/Shanghai" in text(card(place, run_id)) or "CST" in text(card(place, run_id))
    task = place.call("GET", f"dags/pay_killed/dagRuns/{run_id}/taskInstances/killed")
    assert "bob" in task["note"]


def test_a_muted_task_is_told_no_more(place: Place) -> None:
    run_id = failed(place, "pay_noisy")
    place.wait(lambda: place.messages(run_id))
    place.lark.click(card(place, run_id)["message_id"], "bob", "mute", option="8 noisy")
    place.wait(lambda: "muted by bob" in text(card(place, run_id)))
    (mute,) = execute(place.database, "SELECT task_id, until - now() AS left FROM mutes")
    assert mute.task_id == "noisy"
    assert 7 < mute.left.total_seconds() / 3600 <= 8
    quiet, loud = failed(place, "pay_noisy"), failed(place, "pay_killed")
    place.wait(lambda: place.messages(loud))
    assert not place.messages(quiet)


def test_a_dag_without_a_route_is_told_to_nobody(place: Place) -> None:
    quiet, loud = failed(place, "unrouted"), failed(place, "pay_killed")
    place.wait(lambda: place.messages(loud))
    assert not place.messages(quiet)


def test_what_failed_while_no_bridge_ran_is_told_once(place: Place) -> None:
    told = failed(place, "pay_killed")
    place.wait(lambda: place.messages(told))
    place.stop_all()
    missed = failed(place, "pay_killed")
    place.bridge()
    place.bridge()
    place.start("callbacks", "listen")
    place.wait(lambda: place.messages(missed))
    later = failed(place, "pay_killed")
    place.wait(lambda: place.messages(later))
    for run_id in (told, missed, later):
        assert len(place.messages(run_id)) == 1
        assert "2 failures" not in text(card(place, run_id))
