"""Failures of DAGs that do not know of us, told on cards with buttons, against a real Airflow."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider.protocol.tokens import App
from lark_provider.storage.incidents import Incidents
from tests.airflow.bridge_place import HOLD, SECRET, BridgeSetup
from tests.airflow.conftest import CHAT, AirflowHome, connection
from tests.bridge.builders import execute
from tests.services.postgres import PostgresServer

DAGS = """
import os, signal, time
from datetime import datetime, timedelta
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

with DAG("pay_notifies", tags=["prod"]):
    from lark_provider.notifications import LarkNotifier

    notifier = LarkNotifier(receiver_id="CHAT", language="en")
    task(task_id="told", on_failure_callback=notifier)(lambda: fails("told"))()

with DAG("pay_listened", tags=["prod"]):
    # As a plugin of a task process does that has [lark] failure_listener.
    def listened(name):
        from airflow.sdk.listener import get_listener_manager
        from lark_provider.plugins import listener

        os.environ |= {"LARK_FAILURE_RECEIVER": "CHAT", "LARK_FAILURE_LANGUAGE": "en"}
        get_listener_manager().add_listener(listener)
        fails(name)

    task(task_id="part")(listened).expand(name=["a", "b", "c"])

with DAG("pay_slow", tags=["prod"], dagrun_timeout=timedelta(seconds=2)):
    task(task_id="slow")(lambda: time.sleep(600))()

with DAG("unrouted"):
    task(task_id="t")(lambda: fails("unrouted"))()
"""
DAGS = DAGS.replace("CHAT", CHAT)
PERSON = "bob@example.com"
ROUTES = f"""
defaults: {{language: en, timezone: Asia/Shanghai}}
routes:
  - {{tag: prod, dag: pay_*, what: failures, to: {CHAT}, mentions: [{PERSON}]}}
"""


@pytest.fixture(scope="module")
def place(
    airflow_home: AirflowHome,
    airflow_database: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: PostgresServer,
) -> Iterator[BridgeSetup]:
    home = tmp_path_factory.mktemp("failures")
    with postgres_server.databases() as databases, Emulator() as lark:
        lark.settings(rate_limits=False)
        app = {
            "LARK_APP_ID": lark.app_id,
            "LARK_APP_SECRET": lark.app_secret,
            "LARK_BASE_URL": lark.base_url,
            **airflow_database,
            "AIRFLOW_CONN_LARK_DEFAULT": connection(lark),
        }
        place = BridgeSetup(airflow_home, home, databases.make(), lark, DAGS, app)
        (home / "lark.yaml").write_text(ROUTES)
        place.environment["LARK_ROUTES_PATH"] = str(home / "lark.yaml")
        place.link()
        place.bridge("--failure-seconds", "2")
        place.start("callbacks", "listen")
        place.wait(lambda: execute(place.database, "SELECT 1 FROM meta WHERE key LIKE 'failures %'"))
        place.wait(lark.connections)
        try:
            yield place
        finally:
            place.close()


def run_failing(place: BridgeSetup, dag_id: str) -> str:
    """Start a run of a DAG that fails, and return the run's id once it has failed."""
    run_id = place.run(dag_id)
    place.wait(lambda: place.call("GET", f"dags/{dag_id}/dagRuns/{run_id}")["state"] == "failed")
    return run_id


def dump_content(message: dict[str, Any]) -> str:
    return json.dumps(message["content"], ensure_ascii=False)


def card(place: BridgeSetup, run_id: str) -> dict[str, Any]:
    (message,) = place.messages(run_id)
    return message


