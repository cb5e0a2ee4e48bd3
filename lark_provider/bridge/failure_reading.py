"""What Airflow's REST API says of failed tasks, as events. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from lark_provider.bridge.reading import Dag
from lark_provider.protocol.incidents.event import RunEvent
from lark_provider.protocol.incidents.model import Incident, after
from lark_provider.protocol.redact import redact

_RUNNER = ("/airflow/sdk/", "/airflow/providers/standard/")
_MAX_ERROR, _MAX_TRACEBACK = 5_000, 20_000
"""Characters; a card shows less."""


def failure(ti: Mapping[str, Any], of_dag: Dag, url: str) -> RunEvent:
    """Return the event of a failed task instance, without its error.

    Args:
        ti: An entry of `/taskInstances`.
        of_dag: Its DAG.
        url: Airflow's, for links.
    """
    index = int(ti.get("map_index", -1))
    number = int(ti.get("try_number") or 1)
    run = run_url(ti["dag_id"], ti["dag_run_id"], url)
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


def run_url(dag_id: str, run_id: str, url: str) -> str:
    """Return the address of a DAG run's page in Airflow."""
    return f"{url}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"


def log_path(event: RunEvent) -> str:
    """Return the path of the log of a failed try, below `/api/v2`."""
    dag_id, run_id, task_id = (quote(one, safe="") for one in (event.dag_id, event.run_id, event.task_id))
    return f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{event.try_number}"


def with_error(event: RunEvent, log: Mapping[str, Any] | None) -> RunEvent:
    """Return a failure with the error that its log ends with; unchanged if the log has none.

    Args:
        event: The failure.
        log: What the log's endpoint answered; None if there is no log.
    """
    content = log.get("content") if log is not None else None
    for line in reversed(content if isinstance(content, list) else []):
        detail = line.get("error_detail") if isinstance(line, Mapping) else None
        if isinstance(detail, list) and detail and isinstance(detail[0], Mapping):
            return _explained(event, detail[0])
        signal = line.get("signal_name") if isinstance(line, Mapping) else None
        if isinstance(signal, str):
            return replace(event, error_type=signal, error="the process was ended by this signal")
    return event


def _explained(event: RunEvent, detail: Mapping[str, Any]) -> RunEvent:
    frames = [one for one in detail.get("frames") or () if isinstance(one, Mapping)]
    files = [str(one.get("filename", "")) for one in frames]
    runner = [number for number, name in enumerate(files) if any(part in name for part in _RUNNER)]
    own = frames[runner[-1] + 1 :] if runner else frames
    lines = [
        f'  File "{one.get("filename")}", line {one.get("lineno")}, in {one.get("name")}'
        for one in own or frames
    ]
    kind, text = str(detail.get("exc_type") or ""), redact(str(detail.get("exc_value") or "")[:_MAX_ERROR])
    trace = "\n".join(["Traceback (most recent call last):", *lines, f"{kind}: {text}"])
    return replace(event, error_type=kind, error=text, traceback=trace[:_MAX_TRACEBACK])


def with_failures(before: Incident, events: Iterable[RunEvent], timezone: str) -> Incident:
    """Return an incident after failures that Airflow reports; those that it has already change nothing.

    Args:
        before: The incident recorded so far.
        events: The failures.
        timezone: Of times on its card, if it has no buttons yet.
    """
    found = before
    for event in events:
        old = next((one for one in found.failures if one.label == event.label), None)
        if any(one.ti_id == event.ti_id for one in found.failures):
            continue
        added = after(found, event, {})
        if added is None:
            continue
        if old is not None and not old.ti_id and not old.try_number:
            # A callback of the DAG has counted it already, from Airflow's table of task states.
            added = replace(added, count=max(found.count, len(added.failures)))
        found = added
    return with_actions(found, timezone)


def with_actions(before: Incident, timezone: str) -> Incident:
    """Return an incident whose card has buttons.

    Args:
        before: The incident.
        timezone: Of times on its card, unless it has buttons already.
    """
    return before if before.has_actions else replace(before, has_actions=True, timezone=timezone)


def recovered(
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
    states = {_label(one): str(one["state"]) for one in instances}
    if run_state == "success":  # A task that is in neither state was removed or skipped since.
        states = {one.label: states.get(one.label, "success") for one in before.failures}
    now = {one.label for one in before.failures if not one.recovered and states.get(one.label) == "success"}
    if not now:
        return None
    known = {
        label: state for label, state in states.items() if label in {one.label for one in before.failures}
    }
    is_over = all(one.recovered or one.label in now for one in before.failures)
    last = [one for one in before.failures if one.label in now][-1]
    kind = "dag_success" if is_over and run_state == "success" else "success"
    event = RunEvent(
        "dag_success" if kind == "dag_success" else "success",
        dag_id,
        run_id,
        last.task_id or last.label,
        last.map_index if last.task_id else -1,
        run_url=run_url(dag_id, run_id, url),
    )
    found = after(before, event, known)
    return None if found is None else (found, event)


def _label(ti: Mapping[str, Any]) -> str:
    index = int(ti.get("map_index", -1))
    return str(ti["task_id"]) if index < 0 else f"{ti['task_id']}_{index}"
