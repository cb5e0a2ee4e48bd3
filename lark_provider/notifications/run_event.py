"""Read an Airflow context into plain values. This module imports no Airflow.

Contexts differ by callback: a task's has everything, `exception` included; a DAG's has `reason` and the last
task instance, or none; a deadline's has `dag_run` and `deadline`, as dicts.
"""

from __future__ import annotations

import enum
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any
from urllib.parse import quote

from lark_provider.protocol.incidents.event import EventKind, RunEvent
from lark_provider.support.text import escape_surrogates

_RUNNER = ("airflow.sdk.", "airflow.providers.standard.")
_MAX_CHARS = 5_000  # that are read, of a traceback at each end; far fewer are shown


def read(
    context: Mapping[str, Any],
    *,
    event: EventKind | None = None,
    base_url: str = "",
    clean: Callable[[str], str] = str,
) -> RunEvent:
    """Read a context of any callback.

    Args:
        context: The Airflow context of the callback.
        event: The kind of event; None to derive it from the context.
        base_url: The base URL of Airflow's UI, for contexts that carry no link.
        clean: Masks secrets in a text.

    Returns:
        The event; what the context lacks is empty.
    """
    ti = context.get("ti") or context.get("task_instance")
    dag, run, task = context.get("dag"), context.get("dag_run"), context.get("task") or _get(ti, "task")
    deadline = context.get("deadline")
    kind = event or _get_event_kind(context, ti)
    dag_id = convert_to_text(_get(ti, "dag_id") or _get(dag, "dag_id") or _get(run, "dag_id"))
    run_id = convert_to_text(
        _get(ti, "run_id") or context.get("run_id") or _get(run, "run_id") or _get(run, "dag_run_id")
    )
    log_url = convert_to_text(_get(ti, "log_url"))
    dag_url = f"{base_url.rstrip('/')}/dags/{quote(dag_id)}/runs/{quote(run_id)}" if base_url else ""
    run_url = log_url.partition("/tasks/")[0] if "/tasks/" in log_url else dag_url
    task_id, map_index = convert_to_text(_get(ti, "task_id")), _get_number(_get(ti, "map_index"), -1)
    asks = kind == "notice" and run_url and is_question(task)
    page = f"{run_url}/tasks/{quote(task_id)}/required_actions?map_index={map_index}"
    max_tries = _get(ti, "max_tries")
    error_type, error, trace = _describe_error(context.get("exception"), clean)
    return RunEvent(
        kind=kind,
        dag_id=dag_id,
        run_id=run_id,
        task_id=task_id,
        map_index=map_index,
        try_number=_get_number(_get(ti, "try_number"), 0),
        tries=max_tries + 1 if isinstance(max_tries, int) else None,
        state=convert_to_text(_get(ti, "state")),
        owners=_get_owners(dag if kind.startswith("dag_") else task or dag),
        reason=convert_to_text(context.get("reason")),
        error_type=error_type,
        error=error,
        traceback=trace,
        log_url=log_url,
        run_url=run_url,
        answer_url=page if asks else "",
        ti_id=convert_to_text(_get(ti, "id")),
        deadline_id=convert_to_text(_get(deadline, "id")),
        deadline=convert_to_text(_get(deadline, "deadline_time")),
        run_attempt=_describe_attempt(run),
    )


def is_question(task: Any) -> bool:
    """Return whether a task is a human-in-the-loop operator: `HITLOperator`, or one that is built on it."""
    return any(kind.__name__ == "HITLOperator" for kind in type(task).__mro__)


def _get_event_kind(context: Mapping[str, Any], ti: Any) -> EventKind:
    if ti is None and context.get("deadline") is not None:
        return "deadline"
    if reason := context.get("reason"):
        return "dag_success" if reason == "success" else "dag_failure"
    state = convert_to_text(_get(ti, "state"))
    if ti is None:
        return (
            "dag_success"
            if convert_to_text(_get(context.get("dag_run"), "state")) == "success"
            else "dag_failure"
        )
    if state in {"failed", "up_for_retry", "success"}:
        return {"failed": "failure", "up_for_retry": "retry", "success": "success"}[state]  # type: ignore[return-value]  # three events
    if context.get("exception") is not None:
        return "failure"
    if state or _get(ti, "start_date") is not None:
        return "notice"  # it runs: a human-in-the-loop operator, or a task that has just begun
    # A task whose worker vanished: the DAG processor reports it, without state and start date.
    tries, max_tries = _get_number(_get(ti, "try_number"), 0), _get_number(_get(ti, "max_tries"), 0)
    return "retry" if 0 < tries <= max_tries else "failure"


def _describe_attempt(run: Any) -> str:
    """Return when a DAG run began, in UTC, and how often its tasks were cleared; empty if that is unknown."""
    start, clears = _get(run, "start_date"), _get_number(_get(run, "clear_number"), 0)
    if not isinstance(start, datetime):
        return ""
    return f"{start.astimezone(UTC).isoformat(timespec='microseconds')}#{clears}"


def _describe_error(error: Any, clean: Callable[[str], str]) -> tuple[str, str, str]:
    if error is None:
        return "", "", ""
    if not isinstance(error, BaseException):
        return "", clean(convert_to_text(error)[:_MAX_CHARS]), ""
    try:
        lines = traceback.format_exception(type(error), error, _skip_runner(error.__traceback__))
        trace = escape_surrogates("".join(lines).rstrip())
    except Exception:  # noqa: BLE001 - an exception that cannot be formatted is reported by its name
        trace = ""
    if len(trace) > 2 * _MAX_CHARS:
        # The line breaks stay, so that the card states correctly how many lines are left out.
        trace = trace[:_MAX_CHARS] + "\n" * trace.count("\n", _MAX_CHARS, -_MAX_CHARS) + trace[-_MAX_CHARS:]
    return type(error).__name__, clean(convert_to_text(error)[:_MAX_CHARS]), clean(trace)


def _skip_runner(trace: TracebackType | None) -> TracebackType | None:
    """Return the part of a traceback that follows Airflow's task runner: user code."""
    own = trace
    while own is not None and str(own.tb_frame.f_globals.get("__name__")).startswith(_RUNNER):
        own = own.tb_next
    return own or trace


def _get_owners(source: Any) -> tuple[str, ...]:
    # A DAG joins its tasks' owners with commas, in a set's order.
    names = {name.strip() for name in convert_to_text(_get(source, "owner")).split(",")}
    return tuple(sorted(names - {""}))


def _get(thing: Any, name: str) -> Any:
    """Return an attribute or an entry; None if it is missing or its evaluation fails."""
    try:
        return thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)
    except Exception:  # noqa: BLE001 - one detail less is better than no notification
        return None


def convert_to_text(value: Any) -> str:
    """Return a value as text that can be sent; the name of its type if it cannot be formatted."""
    try:
        return escape_surrogates(
            "" if value is None else str(value.value if isinstance(value, enum.Enum) else value)
        )
    except Exception:  # noqa: BLE001 - one detail less is better than no notification
        return f"<{type(value).__name__}>"


def _get_number(value: Any, default: int) -> int:
    return value if isinstance(value, int) else default