def test_failures_of_a_run_are_one_card_that_turns_green(place: BridgeSetup, tmp_path: Path) -> None:
    run_id = run_failing(place, "pay_daily")
    place.wait(lambda: place.messages(run_id) and "part_1" in dump_content(card(place, run_id)))
    shown = dump_content(card(place, run_id))
    assert all(name in shown for name in ("pay_daily", "load", "part_0", "data", "no rows for load"))
    assert "hunter2" not in shown
    assert all(label in shown for label in ("Retry", "Claim", "Mute this task", PERSON))
    assert "try_number=1" in shown
    (place.airflow.airflow.dags / "repaired").touch()
    try:
        place.lark.click(card(place, run_id)["message_id"], "bob", "retry")
        place.wait(lambda: "Recovered" in dump_content(card(place, run_id)))
    finally:
        (place.airflow.airflow.dags / "repaired").unlink()
    green = dump_content(card(place, run_id))
    assert "bob" in green  # who retried
    assert '"retry"' not in green
    (incident,) = execute(place.database, "SELECT state FROM incidents WHERE run_id = :r", r=run_id)
    assert incident.state == "recovered"
    logged = "eventLogs?event=post_clear_task_instances&dag_id=pay_daily&limit=50"
    events = place.call("GET", logged)["event_logs"]
    assert {event["owner"] for event in events} == {"bob"}


def test_a_killed_process_is_told(place: BridgeSetup) -> None:
    run_id = run_failing(place, "pay_killed")
    place.wait(lambda: place.messages(run_id))
    assert "killed" in dump_content(card(place, run_id))


def test_a_claim_is_shown_and_noted_in_airflow(place: BridgeSetup) -> None:
    run_id = run_failing(place, "pay_killed")
    place.wait(lambda: place.messages(run_id))
    place.lark.click(card(place, run_id)["message_id"], "bob", "claim")
    place.wait(lambda: "Claimed by bob" in dump_content(card(place, run_id)))
    assert "Asia/Shanghai" in dump_content(card(place, run_id)) or "CST" in dump_content(card(place, run_id))
    assert "Claimed in Lark by bob" in place.call("GET", f"dags/pay_killed/dagRuns/{run_id}")["note"]


def test_a_muted_task_is_told_no_more(place: BridgeSetup) -> None:
    run_id = run_failing(place, "pay_noisy")
    place.wait(lambda: place.messages(run_id))
    place.lark.click(card(place, run_id)["message_id"], "bob", "mute", option="8 noisy")
    place.wait(lambda: "muted by bob" in dump_content(card(place, run_id)))
    (mute,) = execute(place.database, "SELECT task_id, until - now() AS left FROM mutes")
    assert mute.task_id == "noisy"
    assert 7 < mute.left.total_seconds() / 3600 <= 8
    quiet, loud = run_failing(place, "pay_noisy"), run_failing(place, "pay_killed")
    place.wait(lambda: place.messages(loud))
    assert not place.messages(quiet)


def test_what_a_notifier_has_told_is_not_told_again_and_gets_buttons(place: BridgeSetup) -> None:
    run_id = run_failing(place, "pay_notifies")
    place.wait(lambda: place.messages(run_id) and '"retry"' in dump_content(card(place, run_id)))
    assert "no rows for told" in dump_content(card(place, run_id))
    (row,) = execute(place.database, "SELECT version FROM incidents WHERE run_id = :r", r=run_id)
    assert row.version == 2  # the notifier's, and the bridge's, which added the buttons alone
    assert "2 failures" not in dump_content(card(place, run_id))


def test_a_listener_beside_the_bridge_makes_one_card_of_a_run(place: BridgeSetup) -> None:
    run_id = run_failing(place, "pay_listened")
    place.wait(lambda: place.messages(run_id) and '"retry"' in dump_content(card(place, run_id)))
    place.wait(lambda: all(f"part_{index}" in dump_content(card(place, run_id)) for index in range(3)))
    # Another run is told later: the bridge has looked at this one by then.
    later = run_failing(place, "pay_killed")
    place.wait(lambda: place.messages(later))
    shown = dump_content(card(place, run_id))
    assert "3 failures" in shown
    assert "no rows for" in shown
    rows = execute(place.database, "SELECT key FROM incidents WHERE run_id = :r", r=run_id)
    assert len(rows) == 1
    sent = execute(
        place.database,
        "SELECT count(*) AS n FROM outbox WHERE card = :k AND kind = 'send'",
        k=rows[0].key,
    )
    assert sent[0].n <= 3  # of the tasks that failed at one moment; Lark got one of them
    instances = place.call("GET", f"dags/pay_listened/dagRuns/{run_id}/taskInstances")["task_instances"]
    key = App(place.lark.base_url, place.lark.app_id, place.lark.app_secret)
    (recorded,) = Incidents(place.database, key).of_run("pay_listened", run_id)
    assert {failure.ti_id for failure in recorded.incident.failures} == {
        instance["id"] for instance in instances
    }


