"""Tasks, the lists that hold them, and the comments on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Member:
    """A person (`user`), a bot (`app`) or a group (`chat`) with a role; `id` is its user_id and so on."""

    id: str
    type: str
    role: str


@dataclass(slots=True)
class Task:
    """A task. `more` holds what is only kept and shown; times are milliseconds."""

    guid: str
    task_id: str
    summary: str
    creator: Member
    created_at: int
    updated_at: int
    description: str = ""
    start: dict[str, Any] | None = None
    due: dict[str, Any] | None = None
    completed_at: int = 0
    members: list[Member] = field(default_factory=list)
    tasklists: list[str] = field(default_factory=list)
    reminders: list[dict[str, Any]] = field(default_factory=list)
    mode: int = 2
    is_milestone: bool = False
    repeat_rule: str = ""
    extra: str = ""
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Tasklist:
    """A list of tasks."""

    guid: str
    name: str
    creator: Member
    owner: Member
    created_at: int
    updated_at: int
    members: list[Member] = field(default_factory=list)


@dataclass(slots=True)
class TaskComment:
    """A comment on a task."""

    comment_id: str
    task_guid: str
    content: str
    creator: Member
    created_at: int
    updated_at: int
    reply_to: str = ""


class Tasks:
    """All of them, by guid or id."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.tasklists: dict[str, Tasklist] = {}
        self.comments: dict[str, TaskComment] = {}

    def drop(self, task: Task) -> None:
        """Delete a task with its comments."""
        del self.tasks[task.guid]
        for comment in [
            candidate for candidate in self.comments.values() if candidate.task_guid == task.guid
        ]:
            del self.comments[comment.comment_id]

    def drop_list(self, tasklist: Tasklist) -> None:
        """Delete a list; its tasks stay."""
        del self.tasklists[tasklist.guid]
        for task in self.tasks.values():
            if tasklist.guid in task.tasklists:
                task.tasklists.remove(tasklist.guid)
