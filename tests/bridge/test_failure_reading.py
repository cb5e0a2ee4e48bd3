from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from lark_provider.api.cards.airflow.failure_actions import render_actions
from lark_provider.api.cards.airflow.limits import MAX_LISTED, STEPS
from lark_provider.bridge import failure_errors as errors
from lark_provider.bridge import failure_reading as reading
from lark_provider.bridge.failure_cards import after_click
from lark_provider.bridge.reading import Dag
from lark_provider.protocol.callbacks import Action, CardClick
from lark_provider.protocol.hitl.delivery import ClickResult
from lark_provider.protocol.hitl.keys import make_button_value
from lark_provider.protocol.incidents.changes import apply_event
from lark_provider.protocol.incidents.event import RunEvent
from lark_provider.protocol.incidents.model import Incident
from lark_provider.protocol.incidents.shown import IncidentPlace, ShownIncident
from tests.bridge.builders import click

URL = "https://airflow.example.com"


def instance(task: str = "load", index: int = -1, state: str = "failed", **changes: Any) -> dict[str, Any]:
    return {
        "id": f"{task}-{index}-1",
        "dag_id": "d",
        "dag_run_id": "manual__2026-11-26T10:00:00+00:00",
        "task_id": task,
        "map_index": index,
        "try_number": 1,
        "max_tries": 2,
        "state": state,
    } | changes


def read_event(*args: Any, **changes: Any) -> RunEvent:
    return reading.read_failure(instance(*args, **changes), Dag(("data",), ("prod",)), URL)


def test_a_failed_task_instance_is_an_event_with_links() -> None:
    failure = read_event("load/x", 3)
    assert (failure.kind, failure.label, failure.tries, failure.owners) == (
        "failure",
        "load/x_3",
        3,
        ("data",),
    )
    run = f"{URL}/dags/d/runs/manual__2026-11-26T10%3A00%3A00%2B00%3A00"
    assert failure.run_url == run
    assert failure.log_url == f"{run}/tasks/load%2Fx/mapped/3?try_number=1"
    assert errors.make_log_path(failure).endswith("/taskInstances/load%2Fx/logs/1")


def test_the_log_of_the_newest_failure_of_each_run_is_read_first() -> None:
    events = [
        read_event(task, dag_run_id=run) for run, task in (("r1", "a"), ("r2", "b"), ("r1", "c"), ("r1", "d"))
    ]
    assert [failure.task_id for failure in errors.sort_by_run(events)] == ["b", "d", "c", "a"]


def test_the_error_is_the_last_one_of_the_log_with_secrets_masked() -> None:
    detail = {
        "exc_type": "ValueError",
        "exc_value": "password=hunter2hunter2 is wrong",
        "frames": [
            {"filename": "/x/airflow/sdk/execution_time/task_runner.py", "lineno": 1, "name": "run"},
            {"filename": "/dags/d.py", "lineno": 7, "name": "load"},
        ],
    }
    log = {
        "content": [{"event": "x", "error_detail": [{"exc_type": "Other"}]}, {"error_detail": [detail]}, {}]
    }
    failure = errors.add_error(read_event(), log)
    assert (failure.error_type, failure.error) == ("ValueError", "password=*** is wrong")
    assert 'File "/dags/d.py", line 7, in load' in failure.traceback
    assert "task_runner" not in failure.traceback
    assert "hunter2" not in repr(failure)


@pytest.mark.parametrize(
    "log", [None, {}, {"content": "text"}, {"content": [1, {"error_detail": []}, {"error_detail": ["x"]}]}]
)
def test_a_log_without_an_error_leaves_the_failure_as_it_is(log: Any) -> None:
    assert errors.add_error(read_event(), log) == read_event()


def make_incident(*events: RunEvent) -> ShownIncident:
    incident = reading.add_failures(Incident(), events, "UTC")
    return ShownIncident("k", IncidentPlace("d", "r", "oc_1", "chat_id", "en"), incident, events[-1])


def test_the_errors_that_a_card_would_show_are_read_and_of_its_traceback_first() -> None:
    many = [read_event("part", index) for index in range(MAX_LISTED + 5)]
    unread = errors.list_unread(make_incident(*many), URL)
    assert [failure.map_index for failure in unread] == [MAX_LISTED + 4, *range(MAX_LISTED)]
    assert errors.make_log_path(unread[0]) == errors.make_log_path(replace(many[-1], run_id="r"))
    assert errors.list_unread(make_incident(*many), "https://other.example.com") == ()
    shown = make_incident(many[0], replace(many[1], error="known"), many[2])
    (first, *others) = shown.incident.failures
    partly = replace(shown.incident, failures=(replace(first, recovered=True), *others))
    assert [failure.map_index for failure in errors.list_unread(replace(shown, incident=partly), URL)] == [2]


