"""Limit the messages in each queue, so that those that no consumer reads cannot fill the broker."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping

from lark_provider.callbacks.broker.topology import CARDS, DEAD, EVENTS, Queue, QueueLimits
from lark_provider.protocol.callbacks import BrokerError
from lark_provider.support.throttle import Throttle

logger = logging.getLogger(__name__)

_NEXT = {
    CARDS: "start a pump (lark-provider callbacks pump), or raise RABBITMQ_MAX_CLICKS",
    EVENTS: "start a consumer, unsubscribe from what nothing consumes, or raise RABBITMQ_MAX_EVENTS",
    DEAD: "requeue or purge (lark-provider callbacks dead), or raise RABBITMQ_MAX_DEAD_LETTERS",
}


class QueueFullError(BrokerError):
    """A queue holds as many messages as it may: nothing was published."""

    retryable = False  # not within the seconds that a delivery has


class QueueDepths:
    """How many messages the queues hold: what RabbitMQ reported last, and what was published since.

    Several publishers do not know of each other's messages until the next report, and messages that a
    consumer holds are not reported: a limit may be exceeded by these. A report need not count what is not
    confirmed yet when it is requested.

    Args:
        limits: How many they may hold.
        where: Names the broker in errors.
    """

    def __init__(self, limits: QueueLimits, where: str) -> None:
        self._limits = {CARDS: limits.clicks, EVENTS: limits.events, DEAD: limits.dead_letters}
        self._where = where
        self._held: Counter[str] = Counter()
        self._unconfirmed: Counter[str] = Counter()
        self._uncertain: Counter[str] = Counter()
        self._throttle = Throttle()

    def begin_report(self) -> None:
        """Note that a report is about to be requested."""
        self._uncertain = Counter(self._unconfirmed)

    def report(self, waiting: Mapping[str, int]) -> None:
        """Take what RabbitMQ reports.

        Args:
            waiting: How many messages wait in each queue, by its name.
        """
        for name, count in waiting.items():
            self._held[name] = max(count, min(self._held[name], count + self._uncertain[name]))

    def take(self, queue: Queue) -> None:
        """Count a message that is about to be published.

        Raises:
            QueueFullError: It may not be published.
        """
        self.check(queue)
        for counter in (self._held, self._unconfirmed, self._uncertain):
            counter[queue.name] += 1

    def settle(self, queue: Queue) -> None:
        """Note that a message that was counted is confirmed, or failed."""
        self._unconfirmed[queue.name] -= 1

    def check(self, queue: Queue) -> None:
        """Check that a queue may take one more message.

        Args:
            queue: The queue. For events the dead-letter queue is checked too: many of them end there.

        Raises:
            QueueFullError: It is full.
        """
        for affected in (EVENTS, DEAD) if queue == EVENTS else (queue,):
            most, held = self._limits[affected], self._held[affected.name]
            if most and held >= most:
                self._warn(affected, held, most)
                raise QueueFullError(
                    f"{self._where}: queue {affected.name!r} is full: {held} messages, the limit is {most}. "
                    f"Next: {_NEXT[affected]}."
                )

    def _warn(self, queue: Queue, held: int, limit: int) -> None:
        fields = {"queue": queue.name, "messages": held, "limit": limit}
        self._throttle.log(logger.warning, "Queue full; rejecting deliveries", extra=fields, kind=queue.name)
