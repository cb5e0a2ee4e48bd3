"""Events of tasks and DAG runs of Airflow, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

EventKind: TypeAlias = Literal[
    "failure", "retry", "success", "dag_failure", "dag_success", "deadline", "notice"
]
EVENT_KINDS: tuple[EventKind, ...] = get_args(EventKind)


def format_label(task_id: str, map_index: int) -> str:
    """Return the name of a task instance within its run, as in Airflow's table of task states.

    Args:
        task_id: The id of the task.
        map_index: The index of a mapped task, else -1.
    """
    return task_id if map_index < 0 else f"{task_id}_{map_index}"


@dataclass(frozen=True, slots=True)
class RunEvent:
    """An event of a task or DAG run. Secrets in its texts are masked.

    Attributes:
        kind: The kind of event, such as `failure` or `dag_success`; see `EventKind`.
        dag_id: The id of the DAG.
        run_id: The id of the DAG run.
        task_id: The id of the task; for a DAG's event that of the last one, if Airflow names it.
        map_index: The index of a mapped task, else -1.
        try_number: The number of the try, from 1; 0 if there is none.
        tries: How many tries the task has; None if that is unknown.
        state: Airflow's word for the task's state.
        owners: The owners of the task, or of all tasks for a DAG's event.
        reason: Airflow's word for why the DAG run ended.
        error_type: The exception's class.
        error: The exception's text.
        traceback: The whole traceback.
        log_url: The address of the log of that try.
        run_url: The address of the DAG run's page in Airflow.
        answer_url: The page where the question of a human-in-the-loop task is answered.
        ti_id: Airflow's id of the task instance: a uuid, another one for each try.
        deadline_id: Airflow's id of the deadline that was missed; empty for other events.
        deadline: The time of that deadline, as text; empty for other events.
        run_attempt: When the DAG run began, and how often its tasks were cleared by then, as text: it tells
            the failure of a run that was cleared from a repeated callback. Empty if that is unknown.
    """

    kind: EventKind
    dag_id: str
    run_id: str
    task_id: str = ""
    map_index: int = -1
    try_number: int = 0
    tries: int | None = None
    state: str = ""
    owners: tuple[str, ...] = ()
    reason: str = ""
    error_type: str = ""
    error: str = ""
    traceback: str = ""
    log_url: str = ""
    run_url: str = ""
    answer_url: str = ""
    ti_id: str = ""
    deadline_id: str = ""
    deadline: str = ""
    run_attempt: str = ""

    @property
    def label(self) -> str:
        """Return the task instance's name within its run, as in Airflow's table of task states."""
        return format_label(self.task_id, self.map_index)

    @property
    def is_task_event(self) -> bool:
        """Return whether this is a task's event, not its DAG's."""
        return self.kind in {"failure", "retry", "success", "notice"} and bool(self.task_id)

    @property
    def is_success(self) -> bool:
        """Return whether this is a success."""
        return self.kind in {"success", "dag_success"}
