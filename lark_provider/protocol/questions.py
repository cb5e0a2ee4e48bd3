"""Questions as they are recorded: their origin, content and state. No I/O or clock.

A question is recorded before its card is sent and read back by every later step. Nothing is recomputed from a
DAG file, which may have been edited in the meantime.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from lark_provider.protocol.waits import Wait
from lark_provider.support.members import select_members

WaitState: TypeAlias = Literal["open", "decided", "closed"]
Reason: TypeAlias = Literal["withdrawn", "expired", "superseded", "failed"]
"""Why a question was closed, in this order: the task was cleared, marked or stopped; there was no answer in
time; the task asked again; the task failed."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The attempt of an Airflow task that asked a question.

    Attributes:
        dag_id: The DAG.
        run_id: The DAG run.
        task_id: The task.
        map_index: The index of a mapped task; else -1.
        kind: `approval` if this package built the card, else `sensor`.
        try_number: The number of the attempt.
        max_tries: Airflow's limit of tries for this task instance. A retry does not change it; clearing the
            task instance increases it.
        conn_id: The Lark connection that sent the card.
        url: The task instance's page in Airflow; may be empty.
        run_start: When the run began according to Airflow, in UTC and ISO 8601; empty if unknown. Clearing
            tasks of a finished run changes it.
        run_clears: How often tasks of the run have been cleared; it does not tell runs apart.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    kind: str
    try_number: int
    max_tries: int
    conn_id: str = ""
    url: str = ""
    run_start: str = ""
    run_clears: int = 0

    @property
    def key(self) -> str:
        """A digest that is the same for all attempts of the task instance."""
        parts = [self.dag_id, self.run_id, self.task_id, self.map_index, self.kind]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def continues(self, earlier: Origin) -> bool:
        """Return whether this attempt continues with an earlier attempt's question.

        It does after a reschedule, after the loss of a worker, and in a retry by Airflow. It does not if the
        task instance was cleared, or if its run was deleted and created again under the same id.

        Args:
            earlier: The origin recorded with the question.
        """
        return self.max_tries == earlier.max_tries and not self.is_of_newer_run(earlier)

    def is_of_newer_run(self, earlier: Origin) -> bool:
        """Return whether the run was deleted since an earlier attempt, and created again under the same id.

        Otherwise a decision on the deleted run would answer the first question of the new one. A run that was
        not deleted begins again only after all of its tasks have ended. None of them runs again unless it is
        cleared itself, and then it asks again anyway. So a later beginning alone tells, however often tasks
        of the run were cleared.

        Args:
            earlier: The origin recorded with a question of the same key.
        """
        return bool(earlier.run_start) and self.run_start > earlier.run_start


@dataclass(frozen=True, slots=True)
class Question:
    """A question, with everything that is needed to decide which clicks count and to show how it ended.

    Attributes:
        actions: Which clicks count, as in `Wait`.
        operators: The people whose clicks count: open_ids, or union_ids; empty for everybody.
        every: Whether each message has to be answered.
        correlation: The correlation id in the buttons of a card that another program built; None without one.
        receiver: The receiver of the card if this package built it: an id that Lark knows.
        receiver_type: The kind of `receiver`, if its shape misleads.
        instead_of: The intended receiver, if the connection redirects messages.
        title: The question itself, which is the title of the card.
        text: The Markdown below the title.
        options: The decisions, each with the label of its button.
        rejections: The decisions that are rejections.
        fields: Card elements of the form.
        timezone: The time zone in which times are shown, e.g. `Asia/Shanghai`.
        on_reject: What a rejection does to the task: `fail`, `skip` or `return`. Empty if not recorded.
        branches: The tasks to continue with, by decision; None if the task does not branch.
    """

    actions: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    every: bool = False
    correlation: str | None = None
    receiver: str = ""
    receiver_type: str | None = None
    instead_of: str | None = None
    title: str = ""
    text: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    rejections: tuple[str, ...] = ()
    fields: tuple[Mapping[str, Any], ...] = ()
    timezone: str = "UTC"
    on_reject: str = ""
    branches: Mapping[str, str | Sequence[str]] | None = None


