"""What stands in RabbitMQ: one exchange, a queue for clicks, one for events, one for what nobody can use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

QueueType: TypeAlias = Literal["quorum", "classic"]
QUEUE_TYPES: tuple[QueueType, ...] = ("quorum", "classic")
EXCHANGE = "lark.events"
# RabbitMQ 4 drops a message of a quorum queue on its 21st failed delivery unless told otherwise; a database
# that is away for a day, or a consumer that is started anew again and again, must not lose a click.
DELIVERY_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue.

    Attributes:
        name: Its name.
        binding: What of the exchange goes into it; None for the queue of the dead.
    """

    name: str
    binding: str | None = None

    def arguments(self, kind: QueueType) -> dict[str, Any]:
        """What it is declared with.

        Args:
            kind: `quorum` lives on several nodes of a cluster; `classic` on one.
        """
        limit = {"x-delivery-limit": DELIVERY_LIMIT} if kind == "quorum" else {}
        if self.binding is None:
            return {"x-queue-type": kind, **limit}
        dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": DEAD.name}
        return {"x-queue-type": kind, **limit, **dead}


DEAD = Queue("lark.events.dead")
CARDS = Queue("lark.card_callbacks", "card.#")
EVENTS = Queue("lark.events.inbox", "event.#")


def card_key(app_id: str) -> str:
    """The routing key of an app's clicks."""
    return f"card.{app_id}"


def event_key(app_id: str | None) -> str:
    """The routing key of an app's events."""
    return f"event.{app_id or 'unknown'}"


def declarations(kind: QueueType) -> list[tuple[str, dict[str, Any]]]:
    """The methods of a channel that make everything, in order, with their arguments.

    Args:
        kind: What the queues are.
    """
    steps: list[tuple[str, dict[str, Any]]] = [
        ("exchange_declare", {"exchange": EXCHANGE, "exchange_type": "topic", "durable": True})
    ]
    for queue in (DEAD, CARDS, EVENTS):
        made = {"queue": queue.name, "durable": True, "arguments": queue.arguments(kind)}
        steps.append(("queue_declare", made))
        if queue.binding is not None:
            bound = {"queue": queue.name, "exchange": EXCHANGE, "routing_key": queue.binding}
            steps.append(("queue_bind", bound))
    return steps
