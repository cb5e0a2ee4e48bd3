"""Clicks on cards of a real Airflow with FAB: who may answer, who may not, and what is recorded of it."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import sqlalchemy as sa
from lark_emulator import Emulator
from sqlalchemy.engine import make_url

from lark_provider.protocol.callbacks import Action, Operator
from lark_provider.protocol.hitl.delivery import DeliveredClick
from lark_provider.protocol.hitl.keys import make_button_value
from lark_provider.protocol.hitl.proof import CLICK_PATH, BridgeSecrets
from lark_provider.storage.link_codes import LinkCodes
from lark_provider.storage.people import Person
from tests.airflow.bridge_place import SECRET, BridgeSetup
from tests.airflow.conftest import CHAT, AirflowHome
from tests.bridge.builders import execute
from tests.services.postgres import PostgresServer

FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
ROLES = {
    "admin": ["Admin"],
    "watcher": ["Viewer", "Auditor"],
    "bob": ["Op"],  # clicks, and is assigned
    "alice": ["Viewer"],
    "carol": ["Op"],  # not assigned
    "dave": ["Op"],  # deactivated after they were linked
}
PEOPLE = ("bob", "alice", "carol", "dave")
_USERS = """
import json, sys
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

with get_application_builder() as builder:
    manager = builder.sm
    auditor = manager.add_role("Auditor")
    manager.add_permission_to_role(auditor, manager.create_permission("can_read", "Audit Logs"))
    for name, roles in json.loads(sys.argv[1]).items():
        found = [manager.find_role(role) for role in roles]
        assert manager.add_user(name, name, "x", f"{name}@example.com", found, password=name)
"""
_DAGS = """
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, task

ASSIGNED = [{"id": user_id, "name": name} for name, user_id in USERS.items()]
with DAG("asks"):
    ApprovalOperator(task_id="q", subject="Deploy {{ run_id }}?", assigned_users=ASSIGNED)
with DAG("fails"):
    task(task_id="t")(lambda: 1 / 0)()
"""
_ROUTES = f"defaults: {{language: en}}\nroutes:\n  - {{dag: '*', to: {CHAT}}}\n"


@pytest.fixture(scope="module")
def metadata(postgres_server: PostgresServer) -> Iterator[sa.Engine]:
    """Create a database for Airflow's metadata, and yield an engine for it."""
    with postgres_server.databases() as databases:
        engine = sa.create_engine(make_url(databases.make()).set(drivername="postgresql+psycopg2"))
        yield engine
        engine.dispose()


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer, metadata: sa.Engine
) -> Iterator[BridgeSetup]:
    home = tmp_path_factory.mktemp("fab")
    model = AirflowHome(tmp_path_factory.mktemp("model"))
    airflow = {
        "AIRFLOW__CORE__AUTH_MANAGER": FAB,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata.url.render_as_string(hide_password=False),
    }
    model.env |= airflow
    model.airflow("db", "migrate")
    model.python("-c", _USERS, json.dumps(ROLES))
    with metadata.connect() as connection:
        rows = connection.execute(sa.text("SELECT username, id FROM ab_user")).all()
    users = {row.username: str(row.id) for row in rows}
    assigned = {name: users[name] for name in ("bob", "alice", "dave")}
    with postgres_server.databases() as databases, Emulator() as lark:
        lark.settings(rate_limits=False)
        lark.add_user("dave")
        lark.add_user("fremd", tenant_key="tenant-other")
        lark.change_chat(CHAT, add_users=["dave", "fremd"])
        app = {
            "LARK_APP_ID": lark.app_id,
            "LARK_APP_SECRET": lark.app_secret,
            "LARK_BASE_URL": lark.base_url,
            **airflow,
        }
        place = BridgeSetup(model, home, databases.make(), lark, f"USERS = {assigned}\n{_DAGS}", app)
        try:
            (home / "lark.yaml").write_text(_ROUTES)
            place.environment["LARK_ROUTES_PATH"] = str(home / "lark.yaml")
            place.bridge("--failure-seconds", "2")
            place.start("callbacks", "listen")
            place.wait(lark.connections)
            place.wait(lambda: execute(place.database, "SELECT 1 FROM meta WHERE key LIKE 'failures %'"))
            for name in PEOPLE:
                link(place, name)
            yield place
        finally:
            place.close()


