"""What Airflow's REST API says of questions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lark_provider.bridge import reading
from lark_provider.bridge.reading import Dag
from lark_provider.protocol.hitl.model import Assignee, End

TI = "01a21948-7587-7846-9ed1-ff4af9e7a4bf"
AT = "2026-11-26T12:00:00Z"


def detail(*, ti: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    task: dict[str, Any] = {
        "id": TI, "dag_id": "d/x", "dag_run_id": "r", "task_id": "t", "map_index": -1, "try_number": 2,
        "state": "awaiting_input", "operator": "ApprovalOperator", "end_date": AT, "trigger": None,
        "rendered_fields": {"subject": "Now?", "body": None},
    }  # fmt: skip
    fields: dict[str, Any] = {
        "options": ["Approve", "Reject"], "subject": "Before?", "body": "Text", "defaults": None,
        "multiple": False, "params": {}, "assigned_users": [{"id": 3, "name": "bob"}],
        "responded_by_user": None, "responded_at": None, "chosen_options": None, "params_input": {},
        "response_received": False,
    }  # fmt: skip
    return fields | changes | {"task_instance": task | (ti or {})}


def test_the_text_is_that_of_this_try_and_not_that_of_the_first() -> None:
    question = reading.read_question(detail(), Dag(("data",), ("t1",)), "https://airflow.example.com")
    assert (question.subject, question.body) == ("Now?", "Text")
    assert question.assignees == (Assignee("3", "bob"),)
    assert (question.owners, question.tags, question.defaults) == (("data",), ("t1",), None)
    assert question.url == "https://airflow.example.com/dags/d%2Fx/runs/r/tasks/t/required_actions"


def test_a_text_that_airflow_cut_is_taken_from_the_question() -> None:
    cut = {"subject": "Truncated. You can change this behaviour in [core]max_templated_field_length. 'B…"}
    assert reading.read_question(detail(ti={"rendered_fields": cut}), Dag(), "").subject == "Before?"


def test_a_mapped_task_and_the_deadline_of_a_trigger() -> None:
    trigger = {"classpath": "airflow.x.HITLTrigger", "kwargs": {"timeout_datetime": AT}}
    ti = {"state": "deferred", "map_index": 4, "trigger": trigger}
    question = reading.read_question(detail(ti=ti), Dag(), "u")
    assert question.url.endswith("/tasks/t/mapped/4/required_actions")
    assert question.deadline == datetime(2026, 11, 26, 12, tzinfo=UTC)
    assert reading.is_asking(detail(ti=ti)["task_instance"])
    other = {**ti, "trigger": {"classpath": "x.FileTrigger"}}
    assert not reading.is_asking(detail(ti=other)["task_instance"])
    assert not reading.is_asking(detail(ti={"state": "running"})["task_instance"])


@pytest.mark.parametrize("name", ["dag_id", "dag_run_id", "task_id"])
def test_what_no_url_names_is_not_asked_for(name: str) -> None:
    assert reading.is_asking(detail(ti={name: "..."})["task_instance"] | {name: "a..b"})
    assert not reading.is_asking(detail(ti={name: ".."})["task_instance"])


@pytest.mark.parametrize("state", ["awaiting_input", "deferred", "running", "queued", "scheduled", None])
def test_a_question_whose_task_waits_or_runs_has_not_ended(state: str | None) -> None:
    assert reading.read_end(detail(ti={"state": state}), TI) is None


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (None, "withdrawn"),
        (detail(ti={"id": "other"}), "superseded"),
        (detail(ti={"id": "other", "state": "success"}, response_received=True), "superseded"),
        (detail(ti={"state": "success"}), "withdrawn"),
        (detail(ti={"state": "failed"}), "timed_out"),
        (detail(ti={"state": "failed"}, defaults=["Approve"]), "withdrawn"),
        (detail(ti={"state": "success"}, response_received=True, chosen_options=["Approve"]), "defaulted"),
    ],
)
def test_how_a_question_ended(found: dict[str, Any] | None, kind: str) -> None:
    end = reading.read_end(found, TI)
    assert end is not None
    assert end.kind == kind


def test_who_answered_what() -> None:
    answered = detail(
        ti={"state": "queued"}, response_received=True, chosen_options=["Reject"], params_input={"n": 3},
        responded_by_user={"id": "3", "name": "bob"}, responded_at=AT,
    )  # fmt: skip
    at = datetime(2026, 11, 26, 12, tzinfo=UTC)
    assert reading.read_end(answered, TI) == End("answered", ("Reject",), {"n": 3}, "bob", at=at)


@pytest.mark.parametrize(
    ("version", "states"),
    [
        ("3.2.2", ("deferred",)),
        ("3.3.0", ("awaiting_input", "deferred")),
        ("3.3.2rc1", ("awaiting_input", "deferred")),
        ("3.10.0", ("awaiting_input", "deferred")),
        ("4.0", ("awaiting_input", "deferred")),
    ],
)
def test_a_query_names_the_states_that_airflow_knows(version: str, states: tuple[str, ...]) -> None:
    assert reading.list_waiting_states(version) == states


@pytest.mark.parametrize(
    ("created_s", "parked_s"),
    [((), 1.0), ((-5.0,), 1.0), ((2.5, -1.0), 3.5), ((60.0,), 61.0), ((61.0,), 1.0), ((61.0, 4.0), 5.0)],
)
def test_a_task_was_parked_after_its_question_was_created_however_late_the_servers_time_is(
    created_s: tuple[float, ...], parked_s: float
) -> None:
    """A card was sent 3 s after its question instead of 6, by the time of an answer that had waited."""
    now = datetime(2026, 11, 26, 12, tzinfo=UTC)
    details = [detail(created_at=(now + timedelta(seconds=seconds)).isoformat()) for seconds in created_s] + [
        detail(created_at=None)
    ]
    assert reading.estimate_parked_at(now, details) == now + timedelta(seconds=parked_s)
