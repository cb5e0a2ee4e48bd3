"""A real Airflow whose worker misses a DAG file for a moment, or whose files are edited, while tasks wait.

Airflow starts such a task again from its beginning, under the same id and try, and forgets its answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lark_emulator import Emulator

from tests.airflow.bridge_place import BridgeSetup
from tests.airflow.card_callbacks.clicks_and_cards import buttons
from tests.airflow.conftest import CHAT, AirflowHome, connection
from tests.bridge.builders import execute
from tests.services.postgres import PostgresServer

_DAG = """
import traceback
from datetime import timedelta
from pathlib import Path

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG
from lark_provider.operators import LarkApprovalOperator, LarkNativeApprovalOperator, LarkSendMessageOperator
from lark_provider.sensors import LarkCardCallbackSensor

# The DAG processor has the file, and a worker not yet.
in_worker = any(frame.filename.endswith("task_runner.py") for frame in traceback.extract_stack())
if in_worker and Path(__file__).with_suffix(".hidden").exists():
    raise ImportError("not on this worker")
with DAG("{name}", is_paused_upon_creation=False, tags=["{name}"], max_active_runs=1):
    {body}
"""
ROUTES = f"""
defaults: {{language: en}}
routes:
  - {{dag: pay_*, what: failures, to: {CHAT}}}
"""
CODES: dict[str, str] = {}
"""Definitions of native approvals."""
RUNS: dict[str, str] = {}
"""The run of each DAG."""
RESCHEDULED = {"deferrable": False, "mode": "reschedule", "poke_interval": 20}


def approval(name: str, **changes: Any) -> str:
    """Return a DAG file whose task asks a question on a card."""
    arguments = {"task_id": "q", "receiver_id": CHAT, "title": f"Is {name} right?"} | changes
    return _DAG.format(name=name, body=f"LarkApprovalOperator(**{arguments!r})")


def native(name: str, **changes: Any) -> str:
    """Return a DAG file whose task asks for a native approval."""
    arguments: dict[str, Any] = {
        "approval_code": CODES["first"],
        "form": {"Version": name},
        "submitter": "alice@example.com",
    }
    arguments |= {"task_id": "q", "poll_interval": 1} | changes
    return _DAG.format(name=name, body=f"LarkNativeApprovalOperator(**{arguments!r})")


def card_and_sensor(name: str) -> str:
    """Return a DAG file that sends a card of its own, with a sensor that waits for a click on it."""
    go = {"tag": "button", "text": {"tag": "plain_text", "content": "Go"}, "value": {"action": "go"}}
    title = {"tag": "plain_text", "content": f"Is {name} right?"}
    card = {"header": {"title": title}, "elements": [{"tag": "action", "actions": [go]}]}
    arguments = {"task_id": "s", "receiver_id": CHAT, "content": card, "msg_type": "interactive"}
    sends = f"LarkSendMessageOperator(**{arguments!r})"
    waits = "LarkCardCallbackSensor(task_id='q', message_id=sent.output, deferrable=True)"
    return _DAG.format(name=name, body=f"sent = {sends}; sent >> {waits}")


def plain(name: str, retries: int = 0) -> str:
    """Return a DAG file whose task needs nothing but the file."""
    again = f"retries={retries}, retry_delay=timedelta(seconds=20)"
    return _DAG.format(name=name, body=f"PythonOperator(task_id='q', python_callable=print, {again})")


def dag_files() -> dict[str, str]:
    """Return the initial DAG files of all tests, by name."""
    names = ("deferred", "replaced", "returned", "edited")
    return {
        **{name: approval(name) for name in names},
        **{name: approval(name, **RESCHEDULED) for name in ("during", "afterwards")},
        "sensor": card_and_sensor("sensor"),
        "instance": native("instance"),
        "pay_fails": plain("pay_fails"),
        "pay_recovers": plain("pay_recovers", retries=1),
    }


@pytest.fixture(scope="module")
def place(
    airflow_home: AirflowHome,
    airflow_database: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: PostgresServer,
) -> Iterator[BridgeSetup]:
    home = tmp_path_factory.mktemp("missing")
    with postgres_server.databases() as databases, Emulator() as lark:
        settings = {
            "AIRFLOW__API_AUTH__JWT_EXPIRATION_TIME": "600",
            **airflow_database,
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "2",
            # The scheduler fails a task that starts again before it has noticed the end of its process.
            "AIRFLOW__WORKERS__MISSING_DAG_RETRY_DELAY": "15",
            "AIRFLOW_CONN_LARK_DEFAULT": connection(lark),
            "LARK_APP_ID": lark.app_id,  # The API server looks up who has clicked.
            "LARK_APP_SECRET": lark.app_secret,
            "LARK_BASE_URL": lark.base_url,
        }
        lark.settings(rate_limits=False)
        form = [{"id": "w1", "type": "input", "name": "Version"}]
        CODES["first"] = lark.add_approval("Deploy", form=form, nodes=[{"approvers": ["bob"]}])
        setup = BridgeSetup(airflow_home, home, databases.make(), lark, "", settings)
        try:
            (home / "lark.yaml").write_text(ROUTES)
            setup.environment["LARK_ROUTES_PATH"] = str(home / "lark.yaml")
            setup.link()
            setup.bridge("--failure-seconds", "2")
            setup.start("callbacks", "listen")
            setup.wait(lark.connections)
            setup.wait(lambda: execute(setup.database, "SELECT 1 FROM meta WHERE key LIKE 'failures %'"))
            for name, text in dag_files().items():
                path(setup, name).write_text(text)
            yield setup
        finally:
            setup.close()


def start(place: BridgeSetup, name: str, *states: str) -> None:
    """Start a run of a DAG, and wait until its task is in one of `states`, if any are given."""
    RUNS[name] = place.run(name)
    if states:
        wait_for_state(place, name, *states)


def path(place: BridgeSetup, name: str) -> Path:
    dag_file: Path = place.airflow.airflow.dags / f"{name}.py"
    return dag_file


def hide(place: BridgeSetup, name: str) -> None:
    path(place, name).with_suffix(".hidden").touch()


def restore(place: BridgeSetup, name: str, text: str | None = None) -> None:
    if text is not None:
        path(place, name).write_text(text)
    path(place, name).with_suffix(".hidden").unlink()


def card(place: BridgeSetup, name: str) -> dict[str, Any]:
    """Return the only card of a DAG."""
    (message,) = place.messages(f"Is {name} right?")
    return message


def task(place: BridgeSetup, name: str) -> dict[str, Any]:
    task_instance: dict[str, Any] = place.call("GET", f"dags/{name}/dagRuns/{RUNS[name]}/taskInstances/q")
    return task_instance


def wait_for_state(place: BridgeSetup, name: str, *states: str) -> str:
    """Wait until the task of a DAG is in one of `states`, and return its state."""
    seen_states: list[str] = []

    def look() -> bool:
        seen_states.append(task(place, name)["state"])
        return seen_states[-1] in states

    place.wait(look)
    return seen_states[-1]


def count_logged(place: BridgeSetup, name: str, text: str = "Dag not found during start up") -> int:
    """Return how often `text` occurs in the logs of a DAG's task."""
    logs = place.airflow.airflow.home.glob(f"logs/dag_id={name}/**/task_id=q/attempt=*.log")
    return sum(log.read_text().count(text) for log in logs)