def find_person(place: BridgeSetup, name: str) -> Person:
    ids = place.lark.change_user(name)["open_ids"]
    return Person(place.lark.app_id, place.bob.tenant_key, ids[place.lark.app_id])


def link(place: BridgeSetup, name: str) -> None:
    """Link a person through the link page, with their session in Airflow, as they do themselves."""
    who = find_person(place, name)
    code = LinkCodes(place.people).create(who)
    with httpx.Client(base_url=place.airflow.url, timeout=60) as client:
        response = client.post("/auth/token", json={"username": name, "password": name})
        assert response.is_success, response.text
        client.cookies.set("_token", response.json()["access_token"])
        client.get("/lark/link", params={"code": code})
        [proof] = re.findall('name="proof" value="([^"]+)"', client.get("/lark/link").text)
        done = client.post("/lark/link", data={"proof": proof}, headers={"Origin": place.airflow.url})
        assert done.status_code == 200, done.text
    assert place.people.find(who.app_id, who.tenant_key, who.open_id) is not None


def ask(place: BridgeSetup) -> tuple[str, str]:
    """Start a run that asks a question; return the run's id and the message id of its card."""
    run_id = place.run("asks")
    place.wait(lambda: place.messages(f"Deploy {run_id}?"))
    (message,) = place.messages(f"Deploy {run_id}?")
    return run_id, message["message_id"]


def click(place: BridgeSetup, message_id: str, name: str, component: str = "Approve") -> dict[str, Any]:
    """Click on a card, and return the result that the plugin recorded, with the `event_id`."""
    done = place.lark.click(message_id, name, component)
    assert done["code"] == 0, done
    statement = "SELECT state, result FROM applied_clicks WHERE event_id = :e AND shown_at IS NOT NULL"
    place.wait(lambda: execute(place.database, statement, e=done["event_id"]))
    (row,) = execute(place.database, statement, e=done["event_id"])
    assert row.state == "done"
    return {**json.loads(row.result), "event_id": done["event_id"]}


def owners(place: BridgeSetup, event: str, run_id: str) -> list[str]:
    """Return the owners that Airflow's audit log names for an event of a run."""
    run = quote(run_id, safe="")
    event_logs = place.call("GET", f"eventLogs?event={event}&run_id={run}&limit=50")["event_logs"]
    return [entry["owner"] for entry in event_logs]


def deactivate(metadata: sa.Engine, name: str) -> None:
    with metadata.begin() as connection:
        connection.execute(sa.text("UPDATE ab_user SET active = false WHERE username = :n"), {"n": name})


def test_only_an_active_and_assigned_op_answers_and_every_refusal_is_told_and_logged(
    place: BridgeSetup, metadata: sa.Engine
) -> None:
    run_id, message_id = ask(place)
    deactivate(metadata, "dave")
    who = find_person(place, "fremd")
    # A link of a person of another company, as if one had got into the table, must not help them.
    bob = place.people.find(place.bob.app_id, place.bob.tenant_key, place.bob.open_id)
    assert bob is not None
    place.people.link_person(Person(who.app_id, "tenant-other", who.open_id), bob.account)
    refusals = {
        "alice": "forbidden",  # assigned, but a Viewer
        "carol": "not_assigned",
        "dave": "unlinked",  # and told to link again, which a deactivated user cannot
        "fremd": "foreign_tenant",
    }
    results = {name: click(place, message_id, name) for name in refusals}
    assert {name: applied["outcome"] for name, applied in results.items()} == refusals
    place.people.revoke(place.bob.open_id)
    results["bob"] = click(place, message_id, "bob")
    assert results["bob"]["outcome"] == "unlinked"
    assert place.task("asks", run_id)["state"] == "awaiting_input"
    for name, refusal in results.items():
        lines = [line for line in place.airflow.log().splitlines() if refusal["event_id"] in line]
        assert any("Click refused" in line and find_person(place, name).open_id in line for line in lines), (
            lines
        )
    link(place, "bob")
    assert click(place, message_id, "bob")["outcome"] == "answered"
    place.wait(lambda: place.task("asks", run_id)["state"] == "success")
    detail = place.call("GET", f"dags/asks/dagRuns/{run_id}/taskInstances/q/-1/hitlDetails")
    assert detail["responded_by_user"]["name"] == "bob"
    # Airflow has a row of those whom it refused itself, too; never of another person than the clicker.
    assert set(owners(place, "update_hitl_detail", run_id)) <= {"bob", "carol", "alice"}
    assert owners(place, "update_hitl_detail", run_id).count("bob") == 1
    place.wait(lambda: "bob" in json.dumps(place.messages(f"Deploy {run_id}?")[0]["content"]))


