"""Publish, and know of each message whether it stands in a queue."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from itertools import takewhile
from typing import Any

from pika.channel import Channel
from pika.spec import Basic, BasicProperties

from lark_provider.callbacks.amqp import persistent
from lark_provider.callbacks.link import Delivered
from lark_provider.callbacks.topology import DEAD
from lark_provider.protocol.callbacks import BrokerError

logger = logging.getLogger(__name__)

_MOST_UNCONFIRMED = 5000  # a broker that is frozen must not fill our memory
_STALLED_SECONDS = 0.5
_LONGEST_REASON = 1000


class Confirms:
    """What was published on a channel, and is not confirmed yet.

    Args:
        channel: The channel; nobody else publishes on it.
        where: Names the broker in errors.
    """

    def __init__(self, channel: Channel, where: str) -> None:
        self._channel, self._where = channel, where
        self._loop = asyncio.get_running_loop()
        self._published = 0
        self._unconfirmed: dict[int, asyncio.Future[None]] = {}
        self._returned: set[int] = set()
        self._progress = 0.0
        channel.add_on_return_callback(self._on_return)
        channel.confirm_delivery(self._on_confirm)

    @property
    def are_stalled(self) -> bool:
        """Whether the broker has confirmed nothing for a while, though there was something to confirm."""
        return bool(self._unconfirmed) and self._loop.time() - self._progress > _STALLED_SECONDS

    async def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        event_id: str,
        headers: Mapping[str, Any] | None = None,
    ) -> None:
        """Publish a message, and wait until the broker has confirmed that it stands in a queue, on disk.

        Args:
            exchange: To which exchange.
            routing_key: Under which key.
            body: JSON.
            event_id: Names what happened.
            headers: Beside it.

        Raises:
            BrokerError: It does not stand in a queue, as far as is known.
        """
        if len(self._unconfirmed) >= _MOST_UNCONFIRMED:
            raise BrokerError(
                f"{self._where} leaves {len(self._unconfirmed)} messages unconfirmed. Next: look at its load."
            )
        properties = persistent(event_id, headers)
        tag = self._published + 1
        properties.correlation_id = str(tag)  # comes back with what is returned
        self._channel.basic_publish(exchange, routing_key, body, properties, mandatory=True)
        self._published = tag
        if not self._unconfirmed:
            self._progress = self._loop.time()
        confirmed = self._unconfirmed[tag] = self._loop.create_future()
        await confirmed

    async def bury(self, message: Delivered, reason: str) -> None:
        """Put a message among the dead, with the reason; the caller acknowledges it then.

        Args:
            message: Which message.
            reason: Why nobody can use it.

        Raises:
            BrokerError: It does not stand there, as far as is known.
        """
        event_id = message.properties.message_id or ""
        logger.error("Message %s goes to %s: %s", event_id, DEAD.name, reason)
        headers = {**(message.properties.headers or {}), "reason": reason[:_LONGEST_REASON]}
        await self.publish("", DEAD.name, message.body, event_id, headers)

    def end(self) -> None:
        """The channel is gone: whoever waits hears of it."""
        lost = f"{self._where}: the connection was lost before it confirmed. Next: send it again."
        for confirmed in self._unconfirmed.values():
            if not confirmed.done():
                confirmed.set_exception(BrokerError(lost))
        self._unconfirmed.clear()

    def _on_return(
        self, _channel: Channel, _method: Basic.Return, properties: BasicProperties, _body: bytes
    ) -> None:
        # Comes before the same message's confirmation, which only says that the broker has dealt with it.
        self._returned.add(int(properties.correlation_id or 0))

    def _on_confirm(self, frame: Any) -> None:
        method: Basic.Ack | Basic.Nack = frame.method
        last = method.delivery_tag or 0
        tags = list(takewhile(lambda tag: tag <= last, self._unconfirmed)) if method.multiple else [last]
        for tag in tags:
            confirmed = self._unconfirmed.pop(tag, None)
            is_returned = tag in self._returned
            self._returned.discard(tag)
            if confirmed is None or confirmed.done():
                continue
            if is_returned:
                reason = f"{self._where} has no queue for it. Next: look who unbound one."
                confirmed.set_exception(BrokerError(reason))
            elif isinstance(method, Basic.Nack):
                confirmed.set_exception(BrokerError(f"{self._where} refused it. Next: see the broker's log."))
            else:
                confirmed.set_result(None)
        self._progress = self._loop.time()