@dataclass(frozen=True, slots=True)
class TaskQuestion:
    """A question that was recorded.

    Attributes:
        id: A UUID. The buttons of a card that this package built carry it as their correlation id.
        origin: The attempt of the task whose question it is.
        question: The question.
        app_id: The app whose cards count; None for all apps.
        message_ids: The ids of the cards' messages; empty until this package's own card is sent.
        state: Whether it is open, decided or closed.
        reason: Why it was closed, see `Reason`; None if it was not.
        decided_by: The ids of the rows in `card_callbacks` that decided it.
        successor: The id of the question that replaced it; None if none did.
        deadline: The time after which clicks do not count; None for no deadline.
        created_at: The time at which it was recorded.
        updated_at: The time of its last change.
    """

    id: str
    origin: Origin
    question: Question
    app_id: str | None
    message_ids: tuple[str, ...]
    state: WaitState
    reason: str | None
    decided_by: tuple[int, ...]
    successor: str | None
    deadline: datetime | None
    created_at: datetime
    updated_at: datetime

    def is_for(self, origin: Origin) -> bool:
        """Return whether an attempt continues with this question.

        Within one attempt this also holds for a closed question, since the attempt has to learn that it is
        closed. A retry, which follows some other failure, asks again.

        Args:
            origin: The attempt.
        """
        is_alive = self.state != "closed" or origin.try_number == self.origin.try_number
        return is_alive and origin.continues(self.origin)

    def has_expired(self, now: datetime) -> bool:
        """Return whether it is still open, although its deadline is over.

        Args:
            now: The current time.
        """
        return self.state == "open" and self.deadline is not None and self.deadline <= now

    @property
    def is_ours(self) -> bool:
        """Whether this package built the card, so that clicks carry its id and the card can be replaced."""
        return self.origin.kind == "approval"

    def to_wait(self) -> Wait:
        """Return the wait that decides which clicks count.

        Raises:
            ConfigurationError: It names neither a message nor a correlation.
        """
        return Wait(
            key=self.id,
            message_ids=() if self.is_ours else self.message_ids,
            every=self.question.every,
            correlation=self.id if self.is_ours else self.question.correlation,
            actions=self.question.actions,
            operators=self.question.operators,
            app_id=self.app_id,
            options=tuple(self.question.options),
            until=None if self.deadline is None else self.deadline.timestamp(),
        )


@dataclass(frozen=True, slots=True)
class Draft:
    """A question that is about to be asked.

    Attributes:
        origin: The task that asks.
        question: The question.
        app_id: The app whose cards count; None for all apps.
        message_ids: The ids of the cards that are waited for, if they have been sent already.
        deadline: The time after which clicks do not count.
    """

    origin: Origin
    question: Question
    app_id: str | None
    message_ids: tuple[str, ...] = ()
    deadline: datetime | None = None


@dataclass(frozen=True, slots=True)
class QuestionClaim:
    """The question that an attempt of a task waits for.

    Attributes:
        question: The question.
        is_new: Whether this attempt recorded it.
        replaced: The question that it replaces, in its earlier state; its card has to be withdrawn.
    """

    question: TaskQuestion
    is_new: bool
    replaced: TaskQuestion | None = None


def dump(part: Origin | Question | Sequence[Any]) -> str:
    """Write a part of a row as JSON.

    Args:
        part: An origin, a question, or a list.
    """
    content: Any = part
    if isinstance(part, Origin | Question):
        # `asdict` would fail on card elements: it calls their constructors as if they were those of dict.
        content = {name: getattr(part, name) for name in part.__dataclass_fields__}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def load_origin(text: str) -> Origin:
    """Read an origin that `dump` wrote; members that a newer version added are ignored."""
    return Origin(**_select_known_members(Origin, json.loads(text)))


def load_question(text: str) -> Question:
    """Read a question that `dump` wrote; members that a newer version added are ignored."""
    return Question(**_select_known_members(Question, json.loads(text)))


def _select_known_members(kind: type[Origin | Question], content: Mapping[str, Any]) -> dict[str, Any]:
    members = select_members(content, kind)
    return {name: tuple(part) if isinstance(part, list) else part for name, part in members.items()}
