"""Clicks on the card of a run's failures: retry, claim and mute, as the person who clicked."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from lark_provider.api.cards.airflow.failure_actions import MUTE_HOURS
from lark_provider.plugins.failures import append_to_note
from lark_provider.protocol.callbacks import Action
from lark_provider.protocol.hitl.delivery import DeliveredClick
from lark_provider.protocol.hitl.keys import make_button_value
from lark_provider.protocol.incidents.event import RunEvent
from lark_provider.protocol.incidents.model import Failure, Incident
from lark_provider.protocol.incidents.shown import IncidentPlace
from lark_provider.protocol.tokens import App
from lark_provider.storage.incidents import Incidents
from tests.airflow.api_server import APP, APP_SECRET, CHAT, ApiServer, Asked


class Failed:
    """A run with failed tasks, recorded with its card."""

    def __init__(
        self,
        server: ApiServer,
        tasks: int,
        dag_id: str = "many",
        more: tuple[Failure, ...] = (),
        unlisted: int = 0,
        **run_fields: str,
    ) -> None:
        self.server, self.run_id = server, server.run(dag_id, **run_fields)
        with server.sql.begin() as connection:
            failed = sa.text(
                "UPDATE task_instance SET state = 'failed' WHERE run_id = :run AND task_id = ANY(:tasks) "
                "RETURNING task_id, id"
            )
            names = [f"q{place}" for place in range(tasks)]
            self.ids = {
                row.task_id: str(row.id)
                for row in connection.execute(failed, {"run": self.run_id, "tasks": names})
            }
        failures = tuple(Failure(name, 1, ti_id=self.ids[name], task_id=name) for name in names)
        place = IncidentPlace(dag_id, self.run_id, CHAT, "chat_id", "en")
        event = RunEvent("failure", dag_id, self.run_id, "q0", ti_id=self.ids["q0"])
        app = App(server.lark_url, APP, APP_SECRET)
        recorded = Incidents(server.database, app).record(
            place,
            event,
            lambda before: replace(
                before,
                incident=Incident(
                    count=tasks,
                    failures=(*failures, *more),
                    more={str(number): 1 for number in range(unlisted)},
                ),
            ),
            lambda _: "{}",
        )
        assert recorded.shown is not None
        self.key = recorded.shown.key

    def click(self, user: str, action: str, option: str | None = None) -> DeliveredClick:
        base = self.server.click(Asked(None, self.key, "om_failures"), user)  # type: ignore[arg-type]  # no question
        value: dict[str, Any] = make_button_value(self.key, action)  # type: ignore[arg-type]  # or one that it is not
        return replace(base, action=Action(value=value, option=option), event_id=uuid.uuid4().hex)

    def do(self, user: str, action: str, option: str | None = None) -> tuple[int, dict[str, Any]]:
        done = self.server.deliver(self.click(user, action, option))
        return done.status_code, done.json()

    def tasks(self) -> dict[str, tuple[str, str | None]]:
        with self.server.sql.connect() as connection:
            wanted = sa.text("SELECT task_id, id, state FROM task_instance WHERE run_id = :run")
            rows = connection.execute(wanted, {"run": self.run_id})
            return {row.task_id: (str(row.id), row.state) for row in rows}

    def note(self) -> str | None:
        dag_run = self.server.call("GET", f"/api/v2/dags/many/dagRuns/{self.run_id}").json()
        note: str | None = dag_run["note"]
        return note


@pytest.fixture
def failed(api_server: ApiServer) -> Failed:
    return Failed(api_server, 3)


def test_retry_clears_what_has_not_changed_and_names_the_rest(api_server: ApiServer, failed: Failed) -> None:
    body = {"dry_run": False, "dag_run_id": failed.run_id, "task_ids": ["q1"], "only_failed": True}
    assert api_server.call("POST", "/api/v2/dags/many/clearTaskInstances", body).is_success
    before = failed.tasks()
    status, result = failed.do("bob", "retry")
    assert (status, result["outcome"], result["person"]) == (200, "retried", "bob"), api_server.log()[-3000:]
    assert result["message"]["en"] == (
        "Cleared, to run again: q0, q2; not run again, since they have changed or are not on the card: q1."
    )
    after = failed.tasks()
    assert {name for name in after if after[name][0] != before[name][0]} == {"q0", "q2"}
    assert after["q0"][1] is None
    with api_server.sql.connect() as connection:
        wanted = sa.text(
            "SELECT owner FROM log WHERE event = 'post_clear_task_instances' AND owner = 'bob' "
            "AND run_id = :run"
        )
        assert len(connection.execute(wanted, {"run": failed.run_id}).all()) == 1
    status, result = failed.do("alice", "retry")
    assert (status, result["outcome"]) == (410, "superseded")


def test_retry_clears_what_failed_downstream_as_well(api_server: ApiServer) -> None:
    failed = Failed(api_server, 1, "chain")
    with api_server.sql.begin() as connection:
        blocked = sa.text(
            "UPDATE task_instance SET state = 'upstream_failed' WHERE run_id = :run AND id != :id"
        )
        connection.execute(blocked, {"run": failed.run_id, "id": failed.ids["q0"]})
    status, result = failed.do("bob", "retry")
    assert (status, result["message"]["en"]) == (200, "Cleared, to run again: q0."), api_server.log()[-3000:]
    assert {name: state for name, (_, state) in failed.tasks().items()} == dict.fromkeys(
        ("q0", "after", "last")
    )


def test_retry_names_as_left_only_what_was_not_cleared_downstream(api_server: ApiServer) -> None:
    changed = Failure("after", 1, ti_id=str(uuid.uuid4()), task_id="after")
    failed = Failed(api_server, 1, "chain", (changed,), 5)
    with api_server.sql.begin() as connection:
        again = sa.text("UPDATE task_instance SET state = 'failed' WHERE run_id = :run AND task_id = 'after'")
        connection.execute(again, {"run": failed.run_id})
    _, result = failed.do("bob", "retry")
    assert result["message"]["en"] == (
        "Cleared, to run again: q0; not run again, since they have changed or are not on the card: +5."
    )
    assert failed.tasks()["after"][1] is None


def test_who_may_not_change_the_run_changes_nothing(failed: Failed) -> None:
    before = failed.tasks()
    option = f"{MUTE_HOURS[0]} q0"
    for action, chosen in (("retry", None), ("claim", None), ("mute", option)):
        status, result = failed.do("eve", action, chosen)
        assert (status, result["outcome"]) == (403, "forbidden")
    assert (failed.tasks(), failed.note()) == (before, None)


def test_claim_and_mute_leave_a_note_on_the_run(api_server: ApiServer, failed: Failed) -> None:
    path = f"/api/v2/dags/many/dagRuns/{failed.run_id}"
    assert api_server.call("PATCH", path, {"note": "written before"}).is_success
    assert failed.do("bob", "claim")[1]["outcome"] == "noted"
    click = failed.click("bob", "mute", f"{MUTE_HOURS[0]} q0")
    assert api_server.deliver(click).json()["outcome"] == "noted"
    assert api_server.deliver(replace(click, event_id="again")).json()["outcome"] == "noted"
    lines = (failed.note() or "").splitlines()
    assert [line.partition(" in Lark by bob")[0] for line in lines] == [
        "written before",
        "Claimed",
        "Task q0 muted",
    ]


def test_what_the_card_does_not_offer_is_refused(failed: Failed) -> None:
    for action, option in (("mute", "9999 q0"), ("mute", "1 other"), ("delete", None), ("answer", None)):
        status, result = failed.do("bob", action, option)
        assert (status, result["outcome"]) == (400, "invalid")
    assert failed.note() is None


def test_a_run_that_no_url_names_is_refused_for_good(api_server: ApiServer) -> None:
    failed = Failed(api_server, 1, dag_run_id=".")
    before = failed.tasks()
    for action in ("claim", "retry"):
        status, result = failed.do("bob", action)
        assert (status, result["outcome"]) == (400, "invalid")
        assert "dots alone" in result["message"]["en"]
    assert failed.tasks() == before


def test_what_people_wrote_in_a_note_stays() -> None:
    """The oldest lines went, whoever had written them."""
    claimed = "Claimed in Lark by Bob, 2026-11-26 10:00 UTC"
    muted = "Task t muted in Lark by Bob until 2026-11-26 12:00 UTC"
    assert append_to_note("", claimed) == claimed
    assert append_to_note(f"theirs\n{claimed}", claimed) == f"theirs\n{claimed}"
    full = f"{'x' * 900}\n{muted}\nmore"
    assert append_to_note(full, claimed) == f"{'x' * 900}\nmore\n{claimed}"
    theirs = "Task force: " + "x" * 960
    assert append_to_note(theirs, claimed) == theirs
    assert len(append_to_note("x" * 955, claimed)) == 1000