def test_a_run_that_times_out_is_told_and_can_be_claimed(place: BridgeSetup) -> None:
    run_id = run_failing(place, "pay_slow")
    place.wait(lambda: place.messages(run_id))
    shown = dump_content(card(place, run_id))
    assert "no task failed" in shown
    assert "Claim" in shown
    assert "Retry" not in shown
    place.stop_all()  # Another bridge looks at the same run.
    place.bridge("--failure-seconds", "2")
    place.start("callbacks", "listen")
    later = run_failing(place, "pay_killed")
    place.wait(lambda: place.messages(later))
    assert len(place.messages(run_id)) == 1
    (row,) = execute(place.database, "SELECT version FROM incidents WHERE run_id = :r", r=run_id)
    assert row.version == 1


def test_a_dag_without_a_route_is_told_to_nobody(place: BridgeSetup) -> None:
    quiet, loud = run_failing(place, "unrouted"), run_failing(place, "pay_killed")
    place.wait(lambda: place.messages(loud))
    assert not place.messages(quiet)


def test_what_failed_while_no_bridge_ran_is_told_once(place: BridgeSetup) -> None:
    earlier = run_failing(place, "pay_killed")
    place.wait(lambda: place.messages(earlier))
    place.stop_all()
    missed = run_failing(place, "pay_killed")
    place.bridge("--failure-seconds", "2")
    place.bridge("--failure-seconds", "2")
    place.start("callbacks", "listen")
    place.wait(lambda: place.messages(missed))
    later = run_failing(place, "pay_killed")
    place.wait(lambda: place.messages(later))
    for run_id in (earlier, missed, later):
        assert len(place.messages(run_id)) == 1
        assert "2 failures" not in dump_content(card(place, run_id))


def test_a_card_that_cannot_be_read_does_not_stop_the_others(place: BridgeSetup) -> None:
    run_id = run_failing(place, "pay_killed")
    place.wait(lambda: place.messages(run_id))
    execute(place.database, "UPDATE incidents SET content = 'damaged' WHERE run_id = :r", r=run_id)
    body = {"dry_run": False, "dag_run_id": run_id, "task_ids": ["killed"], "only_failed": True}
    place.call("POST", "dags/pay_killed/clearTaskInstances", body)
    other = run_failing(place, "pay_killed")
    place.wait(lambda: place.messages(other))
    place.wait(lambda: "Card of a run's failures cannot be changed" in place.logs())


def run_checks(place: BridgeSetup, code: int, *arguments: str, **changes: str) -> dict[str, dict[str, Any]]:
    """Run `airflow check`, assert its exit code and status, and return its checks by name."""
    done = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-m", "lark_provider.cli", "airflow", "check", "--json", *arguments],
        env=place.environment | changes, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["status"] == ("healthy" if code == 0 else "unhealthy")
    assert SECRET not in done.stdout + done.stderr
    return {check["name"]: check for check in report["checks"]}


def test_a_working_setup_passes_all_checks(place: BridgeSetup) -> None:
    place.wait(lambda: execute(place.database, "SELECT 1 FROM api_servers"))
    place.wait(lambda: place.call("GET", "dags?limit=100")["total_entries"] >= 4)
    checks = run_checks(place, 0)
    assert [check["status"] for check in checks.values()] == ["healthy"] * len(checks)
    assert list(checks)[:8] == [
        "routes", "secret", "settings", "airflow", "account", "routes in Airflow", "plugin", "API servers",
    ]  # fmt: skip
    assert {"token", "bot", "scopes", "receivers"} <= set(checks)


