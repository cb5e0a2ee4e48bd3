"""Convert the answers of Airflow's REST API about questions to our own records. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

from lark_provider.protocol.hitl.model import Assignee, End, HitlQuestion, TaskInstance, is_segment

WAITING = ("awaiting_input", "deferred")
"""The state of a waiting task: in Airflow 3.3, and before."""
_EARLIER = ("deferred",)
"""The states of Airflow 3.2, which refuses a query for any other state."""
_FIRST_WITH_STATE = (3, 3)
_MAX_LAG = timedelta(minutes=1)
_RUNNING = (None, "scheduled", "queued", "running", "restarting")
_FAILED = ("failed", "up_for_retry")
_HITL_TRIGGER = "HITLTrigger"
_TRUNCATED = "Truncated. You can change this behaviour"


class Dag(NamedTuple):
    """What routes know of a DAG."""

    owners: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


def read_dag(entry: Mapping[str, Any] | None) -> Dag:
    """Read an entry of `/dags`; None for a DAG that is gone."""
    if entry is None:
        return Dag()
    tags = tuple(sorted(str(tag["name"]) for tag in entry.get("tags") or ()))
    return Dag(tuple(entry.get("owners") or ()), tags)


def list_waiting_states(version: str) -> tuple[str, ...]:
    """Return the states of waiting tasks that an Airflow knows.

    Args:
        version: Of Airflow, such as `3.3.2`. After an upgrade, tasks wait as the earlier version left them.
    """
    parts = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    return _EARLIER if parts and parts < _FIRST_WITH_STATE else WAITING


def is_asking(ti: Mapping[str, Any]) -> bool:
    """Return whether a task instance waits for a person, and not for something else.

    One that no URL names, as of the run `.`, cannot be answered, neither here nor on Airflow's page.
    """
    if not all(is_segment(str(ti[name])) for name in ("dag_id", "dag_run_id", "task_id")):
        return False
    if ti["state"] == "deferred":
        trigger = ti.get("trigger") or {}
        return str(trigger.get("classpath", "")).endswith(_HITL_TRIGGER)
    return bool(ti["state"] == "awaiting_input")


def is_open(detail: Mapping[str, Any], ti_id: str) -> bool:
    """Return whether a detail is that of a very try, and waits.

    Args:
        detail: The detail, as it is now.
        ti_id: The try.
    """
    ti = detail["task_instance"]
    return bool(str(ti["id"]) == ti_id and not detail["response_received"] and is_asking(ti))


def read_task_instance(ti: Mapping[str, Any]) -> TaskInstance:
    """Read the task instance of a question."""
    return TaskInstance(
        str(ti["id"]),
        ti["dag_id"],
        ti["dag_run_id"],
        ti["task_id"],
        int(ti.get("map_index", -1)),
        int(ti.get("try_number") or 1),
    )


def read_question(detail: Mapping[str, Any], of_dag: Dag, url: str) -> HitlQuestion:
    """Read a question.

    Args:
        detail: An entry of `/hitlDetails`.
        of_dag: The question's DAG, with its owners and tags.
        url: Airflow's base URL, for the link.
    """
    ti = detail["task_instance"]
    task = read_task_instance(ti)
    defaults = detail.get("defaults")
    return HitlQuestion(
        task,
        subject=_get_text(detail, "subject"),
        body=_get_text(detail, "body"),
        options=tuple(detail["options"]),
        defaults=tuple(defaults) if defaults else None,
        multiple=bool(detail.get("multiple")),
        params=detail.get("params") or {},
        assignees=tuple(
            Assignee(str(user["id"]), str(user["name"])) for user in detail.get("assigned_users") or ()
        ),
        deadline=_read_deadline(ti),
        operator=ti.get("operator") or "",
        owners=of_dag.owners,
        tags=of_dag.tags,
        url=make_page_url(task, url),
    )


def make_page_url(task: TaskInstance, url: str) -> str:
    """Return the address of the page where a question can be answered in Airflow."""
    dag_id, run_id, task_id = (quote(part, safe="") for part in (task.dag_id, task.run_id, task.task_id))
    mapped = "" if task.map_index < 0 else f"/mapped/{task.map_index}"
    return f"{url}/dags/{dag_id}/runs/{run_id}/tasks/{task_id}{mapped}/required_actions"


def _get_text(detail: Mapping[str, Any], name: str) -> str:
    # The detail keeps the text of the first try; the rendered fields are those of this one, cut if long.
    rendered = (detail["task_instance"].get("rendered_fields") or {}).get(name)
    recorded = detail.get(name) or ""
    if isinstance(rendered, str) and not rendered.startswith(_TRUNCATED):
        return rendered
    return str(recorded)


def _read_deadline(ti: Mapping[str, Any]) -> datetime | None:
    # Airflow 3.3 keeps it where the REST API does not show it.
    kwargs = (ti.get("trigger") or {}).get("kwargs")
    text = kwargs.get("timeout_datetime") if isinstance(kwargs, Mapping) else None
    try:
        return None if text is None else datetime.fromisoformat(str(text)).astimezone(UTC)
    except ValueError:
        return None


def read_end(detail: Mapping[str, Any] | None, ti_id: str) -> End | None:
    """Return how a question ended.

    Args:
        detail: Its detail as it is now; None if there is none.
        ti_id: The task instance that asked.

    Returns:
        The end; None if it waits still, or if that is not known yet. `timed_out` where the task failed
        unanswered: a person may as well have marked it, which the audit log tells.
    """
    if detail is None:
        return End("withdrawn", detail="gone")
    ti = detail["task_instance"]
    if str(ti["id"]) != ti_id:
        return End("superseded")
    if detail.get("response_received"):
        user = detail.get("responded_by_user")
        return End(
            "defaulted" if user is None else "answered",
            tuple(detail.get("chosen_options") or ()),
            detail.get("params_input") or {},
            None if user is None else str(user["name"]),
            at=parse_moment(detail.get("responded_at")),
        )
    state = ti.get("state")
    if state in WAITING or state in _RUNNING:
        return None
    at = parse_moment(ti.get("end_date"))
    if state in _FAILED and not detail.get("defaults"):
        return End("timed_out", at=at, detail=state)
    return End("withdrawn", at=at, detail=str(state))


def find_oldest(details: Iterable[Mapping[str, Any]], known: datetime | None) -> datetime | None:
    """Return when the first of some questions was created.

    Args:
        details: Entries of `/hitlDetails`.
        known: When the first one of others was; None if there are no others.
    """
    return min(_list_creation_times(details) + ([] if known is None else [known]), default=None)


def estimate_parked_at(now: datetime, details: Iterable[Mapping[str, Any]]) -> datetime:
    """Return a time at which tasks that were just seen to wait had been parked.

    The REST API does not show when. A later time makes the hold long enough: `now` is in whole seconds and
    late under load, and no task was parked before its question was created.

    Args:
        now: The server's time, as its answers tell it.
        details: Entries of `/hitlDetails`. What was created long after `now` is by a clock that is wrong.
    """
    plausible = [created_at for created_at in _list_creation_times(details) if created_at <= now + _MAX_LAG]
    return max([now, *plausible]) + timedelta(seconds=1)


def _list_creation_times(details: Iterable[Mapping[str, Any]]) -> list[datetime]:
    times = (parse_moment(detail.get("created_at")) for detail in details)
    return [created_at for created_at in times if created_at is not None]


def parse_moment(text: Any) -> datetime | None:
    """Read a time of Airflow's."""
    return None if text is None else datetime.fromisoformat(str(text)).astimezone(UTC)
