"""Native approvals of the tenant: definitions, instances, tasks, comments, and the subscriptions of apps."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from lark_emulator.world.apps import App
from lark_emulator.world.users import User

if TYPE_CHECKING:
    from collections.abc import Callable

    #: Gets each change: the instance, the event's type, and its members as an app sees them.
    Tell = Callable[["Instance", str, Callable[[App], dict[str, Any]]], object]

#: A bot may ask for an approval and decide one, like a person.
Person: TypeAlias = User | App
NODE_TYPES = ("AND", "OR", "SEQUENTIAL", "CC_NODE")
DAY_S = 24 * 3600.0


def get_id(person: Person | None, app: App, id_type: str) -> str:
    """Return an id of a person or a bot as `app` sees it; empty if there is none."""
    if person is None:
        return ""
    if isinstance(person, App):
        return person.bot_open_id if id_type == "open_id" else ""
    return person.get_id(app, id_type)


@dataclass(frozen=True, slots=True)
class ApprovalNode:
    """A step of a definition.

    Args:
        node_id: The id of the step, 32 hexadecimal digits.
        custom_node_id: The id that the definition's author gave the step, or empty.
        name: The name that people see.
        node_type: The way in which its approvers decide, one of `NODE_TYPES`.
        approvers: The user_ids of those who decide; a step without any passes by itself.
        need_approver: Whether a request names its approvers.
    """

    node_id: str
    custom_node_id: str
    name: str
    node_type: str
    approvers: tuple[str, ...] = ()
    need_approver: bool = False


@dataclass(slots=True)
class Definition:
    """An approval that can be asked for.

    Args:
        code: The approval code, an upper-case UUID.
        approval_id: The id of the definition, decimal digits.
        name: The name that people see.
        form: The widgets of the form, as the definition is read.
        nodes: The steps of the approval, in order.
        status: The status, `ACTIVE`, `INACTIVE` or `DELETED`.
        may_withdraw: Whether a running instance may be cancelled.
        revert_s: How long an approved instance may be reverted, in seconds; 0 = never.
        reject_to_submitter: Whether a rejection sends the instance back instead of ending it.
        visible_to: The ids of the apps that may use its data; None = all.
    """

    code: str
    approval_id: str
    name: str
    form: list[dict[str, Any]]
    nodes: tuple[ApprovalNode, ...]
    status: str = "ACTIVE"
    may_withdraw: bool = True
    revert_s: float = 31 * DAY_S
    reject_to_submitter: bool = False
    visible_to: frozenset[str] | None = None


@dataclass(slots=True)
class ApprovalTask:
    """One person's part in an instance; `person` is None for what passes by itself."""

    task_id: str
    person: Person | None
    node: ApprovalNode
    kind: str
    start_time: int
    status: str = "PENDING"
    end_time: int = 0


@dataclass(slots=True)
class ApprovalComment:
    """A comment on an instance, or a reply to one."""

    comment_id: str
    author: Person
    content: str
    create_time: int
    update_time: int
    parent_id: str = ""
    deleted: bool = False
    at_info: list[dict[str, Any]] = field(default_factory=list)
    extra: str = ""


@dataclass(slots=True)
class Instance:
    """An approval that was asked for.

    Args:
        code: The instance code, an upper-case UUID.
        definition: The definition of the approval that was requested.
        serial_number: The number of the instance that people see, decimal digits.
        uuid: The client's own id for the instance, from the request that created it, or empty.
        submitter: The person or bot that submitted the request.
        department_id: The department of the submitter, as the request named it.
        form: The filled-in widgets, as the instance is read.
        approvers: The approvers that the request named, by node_id.
        start_time: When the instance was created, in milliseconds since the epoch.
    """

    code: str
    definition: Definition
    serial_number: str
    uuid: str
    submitter: Person
    department_id: str
    form: list[dict[str, Any]]
    approvers: dict[str, list[Person]]
    start_time: int
    status: str = "PENDING"
    reverted: bool = False
    end_time: int = 0
    place: int = -1
    """The index of the node that is being decided."""
    entered: int = 0
    """How many tasks there were before it; a node that is decided again has older ones."""
    tasks: list[ApprovalTask] = field(default_factory=list)
    comments: list[ApprovalComment] = field(default_factory=list)
    timeline: list[dict[str, Any]] = field(default_factory=list)
    history: list[tuple[int, str]] = field(default_factory=list)
    """Milliseconds and the status since then; `REVERTED` where the API says `CANCELED`."""

    def set_status(self, status: str, now_ms: int) -> None:
        """Change the status and record when."""
        self.status = "CANCELED" if status == "REVERTED" else status
        self.end_time = 0 if status == "PENDING" else now_ms
        self.history.append((now_ms, status))

    def find_status(self, now_ms: int) -> str | None:
        """Return the status at a time; None if the instance was not there yet."""
        return next((status for when, status in reversed(self.history) if when <= now_ms), None)


class Approvals:
    """All definitions and instances."""

    def __init__(self) -> None:
        self.definitions: dict[str, Definition] = {}
        self.instances: dict[str, Instance] = {}
        #: uuid in lower case -> instance
        self.by_uuid: dict[str, Instance] = {}
        #: (app_id, approval_code)
        self.subscriptions: set[tuple[str, str]] = set()
        #: gets each change
        self.tell: Tell = lambda *_: None
        self._numbers = 0

    def make_number(self) -> str:
        """Return a fresh id of decimal digits."""
        self._numbers += 1
        return str(7_000_000_000_000_000_000 + self._numbers)

    @staticmethod
    def make_code() -> str:
        """Return a fresh code of a definition or an instance."""
        return str(uuid.uuid4()).upper()

    def find(self, name: str) -> Instance | None:
        """Return the instance with a code or a uuid."""
        return self.instances.get(name.upper()) or self.by_uuid.get(name.lower())
