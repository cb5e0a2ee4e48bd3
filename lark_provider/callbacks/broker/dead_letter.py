"""One dead letter: what an operator has to know of it, and what is masked unless it is asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, Self, TypeAlias

import orjson

from lark_provider.callbacks.broker.link import Delivered
from lark_provider.callbacks.broker.topology import CARDS, DEAD_AT, EVENTS, QUEUE, REASON
from lark_provider.protocol.callbacks import CallbackRefusedError, CardClick, Event
from lark_provider.protocol.redact import MASK, redact

DeadLetterKind: TypeAlias = Literal["click", "event", "unreadable"]

_REQUEUED = "requeued"
_OURS = frozenset({REASON, DEAD_AT, QUEUE})
_DIGITS = 16
_SHOWN: frozenset[tuple[str, ...]] = frozenset(
    {
        ("schema",),
        *(("header", name) for name in ("event_id", "event_type", "create_time", "app_id", "tenant_key")),
        *(("event", "action", name) for name in ("tag", "name")),
        *(("event", "context", name) for name in ("open_message_id", "open_chat_id")),
        *(("event", "message", name) for name in ("message_id", "chat_id", "chat_type", "message_type")),
    }
)
"""What tells one message from another, and neither who did something nor what was written."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter.

    Attributes:
        id: The event id; for a message without one, a digest of its body.
        kind: A click, an event, or neither.
        app_id: Of which app; None if that is unreadable.
        type: The event's type; None for a click.
        reason: Why no consumer could use it.
        queue: The queue that it came from; None if that is unknown.
        at: When it was dead-lettered; for one of version 0.1, when it was made. None if that is unknown.
        requeued: How often it was requeued.
        delivered: The message.
    """

    id: str
    kind: DeadLetterKind
    app_id: str | None
    type: str | None
    reason: str
    queue: str | None
    at: datetime | None
    requeued: int
    delivered: Delivered = field(repr=False)

    @classmethod
    def read(cls, delivered: Delivered) -> Self:
        """Read a message of the dead-letter queue; whatever is in it, something is returned."""
        headers = delivered.properties.headers or {}
        death = _get_death(headers)
        kind, app_id, type_, created_at = _read_content(delivered)
        name = delivered.properties.message_id
        reason = str(headers.get(REASON) or "") or _format_broker_reason(death)
        return cls(
            id=name or f"sha256:{hashlib.sha256(delivered.body).hexdigest()[:_DIGITS]}",
            kind=kind,
            app_id=app_id,
            type=type_,
            reason=redact(reason),
            queue=str(headers.get(QUEUE) or death.get("queue") or "") or None,
            at=_parse_time(headers.get(DEAD_AT)) or _parse_time(death.get("time")) or created_at,
            requeued=_get_requeue_count(headers),
            delivered=delivered,
        )

    @property
    def target(self) -> str | None:
        """The queue to requeue it to; None if nothing tells."""
        ours = {CARDS.name, EVENTS.name}
        by_kind = {"click": CARDS.name, "event": EVENTS.name}
        return self.queue if self.queue in ours else by_kind.get(self.kind)

    def decode_payload(self, *, is_revealed: bool) -> Any:
        """Return the content as JSON has it, or as text if it is not JSON.

        Args:
            is_revealed: Whether to return all of it. Else only what identifies the message is readable.
        """
        try:
            content = orjson.loads(self.delivered.body)
        except orjson.JSONDecodeError:
            return self.delivered.body.decode(errors="replace") if is_revealed else MASK
        return content if is_revealed else _mask(content, ())


def clean_headers(letter: DeadLetter) -> dict[str, Any]:
    """Return the headers of a copy that is requeued: without the dead-lettering, with a count of requeues."""
    headers = letter.delivered.properties.headers or {}
    kept = {name: value for name, value in headers.items() if name not in _OURS and not name.startswith("x-")}
    return {**kept, _REQUEUED: letter.requeued + 1}


def _mask(value: Any, path: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        return {name: _mask(part, (*path, name)) for name, part in value.items()}
    if isinstance(value, list):
        return [_mask(part, path) for part in value]
    return value if value is None or path in _SHOWN else MASK


def _read_content(delivered: Delivered) -> tuple[DeadLetterKind, str | None, str | None, datetime | None]:
    """Return the kind, the app, the type and the time of what is in a message."""
    try:
        callback = delivered.read()
    except CallbackRefusedError:
        return "unreadable", None, None, None
    if isinstance(callback, CardClick):
        return "click", callback.app_id, None, callback.created_at
    assert isinstance(callback, Event)  # noqa: S101 - there are only these two
    return "event", callback.app_id, callback.type, callback.created_at


def _get_death(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return RabbitMQ's own record of the last dead-lettering, if it did it."""
    deaths = headers.get("x-death")
    last = deaths[0] if isinstance(deaths, list) and deaths else None
    return last if isinstance(last, dict) else {}


def _format_broker_reason(death: Mapping[str, Any]) -> str:
    return f"RabbitMQ dead-lettered it: {death.get('reason')}." if death else "unknown"


def _parse_time(value: Any) -> datetime | None:
    if isinstance(value, datetime):  # pika reads AMQP's timestamps as naive ones in UTC
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value
    return datetime.fromtimestamp(value, UTC) if isinstance(value, int) and 0 < value < 1 << 33 else None


def _get_requeue_count(headers: Mapping[str, Any]) -> int:
    value = headers.get(_REQUEUED)
    return value if isinstance(value, int) and value > 0 else 0
