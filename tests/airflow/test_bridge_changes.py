"""DAG files edited, tasks renamed, DAGs paused or deleted while questions are open; without a broker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from lark_emulator import Emulator

from tests.airflow.bridge_place import BridgeSetup, click, find_card, path, versions
from tests.airflow.conftest import AirflowHome
from tests.bridge.builders import execute
from tests.services.postgres import PostgresServer

_DAG = """
from datetime import timedelta

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import DAG

again = {{"retries": 5, "retry_delay": timedelta(seconds=1)}}  # A busy machine fails a task now and then.
with DAG("{dag_id}", is_paused_upon_creation=False, default_args=again):
    HITLOperator(
        task_id="{task_id}",
        subject="{subject}",
        options={options},
        assigned_users=[{{"id": "bob", "name": "bob"}}],
    )
"""
NAMES = ("paused", "edited", "renamed", "returned", "removed", "deleted")
RUNS: dict[str, str] = {}
"""The run of each DAG."""


def dag_file(
    name: str, task_id: str = "q", subject: str = "", options: tuple[str, ...] = ("Yes", "No")
) -> str:
    subject = subject or f"Is {name} right?"
    return _DAG.format(dag_id=name, task_id=task_id, subject=subject, options=list(options))


@pytest.fixture(scope="module")
def place(
    airflow_home: AirflowHome,
    airflow_database: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: PostgresServer,
) -> Iterator[BridgeSetup]:
    home = tmp_path_factory.mktemp("changes")
    with postgres_server.databases() as databases, Emulator() as lark:
        soon = {
            **airflow_database,
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "2",
            "AIRFLOW__DAG_PROCESSOR__PARSING_CLEANUP_INTERVAL": "5",
        }
        lark.settings(rate_limits=False)
        place = BridgeSetup(airflow_home, home, databases.make(), lark, "", soon)
        try:
            for name in NAMES:
                path(place, name).write_text(dag_file(name))
            place.link()
            place.bridge()
            place.start("callbacks", "listen")
            place.wait(lark.connections)
            assert "RABBITMQ_URL" not in place.environment
            RUNS.update({name: place.run(name) for name in NAMES})
            for name in NAMES:
                place.wait(lambda name=name: place.messages(f"Is {name} right?"), 240)  # type: ignore[misc]
            yield place
        finally:
            place.close()


def outcome(place: BridgeSetup, name: str) -> dict[str, Any]:
    """Wait until a question is over, and return its outcome."""
    statement = "SELECT outcome FROM hitl_questions WHERE dag_id = :d AND state = 'over'"
    # The bridge learns of a question that is withdrawn by a complete pass, which is late if Airflow is slow.
    place.wait(lambda: execute(place.database, statement, d=name), 400)
    result: dict[str, Any] = json.loads(execute(place.database, statement, d=name)[0].outcome)
    return result


def task(place: BridgeSetup, name: str, task_id: str = "q") -> dict[str, Any]:
    instance: dict[str, Any] = place.call("GET", f"dags/{name}/dagRuns/{RUNS[name]}/taskInstances/{task_id}")
    return instance


def test_a_paused_dag_is_answered_and_goes_on_when_it_is_unpaused(place: BridgeSetup) -> None:
    place.call("PATCH", "dags/paused", {"is_paused": True})
    assert click(place, "Is paused right?")["outcome"] == "answered"
    place.wait(lambda: "bob" in find_card(place, "Is paused right?"))
    place.call("PATCH", "dags/paused", {"is_paused": False})
    place.wait(lambda: task(place, "paused")["state"] == "success")


def test_an_edited_question_is_answered_as_it_was_asked(place: BridgeSetup) -> None:
    path(place, "edited").write_text(dag_file("edited", subject="New words?", options=("Go", "Stop")))
    place.wait(lambda: versions(place, "edited") > 1)
    assert click(place, "Is edited right?")["outcome"] == "answered"
    assert (outcome(place, "edited")["kind"], outcome(place, "edited")["options"]) == ("answered", ["Yes"])
    place.wait(lambda: "bob" in find_card(place, "Is edited right?"))
    # Airflow checks the answer against the file as it is now; if it does not fit, the next try asks again.
    place.wait(lambda: place.messages("New words?") or task(place, "edited")["state"] == "success")


def test_the_question_of_a_renamed_task_is_withdrawn_and_the_new_one_asks(place: BridgeSetup) -> None:
    path(place, "renamed").write_text(dag_file("renamed", task_id="other", subject="Is the other right?"))
    assert outcome(place, "renamed")["kind"] == "withdrawn"
    assert task(place, "renamed")["state"] == "removed"
    place.wait(lambda: "lark_wait" not in find_card(place, "Is renamed right?"))
    place.wait(lambda: place.messages("Is the other right?"))
    (message,) = place.messages("Is the other right?")
    place.lark.click(message["message_id"], "bob", "No")
    place.wait(lambda: task(place, "renamed", "other")["state"] == "success")


def test_the_question_of_a_removed_task_is_asked_again_when_the_task_returns(place: BridgeSetup) -> None:
    path(place, "returned").write_text(dag_file("returned", task_id="other", subject="Another?"))
    assert outcome(place, "returned")["kind"] == "withdrawn"
    place.wait(lambda: "lark_wait" not in find_card(place, "Is returned right?"))
    path(place, "returned").write_text(dag_file("returned"))
    place.wait(lambda: len(place.messages("Is returned right?")) > 1, 400)
    _, again = place.messages("Is returned right?")  # Of a task instance with an id of its own.
    place.lark.click(again["message_id"], "bob", "Yes")
    place.wait(lambda: task(place, "returned")["state"] == "success")


def test_a_question_outlasts_its_file(place: BridgeSetup) -> None:
    path(place, "removed").unlink()
    place.wait(
        lambda: "removed" not in [dag["dag_id"] for dag in place.call("GET", "dags?limit=100")["dags"]]
    )
    ti_id = task(place, "removed")["id"]
    assert task(place, "removed")["state"] == "awaiting_input"
    assert click(place, "Is removed right?")["outcome"] == "answered"
    place.wait(lambda: "bob" in find_card(place, "Is removed right?"))
    # Airflow resumes the task at once, finds no file, and a minute later starts it again under the same id.
    place.wait(lambda: task(place, "removed")["state"] == "up_for_reschedule")
    path(place, "removed").write_text(dag_file("removed"))
    place.wait(lambda: len(place.messages("Is removed right?")) > 1)
    (again,) = place.messages("An earlier answer does not count any more")
    assert task(place, "removed")["id"] == ti_id
    place.lark.click(again["message_id"], "bob", "Yes")
    place.wait(lambda: task(place, "removed")["state"] == "success")
    place.wait(lambda: "lark_wait" not in json.dumps(place.messages("Is removed right?")))


def test_the_question_of_a_deleted_dag_is_withdrawn(place: BridgeSetup) -> None:
    path(place, "deleted").unlink()
    with suppress(json.JSONDecodeError):  # It answers nothing.
        place.call("DELETE", "dags/deleted")
    assert (outcome(place, "deleted")["kind"], outcome(place, "deleted")["detail"]) == ("withdrawn", "gone")
    place.wait(lambda: "lark_wait" not in find_card(place, "Is deleted right?"))
