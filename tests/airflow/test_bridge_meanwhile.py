"""Open questions while a mapped task shrinks, a form changes, a bridge is frozen or its account refused."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider.protocol.hitl.keys import make_button_value
from tests.airflow.bridge_place import BridgeSetup, click, find_card, path, versions, wait_until_applied
from tests.airflow.conftest import AirflowHome
from tests.bridge.builders import execute
from tests.services.postgres import PostgresServer

_MAPPED = """
from datetime import timedelta

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import DAG

with DAG("{dag_id}", is_paused_upon_creation=False, max_active_tasks=8):
    HITLOperator.partial(
        task_id="q", options=["Yes", "No"], assigned_users=[{{"id": "bob", "name": "bob"}}],
        retries=5, retry_delay=timedelta(seconds=1),
    ).expand(subject=[f"{dag_id} number {{n}}?" for n in range({count})])
"""
_FORM = """
from datetime import timedelta

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import DAG, Param

with DAG("form", is_paused_upon_creation=False):
    HITLOperator(
        task_id="q", subject="How many {words}?", options=["OK"],
        params={{"count": Param({default}, type="{kind}")}},
        assigned_users=[{{"id": "bob", "name": "bob"}}], retries=5, retry_delay=timedelta(seconds=1),
    )
"""
_PLAIN = """
from datetime import timedelta

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG

BOB = [{"id": "bob", "name": "bob"}]
again = {"retries": 5, "retry_delay": timedelta(seconds=1)}
for name in ("frozen", "refused", "broken"):
    with DAG(name, is_paused_upon_creation=False, default_args=again):
        ApprovalOperator(task_id="q", subject=f"Is {name} right?", assigned_users=BOB)
with DAG("defaults", is_paused_upon_creation=False):
    ApprovalOperator(
        task_id="q", subject="Is defaults right?", assigned_users=BOB, defaults=["Reject"],
        response_timeout=timedelta(seconds=40), fail_on_reject=False,
    )
