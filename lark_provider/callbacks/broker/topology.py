"""What is declared in RabbitMQ: one exchange, a queue for clicks, one for events, and a dead-letter queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

QueueType: TypeAlias = Literal["quorum", "classic"]
QUEUE_TYPES: tuple[QueueType, ...] = ("quorum", "classic")
EXCHANGE = "lark.events"
# RabbitMQ 4 drops a message of a quorum queue on its 21st failed delivery unless told otherwise; a database
# outage of a day, or a consumer that restarts again and again, must not lose a click.
DELIVERY_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue.

    Attributes:
        name: The queue's name in RabbitMQ.
        binding: The routing keys of its messages; None for the dead-letter queue.
    """

    name: str
    binding: str | None = None

    def make_arguments(self, kind: QueueType) -> dict[str, Any]:
        """Return the arguments to declare it with.

        Args:
            kind: `quorum` lives on several nodes of a cluster; `classic` on one.
        """
        limit = {"x-delivery-limit": DELIVERY_LIMIT} if kind == "quorum" else {}
        if self.binding is None:
            return {"x-queue-type": kind, **limit}
        dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": DEAD.name}
        return {"x-queue-type": kind, **limit, **dead}


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """How many messages each queue may hold before a publisher of ours adds no more; 0 for any number.

    They are kept by the publishers and not by arguments of the queues: arguments cannot be changed later, and
    a queue that one version declares with others than the next one shuts that one out.

    Attributes:
        clicks: Of clicks. More are rejected, and go into the database or are answered with an error.
        events: Of events. More are rejected, and Lark repeats them.
        dead_letters: Of dead letters. Where there are as many, events are rejected.
    """

    clicks: int = 1_000_000
    events: int = 100_000
    dead_letters: int = 100_000


PROBE_KEY = "probe"
"""A routing key that no queue of ours is bound with."""
DEAD = Queue("lark.events.dead")
REASON, DEAD_AT, QUEUE = "reason", "dead_lettered_at", "queue"
"""Headers of a dead letter: why, when (seconds since 1970), and from which queue."""
CARDS = Queue("lark.card_callbacks", "card.#")
EVENTS = Queue("lark.events.inbox", "event.#")


def make_card_key(app_id: str) -> str:
    """Return the routing key of an app's clicks."""
    return f"card.{app_id}"


def make_event_key(app_id: str | None) -> str:
    """Return the routing key of an app's events."""
    return f"event.{app_id or 'unknown'}"


def choose_queue(routing_key: str) -> Queue:
    """Return the queue of a click's or an event's routing key."""
    return CARDS if routing_key.startswith("card.") else EVENTS


def list_declarations(kind: QueueType) -> list[tuple[str, dict[str, Any]]]:
    """Return the methods of a channel that declare everything, in order, with their arguments.

    Args:
        kind: The type of the queues.
    """
    steps: list[tuple[str, dict[str, Any]]] = [
        ("exchange_declare", {"exchange": EXCHANGE, "exchange_type": "topic", "durable": True})
    ]
    for queue in (DEAD, CARDS, EVENTS):
        declared = {"queue": queue.name, "durable": True, "arguments": queue.make_arguments(kind)}
        steps.append(("queue_declare", declared))
        if queue.binding is not None:
            bound = {"queue": queue.name, "exchange": EXCHANGE, "routing_key": queue.binding}
            steps.append(("queue_bind", bound))
    return steps
