"""Publish from the gateway's own event loop, with confirms: what was published is in a queue, on disk."""

from __future__ import annotations

import asyncio

from pika.channel import Channel
from pika.exceptions import AMQPError

from lark_provider.callbacks.broker.amqp import Broker, make_broker_error
from lark_provider.callbacks.broker.confirms import Confirms, UnroutableError
from lark_provider.callbacks.broker.limits import QueueDepths
from lark_provider.callbacks.broker.link import declare, keep_connected
from lark_provider.callbacks.broker.topology import CARDS, EXCHANGE, PROBE_KEY, choose_queue
from lark_provider.protocol.callbacks import BrokerError
from lark_provider.support.futures import consume_exception

_REPORT_SECONDS = 5.0


class Publisher:
    """A connection to RabbitMQ that is re-established while `run` runs.

    Args:
        broker: The broker.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._confirms: Confirms | None = None
        self._depths = QueueDepths(broker.limits, str(broker))
        self._declaring: asyncio.Future[dict[str, int]] | None = None
        self._is_blocked = False
        self._first_attempt: asyncio.Event | None = None

    @property
    def is_up(self) -> bool:
        """Whether a message would be confirmed soon, as far as is known without asking."""
        return self._confirms is not None and not self._is_blocked and not self._confirms.are_stalled

    async def run(self) -> None:
        """Connect, and connect again whenever the connection is lost, until cancelled."""
        self._first_attempt = asyncio.Event()
        await keep_connected(self._broker, self._hold, self._first_attempt.set, role="publisher")

    async def publish(self, routing_key: str, event_id: str, body: bytes) -> None:
        """Publish a message, and wait until the broker has confirmed that it is in a queue.

        A queue that was deleted is declared again first.

        Args:
            routing_key: The routing key, from `topology.make_card_key` or `topology.make_event_key`.
            event_id: The event's id, which becomes the message id.
            body: The message's body, as JSON.

        Raises:
            QueueFullError: Its queue holds as many messages as it may.
            BrokerError: There is no connection, it was lost, or no queue takes the message.
        """
        confirms = self._require_connection()
        queue = choose_queue(routing_key)
        self._depths.take(queue)
        try:
            try:
                await confirms.publish(EXCHANGE, routing_key, body, event_id)
            except UnroutableError:
                await self._declare(confirms)
                await confirms.publish(EXCHANGE, routing_key, body, event_id)
        except AMQPError as error:  # the connection is being lost
            raise make_broker_error(self._broker, error) from error
        finally:
            self._depths.settle(queue)

    async def probe(self) -> None:
        """Prove that a click would be confirmed: declare all, and publish a message that no queue stores.

        So a queue that was deleted is there again. Does not return while the broker does not answer, nor
        before the first attempt to connect has ended.

        Raises:
            QueueFullError: The queue of clicks holds as many as it may.
            BrokerError: There is no connection, or it is being lost.
        """
        if self._first_attempt is not None:
            await self._first_attempt.wait()  # A process that starts is not one whose broker is unavailable.
        confirms = self._require_connection()
        try:
            await self._declare(confirms)
            self._depths.check(CARDS)
            await confirms.probe(EXCHANGE, PROBE_KEY)
        except AMQPError as error:  # the connection is being lost
            raise make_broker_error(self._broker, error) from error

    def _require_connection(self) -> Confirms:
        if self._confirms is None:
            raise BrokerError(f"Not connected to {self._broker}. Next: see the log for the reason.")
        return self._confirms

    async def _declare(self, confirms: Confirms) -> None:
        """Declare everything again, once for all that wait for it."""
        if self._declaring is None or self._declaring.done():
            self._depths.begin_report()
            self._declaring = asyncio.ensure_future(declare(confirms.channel, self._broker.queue_type))
            self._declaring.add_done_callback(consume_exception)
        declaring = self._declaring
        await asyncio.wait({declaring})
        if declaring.cancelled():
            raise BrokerError(f"The connection to {self._broker} was lost. Next: send it again.")
        self._depths.report(declaring.result())

    async def _hold(self, channel: Channel) -> None:
        self._is_blocked = False
        # A broker that is short of memory or disk stops reading from publishers, and notifies them.
        channel.connection.add_on_connection_blocked_callback(lambda *_: self._on_blocked(is_blocked=True))
        channel.connection.add_on_connection_unblocked_callback(lambda *_: self._on_blocked(is_blocked=False))
        confirms = self._confirms = Confirms(channel, str(self._broker))
        if self._first_attempt is not None:
            self._first_attempt.set()
        try:
            while True:  # until the connection is lost
                await self._declare(confirms)
                await asyncio.sleep(_REPORT_SECONDS)
        finally:
            self._confirms = None
            if self._declaring is not None:
                self._declaring.cancel()
            confirms.end()

    def _on_blocked(self, *, is_blocked: bool) -> None:
        self._is_blocked = is_blocked
