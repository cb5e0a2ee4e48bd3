"""A command as the bridge delivers it to the plugin, and what the plugin answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import orjson

from lark_provider.protocol.callbacks.storable import is_id
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.support.members import select_members

COMMAND_PATH = "/lark/command"
"""The path as it is signed, whatever prefix a reverse proxy adds."""
Act: TypeAlias = Literal["run", "status", "runs"]
CommandOutcome: TypeAlias = Literal[
    "started",
    "shown",
    "invalid",
    "unproven",
    "unlinked",
    "forbidden",
    "foreign_tenant",
    "inactive",
    "not_found",
    "busy",
    "unavailable",
]
STATUS: Mapping[CommandOutcome, int] = MappingProxyType(
    {
        "started": 200,
        "shown": 200,
        "invalid": 400,
        "unproven": 401,
        "unlinked": 403,
        "forbidden": 403,
        "foreign_tenant": 403,
        "inactive": 403,
        "not_found": 404,
        "busy": 503,
        "unavailable": 503,
    }
)
"""The HTTP status of each outcome."""
TRANSIENT: frozenset[CommandOutcome] = frozenset({"unproven", "busy", "unavailable"})
"""The same command, delivered again, can have another outcome."""
TRANSIENT_STATUS: frozenset[int] = frozenset(STATUS[outcome] for outcome in TRANSIENT)
_DAG_ID = re.compile(r"[\w.-]{1,250}")


def is_dag_id(text: str) -> bool:
    """Return whether a text can be the id of a DAG, and nothing else in a URL."""
    return bool(_DAG_ID.fullmatch(text)) and text not in {".", ".."}


def make_run_id(message_id: str) -> str:
    """Return the id of the run that a message starts: a repeated delivery finds the same run."""
    return f"lark__{message_id}"


@dataclass(frozen=True, slots=True)
class DeliveredCommand:
    """A command that `lark.yaml` allows, for the person who typed it.

    Attributes:
        app_id: The app whose bot received it.
        tenant_key: The tenant of the app.
        open_id: The open_id of the person who typed it.
        message_id: The id of the message, `om_…`.
        act: The command: `run`, `status` or `runs`.
        dag_id: The id of the DAG that the command is for.
        arguments: The texts of the arguments, by the name of the param.
    """

    app_id: str
    tenant_key: str
    open_id: str
    message_id: str
    act: Act
    dag_id: str
    arguments: Mapping[str, str] = field(default_factory=dict)

    def encode_body(self) -> bytes:
        """Return the body of the request to the plugin, JSON."""
        return orjson.dumps(asdict(self))


def read_delivered(body: bytes) -> DeliveredCommand:
    """Read what `DeliveredCommand.encode_body` returned; members that a newer version added are left out.

    Args:
        body: The body, which must have been proven before.

    Raises:
        InvalidRequestError: It is not such a body.
    """
    try:
        payload = orjson.loads(body)
        command = DeliveredCommand(**select_members(payload, DeliveredCommand))
    except (ValueError, TypeError, AttributeError) as error:
        raise _make_unreadable_error(type(error).__name__) from None
    ids = (command.app_id, command.tenant_key, command.open_id, command.message_id)
    has_texts = isinstance(command.arguments, dict) and all(
        isinstance(value, str) for value in command.arguments.values()
    )
    has_ids = all(map(is_id, ids)) and isinstance(command.dag_id, str) and is_dag_id(command.dag_id)
    if not has_ids or command.act not in {"run", "status", "runs"} or not has_texts:
        raise _make_unreadable_error("a member of it is not usable")
    return command


def _make_unreadable_error(reason: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"The delivered command is not a JSON object with all its members ({reason}). Next: "
        "run the same version of this package in the bridge and in Airflow's API servers."
    )


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The outcome of a command.

    Attributes:
        outcome: The outcome, such as `started` or `forbidden`; see `CommandOutcome`.
        message: The text for the person, by language (`zh`, `en`).
        run_id: The id of the run that was started; None if none was.
        link_url: The address where the person links themselves to their user of Airflow. Not recorded: it
            holds a code.
    """

    outcome: CommandOutcome
    message: Mapping[str, str]
    run_id: str | None = None
    link_url: str | None = field(default=None, repr=False)

    @property
    def status(self) -> int:
        """Return the HTTP status."""
        return STATUS[self.outcome]

    @property
    def is_final(self) -> bool:
        """Return whether the same command can have no other outcome."""
        return self.outcome not in TRANSIENT

    def dump(self) -> str:
        """Return the result as JSON, with the link."""
        return orjson.dumps(asdict(self)).decode()


def read_result(payload: Mapping[str, Any]) -> CommandResult:
    """Read what `CommandResult.dump` returned; members that a newer version added are left out.

    An outcome that a newer version added is read as `shown`: its message is shown.

    Args:
        payload: The parsed body of the plugin's answer.

    Raises:
        ValueError: It is not a result.
    """
    try:
        outcome = payload["outcome"]
        return CommandResult(
            **select_members(payload, CommandResult) | {"outcome": outcome if outcome in STATUS else "shown"}
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"The result of the command is incomplete: {error!r}.") from None
