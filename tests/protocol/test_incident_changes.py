"""The count of a run's failures, whoever reports them, how often, and in which order."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from lark_provider.protocol.incidents.changes import apply_event, apply_run_end, list_again
from lark_provider.protocol.incidents.event import RunEvent
from lark_provider.protocol.incidents.model import (
    MAX_FAILURES,
    CardAction,
    Claim,
    EscalationRecord,
    Failure,
    Incident,
    Mute,
)

MANY = MAX_FAILURES + 50


def make_event(place: int, number: int = 1, kind: str = "failure") -> RunEvent:
    return RunEvent(kind, "d", "r", "t", place, number, ti_id=f"{place}-{number}")  # type: ignore[arg-type]  # one of the kinds


def report(events: Sequence[RunEvent], before: Incident | None = None) -> Incident:
    incident = before or Incident()
    for run_event in events:
        incident = replace(apply_event(incident, run_event, {}) or incident, version=1)
    return incident


def store(incident: Incident) -> Incident:
    """Return an incident as another process reads it: from JSON, at version 1."""
    return replace(Incident.from_json(orjson.loads(orjson.dumps(incident.to_json()))), version=1)


@settings(deadline=None, max_examples=20)
@given(st.randoms(use_true_random=False))
def test_each_try_counts_once_however_many_there_are(chance: random.Random) -> None:
    first, second = (chance.sample(range(MANY), MANY) for _ in range(2))
    incident = store(report([make_event(number) for number in first]))
    assert (incident.count, len(incident.failures), incident.total) == (MANY, MAX_FAILURES, MANY)
    assert report([make_event(number) for number in second], incident).count == MANY
    again = chance.sample(range(MANY), 20)
    tried = report([make_event(number, 2) for number in again], incident)
    assert tried.count == MANY + len(again)
    assert report([make_event(number, 2) for number in again], store(tried)) == tried


def test_a_run_that_is_cleared_and_fails_again_counts_once_whatever_reports_it() -> None:
    def fail_run(before: Incident | None, attempt: str, error: str) -> Incident:
        event = RunEvent("dag_failure", "d", "r", "t", try_number=1, run_attempt=attempt)
        return store(apply_event(before, event, {"t": "failed"}, {"t": error}) or Incident())

    first = fail_run(None, "2026-01-01#0", "E: first")
    assert fail_run(first, "2026-01-01#0", "E: first") == first
    second = fail_run(first, "2026-01-02#1", "E: second")
    assert (first.count, second.count) == (1, 2)
    assert [failure.error for failure in second.failures] == ["E: second"]
    assert fail_run(second, "", "E: unknown") == second  # an end that nothing identifies
    reported = report([RunEvent("failure", "d", "r", "t", try_number=3, error="third")], second)
    third = fail_run(reported, "2026-01-03#2", "E: third, from the log")
    assert third.count == reported.count
    assert [failure.error for failure in third.failures] == ["third"]


def test_what_a_dags_callback_took_from_the_states_counts_once_beyond_a_hundred() -> None:
    states = {make_event(number).label: "failed" for number in range(MANY)}
    before = apply_event(None, RunEvent("dag_failure", "d", "r"), states)
    assert before is not None
    assert before.count == MANY
    incident = report([make_event(number) for number in range(MANY)], store(before))
    assert (incident.count, incident.total) == (MANY, MANY)


@settings(deadline=None, max_examples=50)
@given(st.sets(st.integers(0, MANY - 1), min_size=1))
def test_a_run_is_over_when_all_have_recovered_also_those_not_listed(green: set[int]) -> None:
    incident = report([make_event(number) for number in range(MANY)])
    states = {make_event(number).label: "success" if number in green else "failed" for number in range(MANY)}
    now = apply_run_end(incident, states, succeeded=False)
    assert now.over == (len(green) == MANY)
    assert sum(not failure.recovered for failure in now.failures) + now.unlisted == MANY - len(green)
    failed = [
        Failure(make_event(number).label, 1, ti_id=f"{number}-1")
        for number in range(MANY)
        if number not in green
    ]
    listed = list_again(now, failed)
    left = [failure for failure in listed.failures if not failure.recovered]
    # What is left can be run again from the card, as far as it lists them.
    assert len(left) == min(MAX_FAILURES, len(failed))
    assert all(failure.ti_id for failure in left)
    assert (listed.total, listed.count) == (MANY, MANY)
    assert apply_run_end(listed, {}, succeeded=True).over


def test_a_success_of_a_task_not_listed_counts() -> None:
    incident = report([make_event(number) for number in range(MAX_FAILURES + 1)])
    (rest,) = {make_event(number).label for number in range(MAX_FAILURES + 1)} - {
        listed.label for listed in incident.failures
    }
    done = incident
    for failure in incident.failures:
        done = apply_event(done, make_event(int(failure.label.removeprefix("t_")), 2, "success"), {}) or done
    assert not done.over
    done = apply_event(done, make_event(int(rest.removeprefix("t_")), 2, "success"), {}) or done
    assert done.over


def test_a_run_that_failed_without_a_failed_task_recovers_with_its_run() -> None:
    incident = apply_event(None, RunEvent("dag_failure", "d", "r"), {})
    assert incident is not None
    incident = replace(incident, version=1)
    assert (incident.count, incident.run_failed) == (0, True)
    assert apply_run_end(incident, {"t": "success"}, succeeded=False) == incident
    done = apply_run_end(incident, {"t": "success"}, succeeded=True)
    assert (done.over, done.run_failed) == (True, False)


def test_a_run_that_failed_again_though_its_tasks_have_recovered_stays_open() -> None:
    incident = report([make_event(1), RunEvent("dag_failure", "d", "r")])
    states = {make_event(1).label: "success"}
    again = apply_run_end(incident, states, succeeded=False)
    assert (again.over, again.run_failed, again.failures[0].recovered) == (False, True, True)
    assert apply_run_end(again, states, succeeded=False) == again
    done = apply_run_end(again, states, succeeded=True)
    assert (done.over, done.run_failed) == (True, False)


def test_an_incident_that_a_newer_version_recorded_is_read() -> None:
    """Versions run side by side during an upgrade."""
    at = "2026-12-01T00:00:00+00:00"
    incident = replace(
        report([make_event(1)]),
        claim=Claim("ou_a", "Ann", at),
        mutes=(Mute("t", "Ann", at),),
        deeds=(CardAction("done", at, "e"),),
        urged=(EscalationRecord(1, "app", "Ann", at, "done"),),
    )
    recorded = orjson.loads(orjson.dumps(incident.to_json()))
    for part in (
        recorded,
        recorded["claim"],
        *(recorded[name][0] for name in ("failures", "mutes", "deeds", "urged")),
    ):
        part["a_new_member"] = 1
    assert Incident.from_json(recorded) == incident