"""
BRIDGES: list[subprocess.Popen[bytes]] = []
"""Their logs are the first ones."""


@pytest.fixture(scope="module")
def place(
    airflow_home: AirflowHome,
    airflow_database: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: PostgresServer,
) -> Iterator[BridgeSetup]:
    home = tmp_path_factory.mktemp("attacks")
    routes = home / "lark.yaml"
    routes.write_text("routes: []\n")
    with postgres_server.databases() as databases, Emulator() as lark:
        soon = {
            **airflow_database,
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "2",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "LARK_ROUTES_PATH": str(routes),
        }
        lark.settings(rate_limits=False)
        place = BridgeSetup(airflow_home, home, databases.make(), lark, _PLAIN, soon)
        place.environment["LARK_ROUTES_PATH"] = str(routes)
        try:
            path(place, "shrinks").write_text(_MAPPED.format(dag_id="shrinks", count=3))
            path(place, "form").write_text(_FORM.format(words="apples", default=1, kind="integer"))
            place.link()
            BRIDGES[:] = place.bridge(), place.bridge()
            place.start("callbacks", "listen")
            place.wait(lark.connections)
            yield place
        finally:
            place.close()


def ends(place: BridgeSetup, dag_id: str) -> list[dict[str, Any]]:
    statement = "SELECT outcome FROM hitl_questions WHERE dag_id = :d AND state = 'over' ORDER BY map_index"
    return [json.loads(row.outcome) for row in execute(place.database, statement, d=dag_id)]


def is_closed(place: BridgeSetup, text: str) -> bool:
    return "lark_wait" not in find_card(place, text)


def states(place: BridgeSetup, dag_id: str, run_id: str) -> dict[int, str]:
    response = place.call("GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances")
    return {instance["map_index"]: instance["state"] for instance in response["task_instances"]}


def test_the_questions_that_a_shorter_mapped_task_has_no_more_are_withdrawn(place: BridgeSetup) -> None:
    run = place.run("shrinks")
    for n in range(3):
        place.wait(lambda n=n: place.messages(f"shrinks number {n}?"))  # type: ignore[misc]
    (last,) = place.messages("shrinks number 2?")
    key_of = "SELECT key FROM hitl_cards WHERE message_id = :m"
    place.wait(lambda: execute(place.database, key_of, m=last["message_id"]))
    (card,) = execute(place.database, key_of, m=last["message_id"])
    path(place, "shrinks").write_text(_MAPPED.format(dag_id="shrinks", count=1))
    place.wait(lambda: versions(place, "shrinks") > 1)
    assert click(place, "shrinks number 0?")["outcome"] == "answered"
    place.wait(lambda: states(place, "shrinks", run)[2] == "removed")
    # A bridge may have closed the card by now; bob's client still shows it as it was.
    action = {"tag": "button", "value": make_button_value(card.key, "answer", option="Yes")}
    gone = wait_until_applied(place, place.lark.click(last["message_id"], "bob", action=action)["event_id"])
    assert gone["outcome"] in {"over", "superseded"}
    place.wait(lambda: len(ends(place, "shrinks")) == 3, 400)
    assert [end["kind"] for end in ends(place, "shrinks")] == ["answered", "withdrawn", "withdrawn"]
    for n in range(3):
        place.wait(lambda n=n: is_closed(place, f"shrinks number {n}?"))  # type: ignore[misc]


def test_a_form_is_answered_as_it_was_shown_and_the_next_try_asks_with_the_new_one(
    place: BridgeSetup,
) -> None:
    place.run("form")
    place.wait(lambda: place.messages("How many apples?"))
    path(place, "form").write_text(_FORM.format(words="pears", default='"a"', kind="string"))
    place.wait(lambda: versions(place, "form") > 1)
    assert click(place, "How many apples?", "OK")["end"]["params"] == {"count": 1}
    place.wait(lambda: is_closed(place, "How many apples?"))
    place.wait(lambda: place.messages("How many pears?"))


def test_a_default_counts_and_is_shown(place: BridgeSetup) -> None:
    place.run("defaults")
    place.wait(lambda: ends(place, "defaults"))
    assert (ends(place, "defaults")[0]["kind"], ends(place, "defaults")[0]["options"]) == (
        "defaulted",
        ["Reject"],
    )
    place.wait(lambda: is_closed(place, "Is defaults right?"))
    assert "The default counts" in find_card(place, "Is defaults right?")


def test_beside_a_frozen_bridge_the_other_one_asks_and_closes(place: BridgeSetup) -> None:
    logs = [place.home / f"process-{number}.log" for number in range(2)]
    place.wait(lambda: any('"polls": true' in log.read_text() for log in logs))
    number = next(index for index, log in enumerate(logs) if '"polls": true' in log.read_text())
    polling, other = BRIDGES[number], logs[1 - number]
    polling.send_signal(signal.SIGSTOP)
    try:
        place.run("frozen")
        place.wait(lambda: place.messages("Is frozen right?"))
        assert click(place, "Is frozen right?", "Approve")["outcome"] == "answered"
        place.wait(lambda: is_closed(place, "Is frozen right?"))
    finally:
        polling.send_signal(signal.SIGCONT)
    place.wait(lambda: '"message": "Polling bridge changed", "polls": true' in other.read_text())
    assert polling.poll() is None


def test_a_broken_file_keeps_the_routes_and_lets_a_click_wait(place: BridgeSetup) -> None:
    routes = place.home / "lark.yaml"
    routes.write_text("routes: [\n")
    place.wait(lambda: "File rejected; the previous version stays in use" in place.logs())
    place.run("broken")
    place.wait(lambda: place.messages("Is broken right?"))
    place.people.revoke(place.bob.open_id)
    (message,) = place.messages("Is broken right?")
    done = place.lark.click(message["message_id"], "bob", "Approve")
    place.wait(lambda: "status 503: unavailable" in place.logs())
    routes.write_text(f"people:\n  {place.bob.open_id}: bob\n")
    assert wait_until_applied(place, done["event_id"])["outcome"] == "answered"
    place.wait(lambda: is_closed(place, "Is broken right?"))
    place.link()


def test_an_account_that_is_refused_for_a_while_is_used_again(place: BridgeSetup) -> None:
    passwords = place.home / "passwords.json"
    text = passwords.read_text()
    passwords.write_text(json.dumps({**json.loads(text), "watcher": "other"}))
    place.wait(lambda: "Airflow gave no token to watcher (status 401)" in place.logs())
    place.run("refused")
    passwords.write_text(text)
    place.wait(lambda: place.messages("Is refused right?"))
    assert click(place, "Is refused right?", "Approve")["outcome"] == "answered"
    place.wait(lambda: is_closed(place, "Is refused right?"))
    assert "audit log cannot be read" not in place.logs()
