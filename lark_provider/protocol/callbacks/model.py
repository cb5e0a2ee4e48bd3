"""The kinds of requests to a callback URL: challenge, click on a card, event."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

import orjson

OLD_CARD = "card.action.trigger_v1"


@dataclass(frozen=True, slots=True)
class Challenge:
    """A check that the URL answers, sent when a user enters it in the developer console.

    Attributes:
        challenge: To be sent back within one second.
    """

    challenge: str

    @property
    def answer(self) -> bytes:
        """The body of the answer, JSON."""
        return orjson.dumps({"challenge": self.challenge})


@dataclass(frozen=True, slots=True)
class Operator:
    """The user who clicked.

    Attributes:
        open_id: The user's id for this app.
        user_id: The user's id in the tenant, if the app has the scope for it.
        union_id: The user's id for all apps of this developer, where Lark sends it.
        tenant_key: The user's tenant; not the app's own for external users.
    """

    open_id: str
    user_id: str | None = None
    union_id: str | None = None
    tenant_key: str | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """What the user did on the card. Which parts are set depends on the component.

    Attributes:
        tag: The component, e.g. `button`, `select_static`, `input`.
        name: The component's own name, if it has one.
        value: The value that the card's author set on the component: a dict, sometimes a str.
        form_value: Of a form that was submitted: each field's value by its name.
        option: The option chosen, or the date or time picked.
        options: The options chosen, of a component that takes several.
        input_value: The text entered.
        checked: The state of a checker.
        timezone: The user's time zone, e.g. `Asia/Shanghai`, with dates and times.
    """

    tag: str | None = None
    name: str | None = None
    value: Any = None
    form_value: dict[str, Any] | None = None
    option: str | None = None
    options: tuple[str, ...] = ()
    input_value: str | None = None
    checked: bool | None = None
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class CardClick:
    """A user used a card. Lark sends this once and never again.

    Attributes:
        event_id: Unique; the same request delivered twice has the same.
        app_id: The app that sent the card.
        tenant_key: The tenant of the app.
        operator: The user who clicked.
        action: What the user did.
        message_id: The card's message, `om_…`.
        chat_id: The chat that it is in, `oc_…`.
        token: Updates the card later, `c-…`: valid for 30 minutes and two uses. A secret.
        created_at: The time of the click, in UTC.
        raw: All that Lark sent, without the verification token; `read` makes the same click from it.
    """

    event_id: str
    app_id: str
    tenant_key: str | None
    operator: Operator
    action: Action
    message_id: str | None
    chat_id: str | None
    token: str | None = field(repr=False)
    created_at: datetime
    raw: dict[str, Any] = field(repr=False)

    @property
    def is_old(self) -> bool:
        """Whether it came as `card.action.trigger_v1`, which takes other answers."""
        return bool(self.raw["header"]["event_type"] == OLD_CARD)


@dataclass(frozen=True, slots=True)
class Event:
    """An event that the app subscribed to. Lark repeats it until it is answered: at-least-once delivery.

    Attributes:
        event_id: Unique to the event, not to the delivery. In events 1.0 this is `uuid`.
        type: E.g. `im.message.receive_v1`.
        app_id: The app. An event 1.0 that does not name it gets the app that it was proven for; None only
            where `read` alone made the event.
        tenant_key: The tenant in which it happened.
        event: What happened, as Lark describes it for this type.
        created_at: The time of the event, in UTC.
        raw: All that Lark sent, without the verification token; `read` makes the same event from it.
    """

    event_id: str
    type: str
    app_id: str | None
    tenant_key: str | None
    event: dict[str, Any] = field(repr=False)
    created_at: datetime
    raw: dict[str, Any] = field(repr=False)


Delivery: TypeAlias = CardClick | Event


def get_kind(delivery: Delivery) -> str:
    """Return `click` or `event`, for metrics."""
    return "click" if isinstance(delivery, CardClick) else "event"


def make_log_fields(delivery: Delivery) -> dict[str, str | None]:
    """Return the fields of log lines about a delivery: the ids of its app and of its event."""
    return {"app_id": delivery.app_id, "event_id": delivery.event_id}
