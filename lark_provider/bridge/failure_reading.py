"""Convert the answers of Airflow's REST API about failed tasks to events. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote

from lark_provider.bridge.reading import Dag
from lark_provider.protocol.incidents import changes
from lark_provider.protocol.incidents.event import RunEvent, format_label
from lark_provider.protocol.incidents.model import Failure, Incident
from lark_provider.protocol.quiet_hours import QuietHours

NO_FAILED_TASK = "no_failed_task"
"""The reason of such a run; Airflow's REST API does not tell it."""


class EndedRun(NamedTuple):
    """A DAG run that has succeeded or failed.

    Attributes:
        dag_id: The DAG.
        run_id: The run.
        state: `success` or `failed`.
        at: When it ended, as Airflow writes it: another time each time.
    """

    dag_id: str
    run_id: str
    state: str
    at: str


def read_run(entry: Mapping[str, Any]) -> EndedRun:
    """Read an entry of `/dagRuns`."""
    return EndedRun(
        entry["dag_id"], entry["dag_run_id"], str(entry["state"]), str(entry.get("end_date") or "")
    )


def read_failure(ti: Mapping[str, Any], of_dag: Dag, url: str) -> RunEvent:
    """Return the event of a failed task instance, without its error.

    Args:
        ti: An entry of `/taskInstances`.
        of_dag: The task instance's DAG, with its owners.
        url: Airflow's base URL, for links.
    """
    index = int(ti.get("map_index", -1))
    number = int(ti.get("try_number") or 1)
    run = make_run_url(ti["dag_id"], ti["dag_run_id"], url)
    mapped = "" if index < 0 else f"/mapped/{index}"
    return RunEvent(
        "failure",
        ti["dag_id"],
        ti["dag_run_id"],
        ti["task_id"],
        index,
        number,
        int(ti.get("max_tries") or 0) + 1,
        state="failed",
        owners=of_dag.owners,
        log_url=f"{run}/tasks/{quote(ti['task_id'], safe='')}{mapped}?try_number={number}",
        run_url=run,
        ti_id=str(ti["id"]),
    )


def make_run_url(dag_id: str, run_id: str, url: str) -> str:
    """Return the address of a DAG run's page in Airflow."""
    return f"{url}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"


def make_run_failure(dag_id: str, run_id: str, of_dag: Dag, url: str) -> RunEvent:
    """Return the event of a run that has failed without a failed task.

    Args:
        dag_id: The DAG's id.
        run_id: The run's id.
        of_dag: The run's DAG, with its owners.
        url: Airflow's base URL, for links.
    """
    return RunEvent(
        "dag_failure",
        dag_id,
        run_id,
        owners=of_dag.owners,
        reason=NO_FAILED_TASK,
        run_url=make_run_url(dag_id, run_id, url),
    )


def add_failures(before: Incident, events: Iterable[RunEvent], timezone: str) -> Incident:
    """Return an incident after failures that Airflow reports; those that it has already change nothing.

    Args:
        before: The incident recorded so far.
        events: The failures.
        timezone: Of times on its card, if it has no buttons yet.
    """
    incident = before
    for event in events:
        if not any(failed.ti_id == event.ti_id for failed in incident.failures):
            incident = changes.apply_event(incident, event, {}) or incident
    return add_actions(incident, timezone)


def add_actions(before: Incident, timezone: str) -> Incident:
    """Return an incident whose card has buttons.

    Args:
        before: The incident.
        timezone: Of times on its card, unless it has buttons already.
    """
    return before if before.has_actions else replace(before, has_actions=True, timezone=timezone)


def apply_quiet_hours(before: Incident, quiet: QuietHours | None, now: datetime) -> Incident:
    """Return an incident whose card waits for the end of quiet hours, if it begins in them.

    Args:
        before: The incident.
        quiet: The route's quiet hours.
        now: With its time zone.
    """
    if quiet is None or before.version or not quiet.covers(now):
        return before
    return replace(before, not_before=quiet.end_after(now).isoformat())


def apply_run_end(
    before: Incident,
    dag_id: str,
    run_id: str,
    run_state: str,
    instances: Sequence[Mapping[str, Any]],
    url: str,
) -> tuple[Incident, RunEvent] | None:
    """Return an incident after a run has ended again, and the event that its card shows.

    Args:
        before: The incident.
        dag_id: The DAG.
        run_id: The run.
        run_state: Of the run, `success` or `failed`.
        instances: The run's task instances that have succeeded or failed.
        url: Airflow's, for links.

    Returns:
        None if nothing has recovered.
    """
    states = {_format_label(ti): str(ti["state"]) for ti in instances}
    incident = changes.apply_run_end(before, states, succeeded=run_state == "success")
    if incident == before:
        return None
    incident = changes.list_again(
        incident, [_parse_failure(ti, url) for ti in instances if ti["state"] == "failed"]
    )
    old = {failed.label for failed in before.failures if failed.recovered}
    now = [failed for failed in incident.failures if failed.recovered and failed.label not in old]
    last = now[-1] if now else Failure("")
    event = RunEvent(
        "dag_success" if incident.over and run_state == "success" else "success",
        dag_id,
        run_id,
        last.task_id or last.label,
        last.map_index if last.task_id else -1,
        run_url=make_run_url(dag_id, run_id, url),
    )
    return incident, event


def _parse_failure(ti: Mapping[str, Any], url: str) -> Failure:
    """Return a failed task instance as incidents have it, without its error."""
    event = read_failure(ti, Dag(), url)
    return Failure(
        event.label,
        event.try_number,
        log_url=event.log_url,
        ti_id=event.ti_id,
        task_id=event.task_id,
        map_index=event.map_index,
    )


def _format_label(ti: Mapping[str, Any]) -> str:
    return format_label(str(ti["task_id"]), int(ti.get("map_index", -1)))
