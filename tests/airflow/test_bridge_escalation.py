"""Escalations and digests of a real Airflow's failures, by real bridges, one of which is killed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from lark_emulator import Emulator

from tests.airflow.bridge_place import BridgeSetup
from tests.airflow.conftest import CHAT, AirflowHome
from tests.airflow.test_bridge_failures import run_checks
from tests.bridge.builders import execute
from tests.services.postgres import PostgresServer

DAGS = """
from airflow.sdk import DAG, task

def fails():
    raise ValueError("no rows")

with DAG("pay_fails", tags=["prod"]):
    task(task_id="load")(fails)()

with DAG("pay_claimed", tags=["claimed"]):
    task(task_id="load")(fails)()

with DAG("pay_works", tags=["prod"]):
    task(task_id="load")(lambda: None)()

with DAG("night", tags=["quiet"]):
    task(task_id="load")(fails)()
"""
ESCALATED = f"""
  - name: payments
    tag: prod
    what: failures
    to: {CHAT}
    escalation:
      rota: [alice@example.com, bob@example.com]
      steps: [{{after: 0.05}}, {{after: 0.6, urgent: sms}}, {{after: 1.2, urgent: phone}}]
"""
CLAIMED = f"""
  - name: claimed
    tag: claimed
    to: {CHAT}
    escalation: {{rota: alice@example.com, steps: [{{after: 0.05}}, {{after: 30, urgent: phone}}]}}