def xcoms(place: BridgeSetup, name: str) -> dict[str, Any]:
    path = f"dags/{name}/dagRuns/{RUNS[name]}/taskInstances/q/xcomEntries"
    entries = place.call("GET", path)["xcom_entries"]
    return {
        entry["key"]: place.call("GET", f"{path}/{entry['key']}?deserialize=true")["value"]
        for entry in entries
    }


def click(place: BridgeSetup, name: str, component: str = "Approve") -> str:
    """Click as bob on the only card of a DAG, and return the response that he gets."""
    done = place.lark.click(card(place, name)["message_id"], "bob", component)
    assert done["code"] == 0, done
    return json.dumps(done, ensure_ascii=False)


def assert_decided(place: BridgeSetup, name: str, decision: str) -> None:
    """Assert that the first try of a DAG's task ended with the decision, on the only card that it sent."""
    assert wait_for_state(place, name, "success", "failed") == "success"
    assert task(place, name)["try_number"] == 1
    values, shown = xcoms(place, name), card(place, name)
    assert values["return_value"]["decision"] == decision
    assert values["return_value"]["message_id"] == values["lark_message_id"] == shown["message_id"]
    assert not list(buttons(shown["content"]))


def test_a_click_before_the_task_is_resumed_counts(place: BridgeSetup) -> None:
    start(place, "deferred", "deferred")
    ti_id = task(place, "deferred")["id"]
    hide(place, "deferred")
    click(place, "deferred")
    place.wait(lambda: count_logged(place, "deferred"))
    wait_for_state(place, "deferred", "up_for_reschedule")
    restore(place, "deferred")
    assert_decided(place, "deferred", "approve")
    assert task(place, "deferred")["id"] == ti_id


def test_a_click_while_the_file_is_missing_counts(place: BridgeSetup) -> None:
    start(place, "during", "up_for_reschedule")
    hide(place, "during")
    place.wait(lambda: count_logged(place, "during"))
    click(place, "during")
    wait_for_state(place, "during", "up_for_reschedule")
    restore(place, "during")
    assert_decided(place, "during", "approve")


