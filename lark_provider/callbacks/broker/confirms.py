"""Publish with confirms: each message is known to be in a queue, or not."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import takewhile
from typing import Any

from pika.channel import Channel
from pika.spec import Basic, BasicProperties

from lark_provider.callbacks.broker.amqp import make_persistent_properties
from lark_provider.callbacks.broker.link import Delivered
from lark_provider.callbacks.broker.topology import CARDS, DEAD, DEAD_AT, EVENTS, QUEUE, REASON
from lark_provider.protocol.callbacks import BrokerError, CallbackRefusedError
from lark_provider.support import measured
from lark_provider.support.text import escape_surrogates

logger = logging.getLogger(__name__)

_MAX_UNCONFIRMED = 5000  # a broker that is frozen must not fill our memory
_STALLED_SECONDS = 0.5
_MAX_REASON_LENGTH = 1000


class UnroutableError(BrokerError):
    """No queue takes a message: one was deleted, or unbound."""


class Confirms:
    """The messages that were published on a channel and are not confirmed yet.

    Args:
        channel: The channel; nothing else publishes on it.
        where: Names the broker in errors.
    """

    def __init__(self, channel: Channel, where: str) -> None:
        self.channel, self._where = channel, where
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
        expires: float | None = None,
    ) -> None:
        """Publish a message, and wait until the broker has confirmed that it is in a queue, on disk.

        Args:
            exchange: The exchange to publish to; empty for RabbitMQ's default exchange.
            routing_key: The routing key of the message.
            body: The message's body, as JSON.
            event_id: The event's id, which becomes the message id.
            headers: Headers to send with the message.
            expires: Seconds after which the message may be dropped from its queue; None for never.

        Raises:
            UnroutableError: No queue takes it.
            BrokerError: It is not in a queue, as far as is known.
        """
        await self._publish(
            exchange, routing_key, body, make_persistent_properties(event_id, headers, expires)
        )

    async def probe(self, exchange: str, routing_key: str) -> None:
        """Prove that the broker routes and confirms, with a message that no queue stores.

        It is returned as unroutable before it is confirmed. Where a queue that is not ours takes everything,
        the message expires at once.

        Args:
            exchange: The exchange to publish to.
            routing_key: A routing key that no queue of ours is bound with.

        Raises:
            BrokerError: A message would not be confirmed, as far as is known.
        """
        with suppress(UnroutableError):
            await self._publish(exchange, routing_key, b"{}", BasicProperties(expiration="0"))

    async def _publish(
        self, exchange: str, routing_key: str, body: bytes, properties: BasicProperties
    ) -> None:
        if len(self._unconfirmed) >= _MAX_UNCONFIRMED:
            raise BrokerError(
                f"{self._where} has not confirmed {len(self._unconfirmed)} messages. Next: check its load."
            )
        tag = self._published + 1
        properties.correlation_id = str(tag)  # comes back with what is returned
        self.channel.basic_publish(exchange, routing_key, body, properties, mandatory=True)
        self._published = tag
        if not self._unconfirmed:
            self._progress = self._loop.time()
        confirmed = self._unconfirmed[tag] = self._loop.create_future()
        await confirmed

    async def dead_letter(self, message: Delivered, reason: str, expires: float | None = None) -> None:
        """Dead-letter a message, with the reason, the time and its queue; the caller acknowledges it then.

        Args:
            message: The message, as the queue delivered it.
            reason: Why no consumer can use the message.
            expires: Seconds after which no operator needs it; None for never.

        Raises:
            BrokerError: The broker did not confirm it.
        """
        event_id = message.properties.message_id or ""
        # The error of a handler may quote half an emoji, which AMQP cannot carry.
        reason = escape_surrogates(reason)
        headers = {
            **(message.properties.headers or {}),
            REASON: reason[:_MAX_REASON_LENGTH],
            DEAD_AT: int(time.time()),
            QUEUE: message.queue,
        }
        await self.publish("", DEAD.name, message.body, event_id, headers, expires)
        fields = {"app_id": find_app(message), "event_id": event_id, "queue": DEAD.name, "reason": reason}
        logger.error("Message dead-lettered", extra=fields)
        measured.DEAD_LETTERS.add("click" if message.queue == CARDS.name else "event")

    def end(self) -> None:
        """Fail every pending publish: the channel is closed."""
        lost = (
            f"The connection to {self._where} was lost before it confirmed the message. Next: send it again."
        )
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
                reason = f"{self._where}: no queue is bound for the message"
                confirmed.set_exception(UnroutableError(f"{reason}. Next: find out which client unbound it."))
            elif isinstance(method, Basic.Nack):
                reason = f"{self._where} rejected the message"
                then = "see whether a policy limits its queue, and the broker's log"
                confirmed.set_exception(BrokerError(f"{reason}. Next: {then}."))
            else:
                confirmed.set_result(None)
        self._progress = self._loop.time()


def find_app(message: Delivered) -> str:
    """Return the app that the content names, or else the routing key; that of a requeued one is its queue.

    Args:
        message: The message; its content may be unreadable.

    Returns:
        The app's id; empty if nothing names it.
    """
    try:
        named = message.read().app_id
    except CallbackRefusedError:
        named = None
    kind, _, app_id = message.routing_key.partition(".")
    return named or (app_id if f"{kind}.#" in {CARDS.binding, EVENTS.binding} else "")
