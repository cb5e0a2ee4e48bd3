"""A question of an Airflow task, and how it ended. See `protocol.hitl.records` for their JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

from lark_provider.protocol.errors import InvalidRequestError

QuestionState: TypeAlias = Literal["held", "open", "over"]
"""Recorded, but an answer could still fail the task; its cards are or will be sent; it waits no longer."""
CardState: TypeAlias = Literal["due", "sent", "over", "given_up"]
EndKind: TypeAlias = Literal["answered", "defaulted", "timed_out", "superseded", "withdrawn", "failed"]
"""A person answered; nobody did, and the defaults count; nobody did, and the task failed; a new try asks
again; the task was cleared, marked, or is gone; the task failed after it was answered (Airflow reported a
state mismatch)."""


def is_segment(text: str) -> bool:
    """Return whether an id can be a segment of a URL's path. `.` and `..` cannot: clients resolve them.

    Args:
        text: The id, or what is between two slashes of a path.
    """
    return bool(text.strip("."))


@dataclass(frozen=True, slots=True)
class TaskInstance:
    """A try of a task.

    Attributes:
        ti_id: Airflow's id: a uuid, another one for each try.
        dag_id: The DAG.
        run_id: The DAG run.
        task_id: The task.
        map_index: The index of a mapped task; else -1.
        try_number: The try, from 1.
    """

    ti_id: str
    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    try_number: int = 1

    @property
    def log_fields(self) -> dict[str, str]:
        """The ids by which log lines about the task are found."""
        return {"dag_id": self.dag_id, "run_id": self.run_id, "task_id": self.task_id, "ti_id": self.ti_id}

    @property
    def path(self) -> str:
        """The path in Airflow's REST API, below `/api/v2`; with `/hitlDetails` it is the question's.

        Raises:
            InvalidRequestError: An id could lead to another path.
        """
        segments = [self.dag_id, self.run_id, self.task_id, str(self.map_index)]
        for segment in segments:
            if not is_segment(segment):
                raise InvalidRequestError(
                    f"An id of Airflow must not consist of dots alone, got {segment!r}. Next: rename it in "
                    "the DAG file."
                )
        dag, run, task, index = (quote(segment, safe="") for segment in segments)
        return f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}/{index}"


@dataclass(frozen=True, slots=True)
class Assignee:
    """A user of Airflow who may answer.

    Attributes:
        id: Airflow's id: the name with the Simple auth manager, a number with FAB.
        name: The name.
    """

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class HitlQuestion:
    """What a task asks, as it was when the try was parked.

    Attributes:
        task: The try.
        subject: The question; rendered.
        body: Markdown below it; rendered.
        options: The answers to choose from.
        defaults: The options that count if no person answers in time; None if the task fails then.
        multiple: Whether several options may be chosen.
        params: The form: `{name: {"value": default, "description": …, "schema": JSON schema}}`.
        assignees: Who may answer; empty for everybody with the right in Airflow.
        deadline: The time until which an answer counts; None without one.
        operator: The operator's class, e.g. `ApprovalOperator`.
        owners: The DAG's owners.
        tags: The DAG's tags.
        url: The page in Airflow where it can be answered.
    """

    task: TaskInstance
    subject: str
    body: str = ""
    options: tuple[str, ...] = ()
    defaults: tuple[str, ...] | None = None
    multiple: bool = False
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    assignees: tuple[Assignee, ...] = ()
    deadline: datetime | None = None
    operator: str = ""
    owners: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    url: str = ""


@dataclass(frozen=True, slots=True)
class HitlAnswer:
    """An answer as Airflow takes it.

    Attributes:
        options: The options chosen.
        params: A value for each of the form's names, or none at all.
    """

    options: tuple[str, ...]
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class End:
    """How a question ended.

    Attributes:
        kind: How the question ended, such as `answered` or `timed_out`; see `EndKind`.
        options: The options that count.
        params: The form's values that count.
        person: The name in Airflow of the person who answered; None if no person did.
        open_id: The open_id of the person who answered, if the answer was a click.
        at: When the question ended, if that is known.
        detail: Further details for people: the state of the task, the reason of Airflow.
    """

    kind: EndKind
    options: tuple[str, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    person: str | None = None
    open_id: str | None = None
    at: datetime | None = None
    detail: str = ""
