"""Clicks on a real API server: applied as the person who clicked, or refused with a reason."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from lark_provider.plugins.signed import MAX_AT_ONCE
from lark_provider.protocol.callbacks import Action, Operator
from lark_provider.protocol.commands.delivery import COMMAND_PATH, DeliveredCommand
from lark_provider.protocol.hitl.keys import make_button_value
from lark_provider.protocol.hitl.params import make_form_fields
from lark_provider.protocol.hitl.proof import (
    CHECK_EVENT,
    CLICK_PATH,
    MAX_BODY_BYTES,
    SIGNATURE_HEADER,
    BridgeSecrets,
)
from lark_provider.storage.bridge_tables import applied_clicks, link_codes
from lark_provider.storage.crypto import EncryptionKeys
from lark_provider.storage.engine import get_engine
from lark_provider.storage.people import Account, People, Person
from tests.airflow.api_server import APP, SIMPLE, TENANT, ApiServer, Asked
from tests.failures.waiting import wait_until

PARAMS = {
    "count": {"value": 1, "description": None, "schema": {"type": "integer", "minimum": 1, "maximum": 9}}
}


@pytest.fixture
def server(api_server: ApiServer) -> ApiServer:
    return api_server


def outcome(server: ApiServer, pending: Asked, user: str = "bob", **changes: Any) -> tuple[int, str]:
    done = server.deliver(server.click(pending, user, **changes))
    result: str = done.json()["outcome"]
    return done.status_code, result


def read_recorded(server: ApiServer, event_id: str) -> list[sa.Row[Any]]:
    with get_engine(server.database).connect() as connection:
        wanted = sa.select(applied_clicks).where(applied_clicks.c.event_id == event_id)
        return list(connection.execute(wanted).all())


def test_a_click_answers_as_the_person(server: ApiServer) -> None:
    pending = server.ask()
    click = server.click(pending, "bob", "Reject")
    done = server.deliver(click)
    assert (done.status_code, done.json()["outcome"]) == (200, "answered"), server.log()[-6000:]
    assert done.json()["message"]["en"] == "Your answer is recorded: Reject."
    assert (done.json()["end"]["person"], done.json()["end"]["options"]) == ("bob", ["Reject"])
    detail = server.read_answer(pending)
    assert detail["responded_by_user"] == {"id": "bob", "name": "bob"}
    assert detail["chosen_options"] == ["Reject"]
    (row,) = read_recorded(server, click.event_id)
    assert (row.state, row.status, row.open_id, row.card_key) == ("done", 200, "ou_bob", pending.card)
    with server.sql.connect() as connection:
        wanted = sa.text("SELECT owner FROM log WHERE event = 'update_hitl_detail' AND run_id = :run")
        owners = connection.execute(wanted, {"run": pending.question.task.run_id}).scalars().all()
    assert owners == ["bob"]


def test_a_click_delivered_again_has_the_same_result(server: ApiServer) -> None:
    pending = server.ask()
    click = server.click(pending, "bob")
    first = server.deliver(click)
    assert first.json()["outcome"] == "answered"
    assert server.deliver(click).json() == first.json()
    # The answer was written, and the process died before it recorded the result.
    with get_engine(server.database).begin() as connection:
        connection.execute(sa.delete(applied_clicks).where(applied_clicks.c.event_id == click.event_id))
    again = server.deliver(click)
    assert (again.status_code, again.json()["outcome"]) == (200, "answered")
    other = server.deliver(server.click(pending, "alice", "Approve"))
    assert (other.status_code, other.json()["outcome"]) == (409, "already_answered")
    assert other.json()["end"]["person"] == "bob"
    assert other.json()["message"]["en"].startswith("bob has answered first: Approve.")


def test_what_is_not_proven_is_refused_without_a_reason(server: ApiServer) -> None:
    pending = server.ask()
    click = server.click(pending, "bob")
    body, now = click.encode_body(), int(time.time())
    good = server.secrets.make_headers("POST", CLICK_PATH, now, click.event_id, body)
    forged = BridgeSecrets("another-secret-of-at-least-32-bytes-for-sure")
    tried = [
        (body, {}),
        (body, good | {SIGNATURE_HEADER: "0" * 64}),
        (body, forged.make_headers("POST", CLICK_PATH, now, click.event_id, body)),
        (body.replace(b"Approve", b"Reject!"), good),
        (body, server.secrets.make_headers("PUT", CLICK_PATH, now, click.event_id, body)),
        (body, server.secrets.make_headers("POST", "/lark/other", now, click.event_id, body)),
        (body, server.secrets.make_headers("POST", CLICK_PATH, now - 61, click.event_id, body)),
        (body, server.secrets.make_headers("POST", CLICK_PATH, now + 90, click.event_id, body)),
        (body, server.secrets.make_headers("POST", CLICK_PATH, now, "another-event", body)),
    ]
    for content, headers in tried:
        refused = server.post(content, headers)
        assert (refused.status_code, refused.json()) == (401, {})
    assert not server.read_answer(pending)["response_received"]
    assert read_recorded(server, click.event_id) == []


def test_the_delivery_of_a_check_is_not_an_error_and_answers_nothing(server: ApiServer) -> None:
    pending, unreadable = server.ask(), server.log().count("Delivered click is unreadable")
    for body in (b"{}", server.click(pending, "bob").encode_body()):
        headers = server.secrets.make_headers("POST", CLICK_PATH, int(time.time()), CHECK_EVENT, body)
        assert server.post(body, headers).json()["outcome"] == "invalid"
    wait_until(lambda: server.log().count("Delivery of clicks checked") >= 2)
    assert server.log().count("Delivered click is unreadable") == unreadable
    assert not server.read_answer(pending)["response_received"]


def test_a_large_body_and_another_method_are_refused(server: ApiServer) -> None:
    big = b"x" * (MAX_BODY_BYTES + 1)
    assert server.post(big, {}).status_code == 413

    def pieces() -> Iterator[bytes]:
        yield from (big[place : place + 8192] for place in range(0, len(big), 8192))

    assert server.http.post(CLICK_PATH, content=pieces()).status_code == 413
    assert server.http.get(CLICK_PATH).status_code == 405
    assert server.http.get("/lark/other").status_code == 404


def test_only_those_who_may_can_answer(server: ApiServer) -> None:
    pending = server.ask(assignees=["alice"])
    assert outcome(server, pending, "eve") == (403, "not_assigned")
    done = server.deliver(server.click(pending, "bob"))
    assert (done.status_code, done.json()["outcome"]) == (403, "not_assigned")
    assert "alice can answer it" in done.json()["message"]["en"]
    assert outcome(server, pending, "alice") == (200, "answered")
    assert outcome(server, server.ask(), "eve") == (403, "forbidden")
    assert outcome(server, server.ask(), operator=Operator("ou_bob", tenant_key="tenant-other")) == (
        403,
        "foreign_tenant",
    )


def test_who_is_not_linked_gets_a_link_that_is_not_recorded(server: ApiServer) -> None:
    click = server.click(server.ask(), "stranger")
    done = server.deliver(click)
    assert (done.status_code, done.json()["outcome"]) == (403, "unlinked")
    assert done.json()["link_url"].startswith(f"{server.url}/lark/link?code=")
    (row,) = read_recorded(server, click.event_id)
    assert json.loads(row.result)["link_url"] is None
    again = server.deliver(click)
    assert (again.status_code, again.json()["outcome"]) == (403, "unlinked")
    assert again.json()["link_url"] not in {None, done.json()["link_url"]}
    page = server.http.get(again.json()["link_url"].removeprefix(server.url))
    assert page.status_code == 303
    with get_engine(server.database).connect() as connection:
        codes = connection.execute(sa.select(link_codes.c.open_id)).scalars().all()
    assert codes.count("ou_stranger") == 2


def test_only_recorded_cards_can_be_clicked(server: ApiServer) -> None:
    pending = server.ask()
    value = make_button_value("0" * 64, "answer", option="Approve")
    for changes in (
        {"app_id": "cli_other"},
        {"message_id": "om_other"},
        {"action": Action(value=value)},
        {"action": Action(value=make_button_value("0" * 200, "answer", option="Approve"))},
        {"action": Action(value={"action": "answer", "option": "Approve"})},
    ):
        assert outcome(server, pending, **changes) == (404, "unknown_card")
    assert not server.read_answer(pending)["response_received"]


def test_an_answer_that_does_not_fit_is_refused_before_it_is_sent(server: ApiServer) -> None:
    pending = server.ask()
    assert outcome(server, pending, option="Maybe") == (400, "invalid")
    value = make_button_value(pending.card, "answer")
    assert outcome(server, pending, action=Action(value=value)) == (400, "invalid")
    assert not server.read_answer(pending)["response_received"]


def test_a_form_is_checked_against_its_schema(server: ApiServer) -> None:
    pending = server.ask(params=PARAMS, options=["OK"])
    (field,) = make_form_fields(PARAMS)

    def submit(text: str) -> Action:
        return Action(
            value=make_button_value(pending.card, "answer", option="OK"), form_value={field.key: text}
        )

    for wrong in ("many", "10", "0"):
        done = server.deliver(server.click(pending, "bob", action=submit(wrong)))
        assert (done.status_code, done.json()["outcome"]) == (400, "invalid")
        assert list(done.json()["errors"]) == ["count"]
    assert not server.read_answer(pending)["response_received"]
    assert outcome(server, pending, action=submit("7")) == (200, "answered")
    assert server.read_answer(pending)["params_input"] == {"count": 7}


def test_what_only_jsonschema_knows_is_checked_too(server: ApiServer) -> None:
    schema = {"type": "object", "dependentRequired": {"a": ["b"]}}
    params = {"more": {"value": {}, "description": None, "schema": schema}}
    pending = server.ask(params=params, options=["OK"])
    (field,) = make_form_fields(params)
    action = Action(
        value=make_button_value(pending.card, "answer", option="OK"), form_value={field.key: '{"a": 1}'}
    )
    done = server.deliver(server.click(pending, "bob", action=action))
    assert (done.status_code, done.json()["outcome"]) == (400, "invalid")
    assert "dependency" in done.json()["errors"]["more"]
    assert not server.read_answer(pending)["response_received"]


def test_a_pattern_that_takes_hours_does_not_stop_the_server(server: ApiServer) -> None:
    """It was matched on the event loop, which served nobody else for hours."""
    schema = {"type": "string", "pattern": "^(a+)+$"}
    params = {"name": {"value": "a", "description": None, "schema": schema}}
    pending = server.ask(params=params, options=["OK"])
    (field,) = make_form_fields(params)

    def submit(text: str) -> Action:
        return Action(
            value=make_button_value(pending.card, "answer", option="OK"), form_value={field.key: text}
        )

    for wrong, reason in {"b": "must match the pattern", "a" * 60 + "!": "takes too long"}.items():
        done = server.deliver(server.click(pending, "bob", action=submit(wrong)))
        assert (done.status_code, done.json()["outcome"]) == (400, "invalid")
        assert reason in done.json()["errors"]["name"]
    assert outcome(server, pending, action=submit("aa")) == (200, "answered")


def test_a_card_of_an_earlier_try_answers_nothing(server: ApiServer) -> None:
    pending = server.ask()
    task = pending.question.task
    body = {"dry_run": False, "dag_run_id": task.run_id, "task_ids": ["q"], "only_failed": False}
    assert server.call("POST", "/api/v2/dags/ask/clearTaskInstances", body).is_success
    assert outcome(server, pending) == (410, "superseded")
    assert not server.read_answer(pending)["response_received"]


@pytest.mark.parametrize("state", ["success", "failed", "removed"])
def test_a_task_that_does_not_wait_any_more_takes_no_answer(server: ApiServer, state: str) -> None:
    pending = server.ask(state=state)
    assert outcome(server, pending) == (410, "over")
    assert not server.read_answer(pending)["response_received"]


def test_a_run_that_was_deleted_is_over(server: ApiServer) -> None:
    pending = server.ask()
    assert server.call("DELETE", f"/api/v2/dags/ask/dagRuns/{pending.question.task.run_id}").is_success
    assert outcome(server, pending) == (410, "over")


def test_a_click_before_the_time_is_delivered_again(server: ApiServer) -> None:
    click = server.click(server.ask(seconds=0), "bob")
    early = server.deliver(click)
    assert (early.status_code, early.json()["outcome"], early.headers["retry-after"]) == (
        425,
        "too_early",
        "2",
    )
    assert read_recorded(server, click.event_id) == []
    assert outcome(server, server.ask(state="running")) == (425, "too_early")


def test_a_task_that_failed_after_its_answer_is_asked_again(server: ApiServer) -> None:
    pending = server.ask(state="failed")
    action = Action(value=make_button_value(pending.card, "ask_again"))
    assert outcome(server, pending, "eve", action=action) == (403, "forbidden")
    done = server.deliver(server.click(pending, "bob", action=action))
    assert (done.status_code, done.json()["outcome"]) == (200, "retried"), done.text
    task = server.call("GET", f"/api/v2{pending.question.task.path}").json()
    assert task["id"] != pending.question.task.ti_id
    assert outcome(server, pending, "alice", action=action) == (410, "superseded")


def test_a_deactivated_user_is_refused(server: ApiServer) -> None:
    account = Account(SIMPLE, "gone", "gone", {"sub": "gone", "role": "ADMIN"})
    People(server.database, EncryptionKeys(server.key)).link_person(Person(APP, TENANT, "ou_gone"), account)
    assert outcome(server, server.ask(), "gone") == (403, "unlinked")


def test_at_most_four_clicks_are_worked_on_at_once(server: ApiServer) -> None:
    questions, last = [server.ask() for _ in range(MAX_AT_ONCE)], server.ask()
    ids = [pending.question.task.ti_id for pending in questions]
    with ThreadPoolExecutor(MAX_AT_ONCE) as pool, server.sql.connect() as connection:
        # Each answer waits for the row of its task.
        locked = sa.text("SELECT id FROM task_instance WHERE id::text = ANY(:ids) FOR UPDATE")
        assert len(connection.execute(locked, {"ids": ids}).all()) == MAX_AT_ONCE
        running = [pool.submit(outcome, server, pending) for pending in questions]
        wait_until(lambda: server.waiting() == MAX_AT_ONCE)
        assert outcome(server, last) == (503, "busy")
        assert server.http.get("/api/v2/version").is_success
        connection.rollback()
        assert [future.result() for future in running] == [(200, "answered")] * MAX_AT_ONCE
    assert outcome(server, last) == (200, "answered")


def command(server: ApiServer, user: str = "bob") -> tuple[int, str]:
    """Deliver a command that starts a run, and return the status code and the outcome."""
    typed = DeliveredCommand(APP, TENANT, f"ou_{user}", f"om_{uuid.uuid4().hex}", "run", "many")
    body = typed.encode_body()
    headers = server.secrets.make_headers("POST", COMMAND_PATH, int(time.time()), typed.message_id, body)
    done = server.http.post(COMMAND_PATH, content=body, headers=dict(headers))
    return done.status_code, done.json()["outcome"]


def test_clicks_and_commands_together_are_at_most_four_at_once(server: ApiServer) -> None:
    half = MAX_AT_ONCE // 2
    questions, last = [server.ask() for _ in range(half)], server.ask()
    ids = [pending.question.task.ti_id for pending in questions]
    with ThreadPoolExecutor(MAX_AT_ONCE) as pool, server.sql.connect() as connection:
        # Each answer waits for the row of its task, and each command for the table of runs.
        locked = sa.text("SELECT id FROM task_instance WHERE id::text = ANY(:ids) FOR UPDATE")
        assert len(connection.execute(locked, {"ids": ids}).all()) == half
        connection.execute(sa.text("LOCK TABLE dag_run IN SHARE MODE"))
        running = [pool.submit(outcome, server, pending) for pending in questions]
        started = [pool.submit(command, server) for _ in range(half)]
        wait_until(lambda: server.waiting() == MAX_AT_ONCE)
        assert command(server) == (503, "busy")
        assert outcome(server, last) == (503, "busy")
        connection.rollback()
        assert [future.result() for future in running] == [(200, "answered")] * half
        assert [future.result() for future in started] == [(200, "started")] * half
    assert command(server) == (200, "started")


def test_lines_that_the_plugin_causes_in_other_modules_show_their_fields(server: ApiServer) -> None:
    assert server.lark is not None
    server.link("admin")  # nobody has asked Lark for them yet
    server.lark.fault(path="/open-apis/contact/v3/users/batch", status=500, times=1)
    assert outcome(server, server.ask(), "admin") == (200, "answered")
    (line,) = [line for line in server.log().splitlines() if "Retrying after a failed attempt" in line]
    assert "Retrying after a failed attempt: call=" in line
    assert "attempt=1" in line
    # Those of the plugin itself have them once.
    applied = [line for line in server.log().splitlines() if "Click applied" in line]
    assert {line.count("open_id=") for line in applied} == {1}


def test_the_rest_of_airflow_is_as_it_was(server: ApiServer) -> None:
    assert server.call("GET", "/api/v2/dags").json()["total_entries"] == 4
    path = f"/api/v2/dags/ask/dagRuns/{server.run('ask')}"
    assert server.call("PATCH", path, {"note": "seen"}).is_success
    assert server.http.patch(f"{path}/taskInstances/q/-1/hitlDetails", json={}).status_code == 401
    changed = replace(server.ask().question.task, task_id="other").path
    missing = server.call("PATCH", f"/api/v2{changed}/hitlDetails", {"chosen_options": ["Approve"]})
    assert missing.status_code == 404
