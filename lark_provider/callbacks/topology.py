"""What stands in RabbitMQ: one exchange, a queue for clicks, one for events, one for what nobody can use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

QueueType: TypeAlias = Literal["quorum", "classic"]
QUEUE_TYPES: tuple[QueueType, ...] = ("quorum", "classic")
EXCHANGE = "lark.events"
DEAD = "lark.events.dead"
# RabbitMQ 4 drops a message of a quorum queue on its 21st failed delivery unless told otherwise; a database
# that is away for a day, or a consumer that is started anew again and again, must not lose a click.
DELIVERY_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue, and what of the exchange goes into it."""

    name: str
    binding: str

    def arguments(self, kind: QueueType) -> dict[str, Any]:
        """What it is declared with.

        Args:
            kind: `quorum` lives on several nodes of a cluster; `classic` on one.
        """
        dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": DEAD}
        limit = {"x-delivery-limit": DELIVERY_LIMIT} if kind == "quorum" else {}
        return {"x-queue-type": kind} | dead | limit


CARDS = Queue("lark.card_callbacks", "card.#")
EVENTS = Queue("lark.events.inbox", "event.#")


def card_key(app_id: str) -> str:
    """The routing key of an app's clicks."""
    return f"card.{app_id}"


def event_key(app_id: str | None) -> str:
    """The routing key of an app's events."""
    return f"event.{app_id or 'unknown'}"
