"""Publish from the gateway's own event loop, confirmed: what was published stands in a queue, on disk."""

from __future__ import annotations

import asyncio

from pika.channel import Channel
from pika.exceptions import AMQPError

from lark_provider.callbacks.amqp import Broker, failure
from lark_provider.callbacks.confirms import Confirms
from lark_provider.callbacks.link import keep_connected
from lark_provider.callbacks.topology import EXCHANGE
from lark_provider.protocol.callbacks import BrokerError


class Publisher:
    """A connection to RabbitMQ that is kept up while `run` runs.

    Args:
        broker: Where.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._confirms: Confirms | None = None
        self._is_blocked = False

    @property
    def is_up(self) -> bool:
        """Whether a message would be confirmed soon, as far as is known without asking."""
        return self._confirms is not None and not self._is_blocked and not self._confirms.are_stalled

    async def run(self) -> None:
        """Connect, and connect again whenever the connection is lost, until cancelled."""
        await keep_connected(self._broker, self._hold)

    async def publish(self, routing_key: str, event_id: str, body: bytes) -> None:
        """Publish a message, and wait until the broker has confirmed that it stands in a queue.

        Args:
            routing_key: See `topology`.
            event_id: Names what happened.
            body: JSON.

        Raises:
            BrokerError: There is no connection, it was lost, or no queue takes the message.
        """
        if self._confirms is None:
            raise BrokerError(f"{self._broker} is not connected. Next: see the log for the reason.")
        try:
            await self._confirms.publish(EXCHANGE, routing_key, body, event_id)
        except AMQPError as error:  # the connection is being lost
            raise failure(self._broker, error) from error

    async def _hold(self, channel: Channel) -> None:
        self._is_blocked = False
        # A broker short of memory or disk reads no further from who publishes, and says so.
        channel.connection.add_on_connection_blocked_callback(lambda *_: self._blocked(is_blocked=True))
        channel.connection.add_on_connection_unblocked_callback(lambda *_: self._blocked(is_blocked=False))
        confirms = self._confirms = Confirms(channel, str(self._broker))
        try:
            await asyncio.get_running_loop().create_future()  # until the connection is lost
        finally:
            self._confirms = None
            confirms.end()

    def _blocked(self, *, is_blocked: bool) -> None:
        self._is_blocked = is_blocked
