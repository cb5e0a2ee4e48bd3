"""A click as the bridge delivers it to the plugin, and what the plugin answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal, TypeAlias

import orjson

from lark_provider.protocol.callbacks import Action, CardClick, Operator
from lark_provider.protocol.callbacks.storable import is_id
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.hitl.model import End
from lark_provider.protocol.hitl.records import dump_end, load_end
from lark_provider.support.members import select_members

AnswerOutcome: TypeAlias = Literal[
    "answered",
    "retried",
    "noted",
    "invalid",
    "unproven",
    "unlinked",
    "forbidden",
    "not_assigned",
    "foreign_tenant",
    "inactive",
    "unknown_card",
    "already_answered",
    "superseded",
    "over",
    "too_early",
    "busy",
    "unavailable",
]
STATUS: Mapping[AnswerOutcome, int] = MappingProxyType(
    {
        "answered": 200,
        "retried": 200,
        "noted": 200,
        "invalid": 400,
        "unproven": 401,
        "unlinked": 403,
        "forbidden": 403,
        "not_assigned": 403,
        "foreign_tenant": 403,
        "inactive": 403,
        "unknown_card": 404,
        "already_answered": 409,
        "superseded": 410,
        "over": 410,
        "too_early": 425,
        "busy": 503,
        "unavailable": 503,
    }
)
"""The HTTP status of each outcome."""
TRANSIENT: frozenset[AnswerOutcome] = frozenset({"unproven", "too_early", "busy", "unavailable"})
"""Outcomes that are not recorded: the same click, delivered again, can have another one."""


@dataclass(frozen=True, slots=True)
class DeliveredClick:
    """A click on a card of Airflow's.

    Attributes:
        event_id: The id of the event; the same click delivered twice has the same.
        app_id: The app that sent the card.
        tenant_key: The tenant of the app.
        operator: The user who clicked.
        action: What the user did on the card.
        message_id: The card's message, `om_…`.
        chat_id: The id of the chat that the message is in.
        clicked_at: When the user clicked, in UTC.
    """

    event_id: str
    app_id: str
    tenant_key: str | None
    operator: Operator
    action: Action
    message_id: str | None
    chat_id: str | None
    clicked_at: datetime

    @classmethod
    def of(cls, click: CardClick) -> DeliveredClick:
        """Return the parts of a click that are delivered, without its token and what Lark sent."""
        return cls(
            event_id=click.event_id,
            app_id=click.app_id,
            tenant_key=click.tenant_key,
            operator=click.operator,
            action=click.action,
            message_id=click.message_id,
            chat_id=click.chat_id,
            clicked_at=click.created_at,
        )

    def encode_body(self) -> bytes:
        """Return the body of the request to the plugin, JSON."""
        return orjson.dumps(asdict(self))


def read_click(body: bytes) -> DeliveredClick:
    """Read what `DeliveredClick.encode_body` returned; members that a newer version added are left out.

    Args:
        body: The body, which must have been proven before.

    Raises:
        InvalidRequestError: It is not such a body.
    """
    try:
        payload = orjson.loads(body)
        action = select_members(payload["action"], Action)
        click = DeliveredClick(
            **select_members(payload, DeliveredClick)
            | {
                "operator": Operator(**select_members(payload["operator"], Operator)),
                "action": Action(**action | {"options": tuple(action.get("options") or ())}),
                "clicked_at": datetime.fromisoformat(payload["clicked_at"]),
            }
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _make_unreadable_error(type(error).__name__) from None
    ids = (click.event_id, click.app_id, click.operator.open_id)
    if not all(map(is_id, ids)):
        raise _make_unreadable_error("an id of it is not a usable id")
    return click


def _make_unreadable_error(reason: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"The delivered click is not a JSON object with all its members ({reason}). Next: "
        "run the same version of this package in the bridge and in Airflow's API servers."
    )


@dataclass(frozen=True, slots=True)
class ClickResult:
    """The outcome of a click.

    Attributes:
        outcome: The outcome, such as `answered` or `forbidden`; see `AnswerOutcome`.
        message: The text for the person who clicked, by language (`zh`, `en`).
        open_id: The open_id of the person who clicked, if it is known.
        person: The name in Airflow of the person who clicked, if they are linked.
        errors: What is wrong with fields of the form, by field.
        link_url: The address where the person links themselves to their user of Airflow. Not recorded: it
            holds a code.
        end: How the question ended, if that is known.
    """

    outcome: AnswerOutcome
    message: Mapping[str, str]
    open_id: str | None = None
    person: str | None = None
    errors: Mapping[str, str] = field(default_factory=dict)
    link_url: str | None = field(default=None, repr=False)
    end: End | None = None

    @property
    def status(self) -> int:
        """Return the HTTP status."""
        return STATUS[self.outcome]

    @property
    def is_final(self) -> bool:
        """Return whether the same click can have no other outcome."""
        return self.outcome not in TRANSIENT

    def dump(self, *, for_record: bool = False) -> str:
        """Return the result as JSON.

        Args:
            for_record: Whether it is written into a row, without the link.
        """
        shown = {
            "outcome": self.outcome,
            "message": dict(self.message),
            "person": self.person,
            "open_id": self.open_id,
            "errors": dict(self.errors),
            "link_url": None if for_record else self.link_url,
            "end": None if self.end is None else orjson.Fragment(dump_end(self.end)),
        }
        return orjson.dumps(shown).decode()


def read_result(text: str) -> ClickResult:
    """Read what `ClickResult.dump` returned; members that a newer version added are left out.

    An outcome that a newer version added is read as `over`: its message is shown, and what happened to the
    question is read from Airflow.

    Args:
        text: The text of a row, or the body of the plugin's answer.

    Raises:
        ValueError: It is not a result.
    """
    try:
        payload = orjson.loads(text)
        end, outcome = payload.get("end"), payload["outcome"]
        return ClickResult(
            **select_members(payload, ClickResult)
            | {
                "outcome": outcome if outcome in STATUS else "over",
                "end": None if end is None else load_end(orjson.dumps(end).decode()),
            }
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"The result of the click is incomplete: {error!r}.") from None