def test_a_forged_click_is_refused_without_a_reason_and_logged(place: BridgeSetup) -> None:
    run_id, message_id = ask(place)
    statement = "SELECT key FROM hitl_cards WHERE message_id = :m"
    place.wait(lambda: execute(place.database, statement, m=message_id))
    (card,) = execute(place.database, statement, m=message_id)
    click = DeliveredClick(
        event_id=uuid.uuid4().hex,
        app_id=place.bob.app_id,
        tenant_key=place.bob.tenant_key,
        operator=Operator(place.bob.open_id, tenant_key=place.bob.tenant_key),
        action=Action(tag="button", value=make_button_value(card.key, "answer", option="Approve")),
        message_id=message_id,
        chat_id=CHAT,
        clicked_at=datetime.now(UTC),
    )
    body, url = click.encode_body(), place.airflow.url + CLICK_PATH
    forged = BridgeSecrets("another-secret-of-at-least-32-bytes-for-sure")
    for headers in ({}, forged.make_headers("POST", CLICK_PATH, int(time.time()), click.event_id, body)):
        refused = httpx.post(url, content=body, headers=dict(headers), timeout=60)
        assert (refused.status_code, refused.json()) == (401, {})
    place.wait(lambda: "Click with invalid signature rejected" in place.airflow.log())
    assert place.task("asks", run_id)["state"] == "awaiting_input"
    assert owners(place, "update_hitl_detail", run_id) == []
    # The same click with the bridge's own signature counts.
    proof = BridgeSecrets(SECRET).make_headers("POST", CLICK_PATH, int(time.time()), click.event_id, body)
    taken = httpx.post(url, content=body, headers=dict(proof), timeout=60)
    assert taken.json()["outcome"] == "answered"


def test_a_failure_is_retried_by_an_op_and_by_no_viewer(place: BridgeSetup) -> None:
    run_id = place.run("fails")
    place.wait(lambda: place.messages(run_id) and '"retry"' in json.dumps(place.messages(run_id)[0]))
    message_id = place.messages(run_id)[0]["message_id"]
    assert click(place, message_id, "alice", "retry")["outcome"] == "forbidden"
    assert place.call("GET", f"dags/fails/dagRuns/{run_id}/taskInstances/t")["try_number"] == 1
    assert click(place, message_id, "carol", "retry")["outcome"] == "retried"
    place.wait(lambda: place.call("GET", f"dags/fails/dagRuns/{run_id}/taskInstances/t")["try_number"] == 2)
    cleared = owners(place, "post_clear_task_instances", run_id)
    assert sorted(cleared) == ["alice", "carol"]  # Airflow has a row of whom it refuses, too.


def test_who_has_no_active_user_cannot_link(place: BridgeSetup, metadata: sa.Engine) -> None:
    deactivate(metadata, "dave")
    who = find_person(place, "dave")
    place.people.revoke(who.open_id)
    with pytest.raises(AssertionError):
        link(place, "dave")
    assert place.people.find(who.app_id, who.tenant_key, who.open_id) is None