def test_an_error_is_added_where_there_is_none_unless_the_run_has_recovered() -> None:
    before = make_incident(
        read_event("a"), replace(read_event("b"), error_type="KeyError", error="old"), read_event("c")
    )
    read = {
        failure.ti_id: replace(
            failure, error_type="ValueError", error=f"of {failure.task_id}", traceback="Traceback"
        )
        for failure in (read_event("a"), read_event("b"), read_event("c"))
    }
    after_reading = errors.quote_errors(before, read)
    assert after_reading is not None
    assert [failure.error for failure in after_reading.incident.failures] == [
        "ValueError: of a",
        "KeyError: old",
        "ValueError: of c",
    ]
    assert (after_reading.event.error, after_reading.event.traceback) == ("of c", "Traceback")
    assert errors.quote_errors(after_reading, read) == after_reading
    over = replace(before, incident=replace(before.incident, over=True))
    assert errors.quote_errors(over, read) is None


def test_a_failure_is_counted_once_whoever_has_recorded_it() -> None:
    first, second = read_event("load"), read_event("part", 0)
    before = apply_event(None, first, {})
    assert before is not None
    incident = reading.add_failures(replace(before, version=1), [first, second], "Asia/Shanghai")
    assert (incident.count, [failure.label for failure in incident.failures]) == (2, ["load", "part_0"])
    assert (incident.has_actions, incident.timezone) == (True, "Asia/Shanghai")
    assert reading.add_failures(incident, [first, second], "UTC") == incident


def test_what_a_dags_callback_took_from_the_table_of_states_is_not_counted_twice() -> None:
    of_dag = RunEvent("dag_failure", "d", "r")
    before = apply_event(None, of_dag, {"load": "failed", "part_0": "failed"})
    assert before is not None
    incident = reading.add_failures(before, [read_event("load"), read_event("part", 0)], "UTC")
    assert incident.count == 2
    assert [failure.ti_id for failure in incident.failures] == ["load--1-1", "part-0-1"]


def test_a_second_failure_of_a_cleared_task_is_one_more() -> None:
    incident = reading.add_failures(Incident(), [read_event()], "UTC")
    again = reading.add_failures(incident, [read_event(id="u2", try_number=2)], "UTC")
    assert (again.count, len(again.failures), again.failures[0].ti_id) == (2, 1, "u2")


def recover(incident: Incident, state: str, *instances: dict[str, Any]) -> Incident | None:
    recovery = reading.apply_run_end(replace(incident, version=1), "d", "r", state, instances, URL)
    return None if recovery is None else recovery[0]


def test_a_run_recovers_when_all_of_its_failures_have() -> None:
    incident = reading.add_failures(Incident(), [read_event("load"), read_event("part", 0)], "UTC")
    green = instance("load", state="success"), instance("part", 0, "success")
    done = recover(incident, "success", *green)
    assert done is not None
    assert done.over
    assert recover(incident, "failed", instance("load"), instance("part", 0)) is None
    partly = recover(incident, "failed", green[0], instance("part", 0))
    assert partly is not None
    assert [failure.recovered for failure in partly.failures] == [True, False]
    assert not partly.over


def test_a_failure_that_the_run_tolerates_stays_red() -> None:
    incident = reading.add_failures(Incident(), [read_event("load")], "UTC")
    assert recover(incident, "success", instance("load")) is None
    removed = recover(incident, "success")
    assert removed is not None
    assert removed.over


def make_click(action: str, option: str | None = None, event_id: str = "e1") -> CardClick:
    value = make_button_value("k" * 64, action)  # type: ignore[arg-type]  # one of its actions
    return replace(
        click("k" * 64, event_id),
        action=Action(tag="button", value=value, option=option),
        created_at=datetime(2026, 11, 26, 10, 0, tzinfo=UTC),
    )


def result(outcome: Any = "noted", text: str = "") -> ClickResult:
    return ClickResult(outcome, {"en": text, "zh": text}, open_id="ou_bob", person="bob")


def test_the_card_shows_what_became_of_clicks_and_once() -> None:
    incident = reading.add_failures(Incident(), [read_event("load")], "Asia/Shanghai")
    for card_click, what in (
        (make_click("claim"), result()),
        (make_click("mute", "8 load", "e2"), result()),
        (
            make_click("retry", None, "e3"),
            result("retried", "load is cleared; part_0 was not: it has changed"),
        ),
    ):
        incident = after_click(incident, card_click, what, "en")
        assert after_click(incident, card_click, what, "en") == incident
    shown = render_actions(incident, "en", STEPS[0]).replace("&#95;", "_").splitlines()
    assert "Claimed by bob at 2026-11-26 18:00" in shown[0]
    assert "bob: load is cleared; part_0 was not" in shown[1]
    assert "load muted by bob until 2026-11-27 02:00" in shown[2]


def test_the_first_claim_counts_and_refusals_change_nothing() -> None:
    incident = reading.add_failures(Incident(), [read_event("load")], "UTC")
    claimed = after_click(incident, make_click("claim"), result(), "en")
    other = replace(result(), person="eve")
    assert after_click(claimed, make_click("claim", None, "e2"), other, "en") == claimed
    for outcome in ("forbidden", "unlinked", "superseded"):
        assert after_click(incident, make_click("claim"), result(outcome), "en") == incident
        assert after_click(incident, make_click("mute", "8 load"), result(outcome), "en") == incident
    assert after_click(incident, make_click("mute", "8 other"), result(), "en") == incident