def test_each_fault_of_the_routes_is_named(place: BridgeSetup, tmp_path: Path) -> None:
    path = tmp_path / "lark.yaml"
    path.write_text(
        "routes:\n"
        f"  - {{name: all, dag: 'pay_*', to: {CHAT}, what: failures}}\n"
        "  - {name: typo, dag: 'payy_*', to: oc_nowhere}\n"
        "  - {name: late, dag: pay_daily, to: nobody@example.com, what: failures}\n"
        f"  - {{name: no task, task: 'x*', dag: unrouted, to: {CHAT}}}\n"
    )
    checks = run_checks(place, 1, LARK_ROUTES_PATH=str(path))
    routes = checks["routes in Airflow"]
    assert routes["status"] == "warning"
    assert [detail.split(":")[0] for detail in routes["details"]] == [
        "line 3, typo", "line 4, late", "line 5, no task",
    ]  # fmt: skip
    assert checks["receivers"]["status"] == "unhealthy"
    assert [detail.split(":")[0] for detail in checks["receivers"]["details"]] == [
        "oc_nowhere",
        "nobody@example.com",
    ]
    path.write_text("routes: [{}]")
    checks = run_checks(place, 1, LARK_ROUTES_PATH=str(path))
    assert "Line 1: a route must have receivers" in checks["routes"]["text"]
    assert "receivers" not in checks
    assert checks["plugin"]["status"] == "healthy"


def test_each_fault_of_the_settings_is_named(place: BridgeSetup) -> None:
    checks = run_checks(place, 1, LARK_BRIDGE_SECRET="x" * 40)
    assert "must be random" in checks["secret"]["text"]
    assert "refused ours" in checks["plugin"]["text"]
    checks = run_checks(place, 1, LARK_AIRFLOW_PASSWORD="wrong")
    assert checks["airflow"]["status"] == "unhealthy"
    assert "Next: " in checks["airflow"]["text"]
    assert "wrong" not in checks["airflow"]["text"]
    checks = run_checks(place, 1, LARK_AIRFLOW_URL="http://127.0.0.1:9")
    assert "Cannot reach Airflow" in checks["airflow"]["text"]
    assert "plugin" not in checks
    checks = run_checks(place, 1, LARK_AIRFLOW_URL=place.environment["LARK_AIRFLOW_URL"] + "/nowhere")
    assert "check LARK_AIRFLOW_U" in checks["airflow"]["text"]
    checks = run_checks(place, 1, "--conn-id", "nowhere")
    assert "AIRFLOW_CONN_NOWHERE" in checks["settings"]["text"]


def test_an_api_server_that_is_not_guarded_is_named(place: BridgeSetup) -> None:
    execute(
        place.database,
        "INSERT INTO api_servers (id, host, version, airflow_version, guarded, problem, seen_at) "
        "VALUES ('x', 'api-2', '0', '3.2.0', false, 'the model differs', now())",
    )
    try:
        server = run_checks(place, 1)["API servers"]
    finally:
        execute(place.database, "DELETE FROM api_servers WHERE id = 'x'")
    assert any("api-2: version 0" in detail and "the model differs" in detail for detail in server["details"])


def test_api_servers_that_hold_answers_differently_are_named(place: BridgeSetup, tmp_path: Path) -> None:
    execute(
        place.database,
        "INSERT INTO api_servers (id, host, version, airflow_version, guarded, hold_seconds, seen_at) "
        "SELECT 'x', 'api-2', version, airflow_version, true, 45, now() FROM api_servers LIMIT 1",
    )
    try:
        server = run_checks(place, 0)["API servers"]
    finally:
        execute(place.database, "DELETE FROM api_servers WHERE id = 'x'")
    assert server["status"] == "warning"
    assert any(f"holds answers for {HOLD:g} s" in detail for detail in server["details"])
    assert any("api-2" in detail and "holds answers for 45 s" in detail for detail in server["details"])
    path = tmp_path / "lark.yaml"
    path.write_text(ROUTES + "hold: 60\n")
    server = run_checks(place, 0, LARK_ROUTES_PATH=str(path))["API servers"]
    assert (server["status"], "hold of lark.yaml is 60 s" in server["text"]) == ("warning", True)


def test_an_api_server_of_another_version_is_named(place: BridgeSetup) -> None:
    execute(
        place.database,
        "INSERT INTO api_servers (id, host, version, airflow_version, guarded, problem, seen_at) "
        "VALUES ('y', 'api-3', '0.0.9', '3.3.2', true, null, now())",
    )
    try:
        server = run_checks(place, 0)["API servers"]
    finally:
        execute(place.database, "DELETE FROM api_servers WHERE id = 'y'")
    assert server["status"] == "warning"
    assert "finish the upgrade" in server["text"]
    assert any("api-3: version 0.0.9" in detail for detail in server["details"])
