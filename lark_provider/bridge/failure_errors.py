"""The errors of failed tasks, from their logs: which to read, and what a log says. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from lark_provider.api.cards.airflow.limits import MAX_LISTED
from lark_provider.protocol.incidents.changes import format_error_line
from lark_provider.protocol.incidents.event import RunEvent
from lark_provider.protocol.incidents.model import Failure
from lark_provider.protocol.incidents.shown import ShownIncident
from lark_provider.protocol.redact import redact

_RUNNER = ("/airflow/sdk/", "/airflow/providers/standard/")
_MAX_ERROR, _MAX_TRACEBACK = 5_000, 20_000
"""Characters; a card shows less."""


def sort_by_run(events: Sequence[RunEvent]) -> list[RunEvent]:
    """Return failures in the order in which their logs are read: the newest of each run before all others.

    Args:
        events: The failures, from the oldest to the newest.
    """
    newest = {(event.dag_id, event.run_id): event for event in events}
    others = [event for event in events if event is not newest[event.dag_id, event.run_id]]
    return [*reversed(newest.values()), *reversed(others)]


def make_log_path(event: RunEvent) -> str:
    """Return the path of the log of a failed try, below `/api/v2`."""
    dag_id, run_id, task_id = (quote(part, safe="") for part in (event.dag_id, event.run_id, event.task_id))
    return f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{event.try_number}"


def add_error(event: RunEvent, log: Mapping[str, Any] | None) -> RunEvent:
    """Return a failure with the error that its log ends with; unchanged if the log has none.

    Args:
        event: The failure.
        log: What the log's endpoint answered; None if there is no log.
    """
    content = log.get("content") if log is not None else None
    for line in reversed(content if isinstance(content, list) else []):
        detail = line.get("error_detail") if isinstance(line, Mapping) else None
        if isinstance(detail, list) and detail and isinstance(detail[0], Mapping):
            return _with_detail(event, detail[0])
        signal = line.get("signal_name") if isinstance(line, Mapping) else None
        if isinstance(signal, str):
            return replace(event, error_type=signal, error="the process was ended by this signal")
    return event


def _with_detail(event: RunEvent, detail: Mapping[str, Any]) -> RunEvent:
    frames = [frame for frame in detail.get("frames") or () if isinstance(frame, Mapping)]
    files = [str(frame.get("filename", "")) for frame in frames]
    runner = [number for number, name in enumerate(files) if any(part in name for part in _RUNNER)]
    own_frames = frames[runner[-1] + 1 :] if runner else frames
    lines = [
        f'  File "{frame.get("filename")}", line {frame.get("lineno")}, in {frame.get("name")}'
        for frame in own_frames or frames
    ]
    kind, text = str(detail.get("exc_type") or ""), redact(str(detail.get("exc_value") or "")[:_MAX_ERROR])
    trace = "\n".join(["Traceback (most recent call last):", *lines, f"{kind}: {text}"])
    return replace(event, error_type=kind, error=text, traceback=trace[:_MAX_TRACEBACK])


def list_unread(shown: ShownIncident, url: str) -> tuple[RunEvent, ...]:
    """Return the failures that a card shows without their error, that of its traceback first.

    Args:
        shown: The incident.
        url: Airflow's, for links: another Airflow's failures are not returned.
    """
    failed = [failure for failure in shown.incident.failures if not failure.recovered]
    listed = {failure.ti_id for failure in failed[:MAX_LISTED]} | {shown.event.ti_id}
    events = [
        _make_event(failure, shown)
        for failure in failed
        if failure.ti_id in listed - {""} and not failure.error and failure.log_url.startswith(f"{url}/dags/")
    ]
    return tuple(sorted(events, key=lambda event: event.ti_id != shown.event.ti_id))


def _make_event(failed: Failure, shown: ShownIncident) -> RunEvent:
    return RunEvent(
        "failure",
        shown.place.dag_id,
        shown.place.run_id,
        failed.task_id,
        failed.map_index,
        failed.try_number,
        log_url=failed.log_url,
        ti_id=failed.ti_id,
    )


def quote_errors(before: ShownIncident, read: Mapping[str, RunEvent]) -> ShownIncident | None:
    """Return an incident that has the errors of failures which were recorded without.

    Args:
        before: The incident.
        read: Failures with their errors, by task instance.

    Returns:
        None if nothing changes, as its run has succeeded meanwhile.
    """
    if before.incident.over:
        return None
    failures = tuple(
        replace(failure, error=format_error_line(read[failure.ti_id]))
        if failure.ti_id in read and not failure.error
        else failure
        for failure in before.incident.failures
    )
    event, explained = before.event, read.get(before.event.ti_id)
    if explained is not None and not event.error:
        event = replace(
            event, error_type=explained.error_type, error=explained.error, traceback=explained.traceback
        )
    return replace(before, incident=replace(before.incident, failures=failures), event=event)