def test_a_click_after_the_task_was_started_again_counts(place: BridgeSetup) -> None:
    start(place, "afterwards", "up_for_reschedule")
    startups = count_logged(place, "afterwards", "Worker startup parse complete")
    hide(place, "afterwards")
    place.wait(lambda: count_logged(place, "afterwards"))
    restore(place, "afterwards")
    place.wait(lambda: count_logged(place, "afterwards", "Worker startup parse complete") > startups)
    wait_for_state(place, "afterwards", "up_for_reschedule")
    click(place, "afterwards")
    assert_decided(place, "afterwards", "approve")


def test_a_sensor_finds_the_click_on_another_tasks_card(place: BridgeSetup) -> None:
    start(place, "sensor", "deferred")
    hide(place, "sensor")
    click(place, "sensor", "Go")
    place.wait(lambda: count_logged(place, "sensor"))
    wait_for_state(place, "sensor", "up_for_reschedule")
    restore(place, "sensor")
    assert wait_for_state(place, "sensor", "success", "failed") == "success"
    assert xcoms(place, "sensor")["return_value"]["action"]["value"] == {"action": "go"}


def test_a_native_approval_is_asked_for_once_although_retries_are_edited(place: BridgeSetup) -> None:
    start(place, "instance", "deferred")
    hide(place, "instance")
    (instance,) = place.lark.approvals()["instances"]
    place.lark.decide_approval(instance["code"], "approve")
    place.wait(lambda: count_logged(place, "instance"))
    wait_for_state(place, "instance", "up_for_reschedule")
    restore(place, "instance", native("instance", retries=3))
    assert wait_for_state(place, "instance", "success", "failed", "up_for_retry") == "success"
    assert xcoms(place, "instance")["return_value"]["instance_code"] == instance["code"]
    assert len(place.lark.approvals()["instances"]) == 1


def test_what_was_asked_counts_and_not_what_the_file_says_by_now(place: BridgeSetup) -> None:
    start(place, "edited", "deferred")
    hide(place, "edited")
    click(place, "edited")
    place.wait(lambda: count_logged(place, "edited"))
    wait_for_state(place, "edited", "up_for_reschedule")
    other = {"title": "New?", "options": {"go": "Go"}, "receiver_id": "oc_none", "approvers": ["nobody"]}
    restore(place, "edited", approval("edited", retries=2, rejections=[], **other))
    assert_decided(place, "edited", "approve")
    assert not place.messages("New?")


def test_a_click_for_a_task_of_another_class_is_answered(place: BridgeSetup) -> None:
    start(place, "replaced", "deferred")
    path(place, "replaced").write_text(_DAG.format(name="replaced", body="EmptyOperator(task_id='q')"))
    click(place, "replaced")
    # Airflow calls `execute_complete` of the task as it is in the file now, which has none.
    assert wait_for_state(place, "replaced", "success", "failed") == "failed"
    assert "Approve" in click(place, "replaced")
    place.wait(lambda: not list(buttons(card(place, "replaced")["content"])))


def test_the_card_of_a_removed_task_is_withdrawn_and_a_task_that_returns_asks_again(
    place: BridgeSetup,
) -> None:
    start(place, "returned", "deferred")
    path(place, "returned").write_text(approval("returned", task_id="other", title="Another?"))
    wait_for_state(place, "returned", "removed")
    place.wait(lambda: not list(buttons(card(place, "returned")["content"])))
    path(place, "returned").write_text(approval("returned"))
    place.wait(lambda: len(place.messages("Is returned right?")) > 1)
    _, again = place.messages("Is returned right?")
    place.lark.click(again["message_id"], "bob", "Approve")
    assert wait_for_state(place, "returned", "success", "failed") == "success"


def test_a_failure_for_want_of_a_file_is_one_card_that_turns_green(place: BridgeSetup) -> None:
    hide(place, "pay_fails")
    start(place, "pay_fails", "failed")
    assert count_logged(place, "pay_fails") == 4  # [workers] missing_dag_retries, and the first start
    place.wait(lambda: place.messages(RUNS["pay_fails"]))
    restore(place, "pay_fails")
    (red,) = place.messages(RUNS["pay_fails"])
    place.lark.click(red["message_id"], "bob", "retry")
    place.wait(lambda: "Recovered" in json.dumps(place.messages(RUNS["pay_fails"])))
    assert len(place.messages(RUNS["pay_fails"])) == 1
    assert task(place, "pay_fails")["state"] == "success"


def test_a_retry_that_finds_its_file_is_no_failure(place: BridgeSetup) -> None:
    hide(place, "pay_recovers")
    start(place, "pay_recovers")
    place.wait(lambda: count_logged(place, "pay_recovers", "Startup reschedule limit exceeded"))
    restore(place, "pay_recovers")
    assert wait_for_state(place, "pay_recovers", "success", "failed") == "success"
    assert not place.messages(RUNS["pay_recovers"])