"""


def routes(more: str = "") -> str:
    now = datetime.now(UTC)
    quiet = f"'{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=3):%H:%M}'"
    night = f"  - {{name: night, tag: quiet, to: {CHAT}, timezone: UTC, quiet_hours: {quiet}}}\n"
    return "defaults: {language: en}\nroutes:" + ESCALATED + more + CLAIMED + night


@pytest.fixture(scope="module")
def place(
    airflow_home: AirflowHome,
    airflow_database: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: PostgresServer,
) -> Iterator[BridgeSetup]:
    home = tmp_path_factory.mktemp("escalation")
    with postgres_server.databases() as databases, Emulator() as lark:
        lark.settings(rate_limits=False)
        app = {  # The plugin reads the recorded failures.
            "LARK_APP_ID": lark.app_id,
            "LARK_APP_SECRET": lark.app_secret,
            "LARK_BASE_URL": lark.base_url,
            **airflow_database,
        }
        place = BridgeSetup(airflow_home, home, databases.make(), lark, DAGS, app)
        (home / "lark.yaml").write_text(routes())
        place.environment["LARK_ROUTES_PATH"] = str(home / "lark.yaml")
        try:
            yield place
        finally:
            place.close()


def states(place: BridgeSetup, run_id: str) -> list[str]:
    query = (
        "SELECT s.state FROM escalation_steps s JOIN incidents i ON i.key = s.incident_key "
        "WHERE i.run_id = :r ORDER BY s.number"
    )
    return [row.state for row in execute(place.database, query, r=run_id)]


def urgents(place: BridgeSetup, message_id: str) -> list[tuple[str, list[str]]]:
    sent = place.lark.state()["urgents"]
    return [(urgent["kind"], urgent["users"]) for urgent in sent if urgent["message_id"] == message_id]


def dump_content(message: dict[str, Any]) -> str:
    return json.dumps(message["content"], ensure_ascii=False)


def test_a_failure_that_nobody_claims_rings_although_a_bridge_is_killed(place: BridgeSetup) -> None:
    first = place.bridge("--failure-seconds", "1")
    place.wait(lambda: execute(place.database, "SELECT 1 FROM meta WHERE key LIKE 'failures %'"))
    run_id = place.run("pay_fails")
    place.wait(lambda: states(place, run_id)[:1] == ["done"])
    first.kill()
    first.wait()
    place.bridge("--failure-seconds", "1")
    place.bridge("--failure-seconds", "1")
    place.wait(lambda: states(place, run_id)[2:] == ["done"])
    (card,) = place.messages(run_id)
    rung = urgents(place, card["message_id"])
    kinds = [kind for kind, _ in rung]
    assert rung[0] == ("app", ["alice"])
    assert rung[-1] == ("phone", ["alice"])
    assert len(kinds) == len(set(kinds))  # no step twice
    assert (states(place, run_id)[1] == "done") is ("sms" in kinds)
    place.wait(lambda: "phone call to alice@example.com" in dump_content(place.messages(run_id)[0]))


def test_a_claim_ends_it(place: BridgeSetup) -> None:
    place.link()
    place.bridge("--failure-seconds", "1")
    place.wait(lambda: execute(place.database, "SELECT 1 FROM meta WHERE key LIKE 'failures %'"))
    place.start("callbacks", "listen")
    place.wait(place.lark.connections)
    run_id = place.run("pay_claimed")
    place.wait(lambda: states(place, run_id)[:1] == ["done"])
    (card,) = place.messages(run_id)
    place.lark.click(card["message_id"], "bob", "claim")
    place.wait(lambda: "Claimed by bob" in dump_content(place.messages(run_id)[0]))
    execute(
        place.database,
        "UPDATE escalation_steps SET due_at = now() WHERE state = 'due' AND incident_key IN "
        "(SELECT key FROM incidents WHERE run_id = :r)",
        r=run_id,
    )
    place.wait(lambda: states(place, run_id) == ["done", "ended"])
    assert urgents(place, card["message_id"]) == [("app", ["alice"])]


def test_one_digest_tells_what_the_day_was_like_and_the_night_is_quiet(place: BridgeSetup) -> None:
    place.bridge("--failure-seconds", "1")
    place.wait(lambda: execute(place.database, "SELECT 1 FROM meta WHERE key LIKE 'failures %'"))
    for dag_id in ("pay_fails", "pay_works", "night"):
        run_id = place.run(dag_id)
        place.wait(lambda: place.call("GET", f"dags/{dag_id}/dagRuns/{run_id}")["end_date"])  # noqa: B023
    place.wait(lambda: execute(place.database, "SELECT 1 FROM incidents WHERE dag_id = 'night'"))
    now = datetime.now(UTC)
    zone = f"Etc/GMT{now.hour - 12:+d}"  # where it is noon: both times are of one day
    at = now.astimezone(ZoneInfo(zone)) + timedelta(minutes=1)
    late = at - timedelta(hours=3)
    path = place.home / "lark.yaml"
    path.write_text(
        routes(
            f"    continue: true\n    timezone: {zone}\n    digest: '{at:%H:%M}'\n"
            f"  - {{name: late, to: {CHAT}, tag: prod, timezone: {zone}, continue: true, "
            f"digest: '{late:%H:%M}'}}\n"
        )
    )
    place.wait(lambda: place.messages("Digest"))
    (digest,) = place.messages("Digest")
    shown = dump_content(digest)
    assert "payments" in shown
    runs = [dag_run["dag_id"] for dag_run in place.call("GET", "dags/~/dagRuns?limit=100")["dag_runs"]]
    failed = runs.count("pay_fails")
    assert f"pay_fails: {failed}" in shown
    assert f"**{failed + runs.count('pay_works')}** runs ended, **{failed}** failed" in shown
    assert "🔴 pay_fails" in shown
    # A look before its time has skipped the digest of the day before.
    query = "SELECT state FROM digests WHERE day = :day ORDER BY state"
    place.wait(lambda: len(execute(place.database, query, day=str(at.date()))) == 2)
    rows = execute(place.database, query, day=str(at.date()))
    assert [row.state for row in rows] == ["recorded", "skipped"]
    (night,) = execute(
        place.database,
        "SELECT o.state, o.next_at > now() AS waits FROM outbox o JOIN incidents i ON o.card = i.key "
        "WHERE i.dag_id = 'night' ORDER BY o.version DESC LIMIT 1",
    )
    assert (night.state, night.waits) == ("due", True)


def test_the_check_names_what_is_missing(place: BridgeSetup) -> None:
    place.wait(lambda: execute(place.database, "SELECT 1 FROM api_servers"))
    path = place.home / "checked.yaml"
    path.write_text(f"routes:{ESCALATED}")
    good = run_checks(place, 0, LARK_ROUTES_PATH=str(path))["escalation"]
    assert (good["status"], good["text"].split(":")[0]) == ("healthy", "1 route(s)")
    place.lark.add_user("eve", email="eve@example.com")
    path.write_text(
        "routes:"
        + ESCALATED.replace("rota: [alice@example.com", "rota: [eve@example.com, nobody@example.com")
        + "  - {to: bob@example.com, escalation: {rota: alice@example.com, steps: [{after: 1}]}}\n"
        + "  - {to: bob@example.com, escalation: {rota: {base: bascnNone, table: tblNone, person: Who}, "
        + "steps: [{after: 1}]}}\n"
    )
    having = ["im:message", "im:chat", "contact:user.id:readonly", "contact:contact.base:readonly"]
    place.lark.change_app(scopes=[*having, "im:message.urgent"])
    execute(
        place.database,
        "INSERT INTO escalation_steps (incident_key, number, app_id, urgent, state, content, reason, due_at, "
        "created_at, updated_at) VALUES ('x', 1, 'cli_x', 'sms', 'failed', '', 'quota: x', now(), now(), "
        "now())",
    )
    try:
        check = run_checks(place, 1, LARK_ROUTES_PATH=str(path))["escalation"]
    finally:
        place.lark.change_app(scopes=None)
    assert check["status"] == "unhealthy"
    details = "\n".join(check["details"])
    for says in (
        "line 2, payments: the app lacks the scope im:message.urgent:sms for urgent SMS",
        "the app lacks the scope im:message.urgent:phone for urgent calls",
        "the tenant's quota for urgent SMS was used up on 20",
        f"eve@example.com is not in the chat {CHAT}",
        "no user visible to the app is nobody@example.com",
        "alice@example.com does not see the card, which goes to bob@example.com alone",
        "its rota cannot be read: ",
    ):
        assert says in details
    assert "scope im:message.urgent for" not in details
