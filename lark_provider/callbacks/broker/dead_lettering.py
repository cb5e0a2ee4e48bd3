"""Dead-letter messages; one that cannot be moved returns to the queue that it came from."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from pika.exceptions import AMQPError

from lark_provider.callbacks.broker.amqp import Broker
from lark_provider.callbacks.broker.confirms import Confirms, UnroutableError, find_app
from lark_provider.callbacks.broker.link import Delivered, declare
from lark_provider.protocol.callbacks import BrokerError
from lark_provider.support.throttle import Throttle

logger = logging.getLogger(__name__)

_CONFIRM_SECONDS = 5.0
_RETURN_SECONDS = 10.0
"""How long a message is held that could not be moved: returned at once, it would come back at once."""


class DeadLettering:
    """Dead-letters the messages of a channel, and acknowledges them.

    Args:
        confirms: Publishes on the channel by which the messages came.
        broker: The broker of the channel.
    """

    def __init__(self, confirms: Confirms, broker: Broker) -> None:
        self._confirms, self._broker = confirms, broker
        self._channel = confirms.channel
        self._held = set[int]()
        self._throttle = Throttle()

    @property
    def holds_any(self) -> bool:
        """Whether a message is neither acknowledged nor returned yet."""
        return bool(self._held)

    async def move(self, message: Delivered, reason: str, expires: float | None = None) -> bool:
        """Dead-letter a message and acknowledge it; where that fails, return it to its queue after a pause.

        A message that is confirmed only after the deadline is dead-lettered, and redelivered as well.

        Args:
            message: The message, which is not acknowledged yet.
            reason: Why no consumer can use it.
            expires: Seconds after which no operator needs it; None for never.

        Returns:
            Whether it is in the dead-letter queue.
        """
        self._held.add(message.tag)
        try:
            await self._publish(message, reason, expires)
        except (AMQPError, BrokerError) as error:
            fields = {
                "app_id": find_app(message),
                "event_id": message.properties.message_id or "",
                "queue": message.queue,
                "retry_in_s": _RETURN_SECONDS,
                "error": str(error),
            }
            self._throttle.log(
                logger.warning,
                "Failed to dead-letter a message; it will be redelivered",
                extra=fields,
                kind=message.queue,
            )
            asyncio.get_running_loop().call_later(_RETURN_SECONDS, self._return, message.tag)
            return False
        if self._release(message.tag):
            with suppress(AMQPError):
                self._channel.basic_ack(message.tag)
        return True

    def forget(self) -> None:
        """Forget what is held: every message of the channel was returned to its queue."""
        self._held.clear()

    async def _publish(self, message: Delivered, reason: str, expires: float | None) -> None:
        try:
            async with asyncio.timeout(_CONFIRM_SECONDS):
                try:
                    await self._confirms.dead_letter(message, reason, expires)
                except UnroutableError:  # The queue was deleted, and nothing else declares it meanwhile.
                    await declare(self._channel, self._broker.queue_type)
                    await self._confirms.dead_letter(message, reason, expires)
        except TimeoutError:
            raise BrokerError(
                f"{self._broker} has not confirmed the message within {_CONFIRM_SECONDS:g} s. Next: see "
                "whether it has an alarm for memory or disk, or a queue without a quorum."
            ) from None

    def _return(self, tag: int) -> None:
        if self._release(tag):
            with suppress(AMQPError):
                self._channel.basic_nack(tag, requeue=True)

    def _release(self, tag: int) -> bool:
        """Hold a message no longer; return whether its channel still waits for an answer to it."""
        is_held = tag in self._held
        self._held.discard(tag)
        return is_held and self._channel.is_open
