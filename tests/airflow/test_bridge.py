"""The bridge against a real Airflow with the plugin: questions of its own operators, asked and answered."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from lark_emulator import Emulator

from tests.airflow.bridge_place import HOLD, MANY, SECONDS, BridgeSetup
from tests.airflow.conftest import AirflowHome
from tests.bridge.builders import execute
from tests.services.postgres import PostgresServer


@pytest.fixture(scope="module")
def place(
    airflow_home: AirflowHome,
    airflow_database: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: PostgresServer,
) -> Iterator[BridgeSetup]:
    home = tmp_path_factory.mktemp("bridge")
    with postgres_server.databases() as databases, Emulator() as lark:
        lark.settings(rate_limits=False)
        place = BridgeSetup(airflow_home, home, databases.make(), lark, settings=airflow_database)
        try:
            yield place
        finally:
            place.close()


@pytest.fixture(autouse=True)
def _linked(place: BridgeSetup) -> Iterator[None]:
    place.link()
    yield
    place.stop_all()


def wait_until_parked(place: BridgeSetup, dag_id: str, run_id: str) -> Mapping[str, Any]:
    place.wait(lambda: place.task(dag_id, run_id)["state"] == "awaiting_input")
    return place.task(dag_id, run_id)


def answer(place: BridgeSetup, run_id: str, option: str = "Approve") -> None:
    path = f"dags/asks/dagRuns/{run_id}/taskInstances/q/-1/hitlDetails"
    place.call("PATCH", path, {"chosen_options": [option], "params_input": {}}, user="bob")


def test_a_question_becomes_a_card_that_shows_how_it_was_answered_in_airflow(place: BridgeSetup) -> None:
    bridge = place.bridge()
    run_id = place.run("asks")
    wait_until_parked(place, "asks", run_id)
    place.wait(lambda: place.messages(f"Deploy {run_id}?"))
    (message,) = place.messages(f"Deploy {run_id}?")
    sent = "SELECT created_at FROM hitl_cards WHERE message_id = :m"
    place.wait(lambda: execute(place.database, sent, m=message["message_id"]))
    ((due,),) = execute(place.database, sent, m=message["message_id"])
    detail = place.call("GET", f"dags/asks/dagRuns/{run_id}/taskInstances/q/-1/hitlDetails")
    assert (due - datetime.fromisoformat(detail["created_at"])).total_seconds() >= HOLD
    answer(place, run_id)
    place.wait(lambda: place.messages(f"Deploy {run_id}?")[0] != message)
    place.wait(lambda: place.task("asks", run_id)["state"] == "success")
    (ended,) = place.messages(f"Deploy {run_id}?")
    assert "bob" in json.dumps(ended)
    assert "lark_wait" not in json.dumps(ended["content"])
    bridge.terminate()
    assert bridge.wait(30) == 0
    assert "Bridge drained" in place.logs()


def test_a_click_answers_as_the_person_who_clicked(place: BridgeSetup) -> None:
    place.bridge()
    place.start("callbacks", "listen")
    run_id = place.run("asks")
    place.wait(lambda: place.messages(f"Deploy {run_id}?"))
    place.wait(place.lark.connections)
    (message,) = place.messages(f"Deploy {run_id}?")
    place.lark.click(message["message_id"], "bob", "Reject")
    place.wait(lambda: place.messages(f"Deploy {run_id}?")[0]["content"] != message["content"])
    detail = place.call("GET", f"dags/asks/dagRuns/{run_id}/taskInstances/q/-1/hitlDetails")
    assert detail["chosen_options"] == ["Reject"]
    assert detail["responded_by_user"] == {"id": "bob", "name": "bob"}
    (click,) = execute(place.database, "SELECT state, status, result FROM applied_clicks")
    assert (click.state, click.status, json.loads(click.result)["outcome"]) == ("done", 200, "answered")


def test_a_person_who_is_not_linked_is_told_alone_and_can_link(place: BridgeSetup) -> None:
    place.bridge()
    place.start("callbacks", "listen")
    run_id = place.run("asks")
    place.wait(lambda: place.messages(f"Deploy {run_id}?"))
    place.wait(place.lark.connections)
    place.people.revoke(place.bob.open_id)
    (message,) = place.messages(f"Deploy {run_id}?")
    place.lark.click(message["message_id"], "bob", "Approve")
    place.wait(lambda: place.messages(f"{place.airflow.url}/lark/link?code="))
    assert place.task("asks", run_id)["state"] == "awaiting_input"
    (recorded,) = execute(place.database, "SELECT result FROM applied_clicks WHERE status = 403")
    assert "code=" not in recorded.result


def test_a_cleared_question_is_closed_and_asked_again(place: BridgeSetup) -> None:
    place.bridge()
    run_id = place.run("asks")
    before = wait_until_parked(place, "asks", run_id)
    place.wait(lambda: place.messages(f"Deploy {run_id}?"))
    place.call(
        "POST",
        "dags/asks/clearTaskInstances",
        {"dry_run": False, "dag_run_id": run_id, "task_ids": ["q"], "only_failed": False},
    )
    place.wait(lambda: len(place.messages(f"Deploy {run_id}?")) == 2)
    place.wait(
        lambda: execute(
            place.database,
            "SELECT 1 FROM hitl_cards c JOIN hitl_questions q ON q.ti_id = c.ti_id "
            "WHERE q.ti_id = :ti_id AND c.state = 'over' AND q.outcome LIKE '%superseded%'",
            ti_id=before["id"],
        )
    )
    answer(place, run_id)
    place.wait(lambda: place.task("asks", run_id)["state"] == "success")


def test_a_task_that_fails_after_its_answer_can_be_asked_again_by_a_click(place: BridgeSetup) -> None:
    place.bridge()
    place.start("callbacks", "listen")
    run_id = place.run("asks")
    place.wait(lambda: place.messages(f"Deploy {run_id}?"))
    place.wait(place.lark.connections)
    (message,) = place.messages(f"Deploy {run_id}?")
    answer(place, run_id)
    place.wait(lambda: place.messages(f"Deploy {run_id}?")[0]["content"] != message["content"])
    place.wait(lambda: place.task("asks", run_id)["state"] == "success")
    # As the scheduler leaves it, if it queues the resumed task before it reads how its process ended.
    place.metadata(
        "INSERT INTO log (dttm, dag_id, task_id, run_id, map_index, try_number, event, extra) "
        "VALUES (now(), 'asks', 'q', :r, -1, 1, "
        "'state mismatch', 'finished with state success, but is queued')",
        r=run_id,
    )
    place.metadata("UPDATE task_instance SET state = 'failed' WHERE run_id = :r", r=run_id)
    place.wait(lambda: "ask_again" in json.dumps(place.messages(f"Deploy {run_id}?")[0]))
    place.lark.click(message["message_id"], "bob", "ask_again")
    place.wait(lambda: len(place.messages(f"Deploy {run_id}?")) == 2)


def test_beside_an_unguarded_api_server_the_card_shows_the_answer_that_counts(place: BridgeSetup) -> None:
    execute(
        place.database,
        "INSERT INTO api_servers (id, host, version, airflow_version, guarded, problem, seen_at) "
        "VALUES ('x', 'api-2', '0', '3.2.0', false, 'the model differs', now()), "
        "('y', 'api-3', '0.0.9', '3.3.2', true, null, now())",
    )
    try:
        place.bridge()
        place.wait(lambda: "API server has no answer guard" in place.logs())
        place.wait(lambda: "API server has another version of this package" in place.logs())
        place.start("callbacks", "listen")
        run_id = place.run("asks")
        ti_id = wait_until_parked(place, "asks", run_id)["id"]
        place.wait(lambda: place.messages(f"Deploy {run_id}?"))
        place.wait(place.lark.connections)
        (message,) = place.messages(f"Deploy {run_id}?")
        with ThreadPoolExecutor(1) as pool:
            replaced = pool.submit(replace_answer, place, ti_id)
            place.lark.click(message["message_id"], "bob", "Approve")
            replaced.result()
        place.wait(lambda: place.messages(f"Deploy {run_id}?")[0]["content"] != message["content"])
        (ended,) = place.messages(f"Deploy {run_id}?")
    finally:
        execute(place.database, "DELETE FROM api_servers WHERE id IN ('x', 'y')")
    (question,) = execute(place.database, "SELECT outcome FROM hitl_questions WHERE ti_id = :t", t=ti_id)
    assert json.loads(question.outcome)["person"] == "admin"
    assert "admin" in json.dumps(ended["content"])


def replace_answer(place: BridgeSetup, ti_id: str) -> None:
    """Replace a recorded answer, as an overlapping answer does on an API server without the guard."""
    statement = (
        "UPDATE hitl_detail SET chosen_options = '[\"Reject\"]', "
        'responded_by = \'{"id": "admin", "name": "admin"}\' '
        "WHERE ti_id = :t AND responded_at IS NOT NULL"
    )
    replaced = 0
    until = time.monotonic() + SECONDS
    while not replaced and time.monotonic() < until:
        replaced = place.metadata(statement, t=ti_id)
        time.sleep(0.02)
    assert replaced == 1


def test_a_question_that_expires_says_so(place: BridgeSetup) -> None:
    place.bridge()
    run_id = place.run("expires")
    place.wait(lambda: place.messages("Soon?"))
    (message,) = place.messages("Soon?")
    place.wait(lambda: place.task("expires", run_id)["state"] == "failed")
    place.wait(lambda: place.messages("Soon?")[0]["content"] != message["content"])
    kinds = execute(place.database, "SELECT outcome FROM hitl_questions WHERE dag_id = 'expires'")
    assert [json.loads(row.outcome)["kind"] for row in kinds] == ["timed_out"]


def test_two_bridges_send_each_card_once_although_one_is_killed(place: BridgeSetup) -> None:
    first, second = place.bridge(), place.bridge()
    run_id = place.run("asks_many")
    place.wait(lambda: place.messages("Part "))
    first.kill()
    first.wait()
    place.wait(lambda: len({json.dumps(message["content"]) for message in place.messages("Part ")}) == MANY)
    place.wait(lambda: execute(place.database, "SELECT 1 FROM hitl_cards WHERE state = 'due'") == [])
    assert len(place.messages("Part ")) == MANY
    for index in range(MANY):
        path = f"dags/asks_many/dagRuns/{run_id}/taskInstances/q/{index}/hitlDetails"
        place.call("PATCH", path, {"chosen_options": ["Approve"], "params_input": {}}, user="bob")
    place.wait(
        lambda: (
            execute(
                place.database,
                "SELECT 1 FROM hitl_cards c JOIN hitl_questions q ON q.ti_id = c.ti_id "
                "WHERE q.dag_id = 'asks_many' AND c.state = 'sent'",
            )
            == []
        )
    )
    assert not [
        message for message in place.messages("Part ") if "lark_wait" in json.dumps(message["content"])
    ]
    assert second.poll() is None
