"""An approval instance as Lark reports it."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from lark_provider.api.approval.values import read_value
from lark_provider.protocol.errors import InvalidRequestError, LarkAPIError


class Status(enum.StrEnum):
    """The status of an instance or a task, as the API reports it; events use further words."""

    PENDING = "PENDING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    CANCELED = "CANCELED"
    """Withdrawn, or approved and later reverted: then `Instance.is_reverted` says so."""
    DELETED = "DELETED"
    TRANSFERRED = "TRANSFERRED"
    DONE = "DONE"
    """The status of a task that another person's decision has ended."""
    UNKNOWN = "UNKNOWN"
    """A status that this version does not know."""


FINAL = frozenset({Status.APPROVED, Status.REJECTED, Status.CANCELED, Status.DELETED})


@dataclass(frozen=True, slots=True)
class Task:
    """One person's part in an approval.

    Attributes:
        id: Lark's id of the task.
        open_id: The open_id of the person whose task it is; empty for automatic ones.
        status: The status of the task; `UNKNOWN` for one that this version does not know.
        node: The visible name of the step.
        ended_at: When the task ended, in UTC; None while it has not.
    """

    id: str
    open_id: str
    status: Status
    node: str
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class FilledField:
    """A filled-in field of the form.

    Attributes:
        id: The widget's id.
        custom_id: The id that the definition's author gave it, or empty.
        name: The name that people see.
        type: Lark's type.
        value: The value as a Python object; see `values.read_value`.
    """

    id: str
    custom_id: str
    name: str
    type: str
    value: Any


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance of an approval: one request that a person submitted.

    Attributes:
        code: The instance's code (`instance_code`).
        approval_code: The code of the definition that it was created from.
        name: The definition's name.
        serial_number: The number that people see.
        uuid: The uuid under which it was created; empty if Lark names none.
        status: The status of the instance; `UNKNOWN` for one that this version does not know.
        is_reverted: Whether it was approved and then reverted; Lark's status is `CANCELED` then.
        open_id: The open_id of the person who submitted it; empty if Lark names none.
        user_id: The user_id of the same person, where the app may see it, else empty.
        started_at: When it was created, in UTC; None if Lark does not say.
        ended_at: When it ended, in UTC; None while it has not.
        fields: The fields of the form with their values, in the form's order.
        tasks: The tasks of the instance, each one person's part.
        raw: The `data` of Lark's answer, unchanged.
    """

    code: str
    approval_code: str
    name: str
    serial_number: str
    uuid: str
    status: Status
    is_reverted: bool
    open_id: str
    user_id: str
    started_at: datetime | None
    ended_at: datetime | None
    fields: tuple[FilledField, ...]
    tasks: tuple[Task, ...]
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def is_final(self) -> bool:
        """Whether it no longer waits for anyone's decision."""
        return self.status in FINAL

    @property
    def form(self) -> dict[str, Any]:
        """The form's values by visible name, or by id where a name is missing or used twice."""
        names = [form_field.name for form_field in self.fields]
        return {
            form_field.name
            if form_field.name and names.count(form_field.name) == 1
            else form_field.id: form_field.value
            for form_field in self.fields
        }

    def value(self, name: str) -> Any:
        """Return the value of a field; None if it was left empty.

        Args:
            name: The field's id, custom_id or visible name.

        Raises:
            InvalidRequestError: Several fields have that name.
        """
        for kind in ("id", "custom_id", "name"):
            matches = [form_field for form_field in self.fields if getattr(form_field, kind) == name]
            if len(matches) > 1:
                raise InvalidRequestError(
                    f"The name {name!r} must identify one field, and {len(matches)} have it. "
                    f"Next: use an id: {', '.join(form_field.id for form_field in matches)}."
                )
            if matches:
                return matches[0].value
        return None


def read_instance(data: Mapping[str, Any]) -> Instance:
    """Read Lark's answer to `GET /open-apis/approval/v4/instances/:instance_id`.

    Args:
        data: The `data` of Lark's answer.

    Raises:
        LarkAPIError: It lacks a member that every instance has.
    """
    try:
        return Instance(
            code=str(data["instance_code"]),
            approval_code=str(data["approval_code"]),
            name=str(data.get("approval_name") or ""),
            serial_number=str(data.get("serial_number") or ""),
            uuid=str(data.get("uuid") or ""),
            status=_parse_status(data["status"]),
            is_reverted=bool(data.get("reverted")),
            open_id=str(data.get("open_id") or ""),
            user_id=str(data.get("user_id") or ""),
            started_at=_parse_time(data.get("start_time")),
            ended_at=_parse_time(data.get("end_time")),
            fields=tuple(_read_field(widget) for widget in orjson.loads(data.get("form") or "[]")),
            tasks=tuple(_read_task(task) for task in _read_list(data.get("task_list"))),
            raw=data,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LarkAPIError(
            f"Lark's answer about an approval cannot be read ({type(error).__name__}: {error}). Next: report "
            "it with the log id.",
        ) from error


def _parse_status(word: Any) -> Status:
    return Status(word) if word in Status.__members__ else Status.UNKNOWN


def _parse_time(timestamp: Any) -> datetime | None:
    """Parse milliseconds in a string; `0` stands for an end that has not come yet."""
    milliseconds = int(timestamp or 0)
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None


def _read_field(widget: Mapping[str, Any]) -> FilledField:
    kind = str(widget.get("type") or "")
    return FilledField(
        str(widget["id"]),
        str(widget.get("custom_id") or ""),
        str(widget.get("name") or ""),
        kind,
        read_value(kind, widget),
    )


def _read_task(task: Mapping[str, Any]) -> Task:
    return Task(
        str(task["id"]),
        str(task.get("open_id") or ""),
        _parse_status(task.get("status")),
        str(task.get("node_name") or ""),
        _parse_time(task.get("end_time")),
    )


def _read_list(value: Any) -> Sequence[Mapping[str, Any]]:
    return value if isinstance(value, list) else ()
