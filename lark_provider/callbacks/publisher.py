"""Publish from the gateway's own event loop, confirmed: what was published stands in a queue, on disk.

pika's blocking connection would do it in a thread, but a broker that is frozen holds such a thread for half
a minute. Here the caller's deadline is all that waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from functools import partial
from typing import Any

from pika.adapters.asyncio_connection import AsyncioConnection
from pika.channel import Channel
from pika.spec import Basic, BasicProperties

from lark_provider.callbacks.amqp import Broker, BrokerError, declarations, failure, persistent
from lark_provider.callbacks.topology import EXCHANGE

logger = logging.getLogger(__name__)
_FIRST_PAUSE, _LAST_PAUSE, _OPEN_SECONDS = 0.25, 10.0, 10.0


class Publisher:
    """A connection to RabbitMQ that is kept up while `run` runs.

    Args:
        broker: Where.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._channel: Channel | None = None
        self._published = 0
        self._unconfirmed: dict[int, tuple[str, asyncio.Future[None]]] = {}
        self._returned: set[str] = set()

    @property
    def is_up(self) -> bool:
        """Whether a message could be published now."""
        return self._channel is not None

    async def run(self) -> None:
        """Connect, and connect again whenever the connection is lost, until cancelled."""
        pause = _FIRST_PAUSE
        while True:
            link = _Link(self._broker)
            try:
                async with asyncio.timeout(_OPEN_SECONDS):
                    channel = await link.open()
                self._begin(channel)
                pause = _FIRST_PAUSE
                logger.info("Connected to %s", self._broker)
                lost = await link.lost
            except TimeoutError as error:
                lost = failure(self._broker, error)
            except BrokerError as error:
                lost = error
            finally:
                self._end()
                link.close()
            logger.warning("No connection: %s", lost)
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
            pause = min(2 * pause, _LAST_PAUSE)

    async def publish(self, routing_key: str, event_id: str, body: bytes) -> None:
        """Publish a message, and wait until the broker has confirmed that it stands in a queue.

        Args:
            routing_key: See `topology`.
            event_id: Names what happened.
            body: JSON.

        Raises:
            BrokerError: There is no connection, it was lost, or no queue takes the message.
        """
        if self._channel is None:
            raise BrokerError(f"{self._broker} is not connected. Next: see the log for the reason.")
        self._channel.basic_publish(EXCHANGE, routing_key, body, persistent(event_id), mandatory=True)
        self._published += 1
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._unconfirmed[self._published] = (event_id, future)
        await future

    def _begin(self, channel: Channel) -> None:
        self._published = 0
        channel.add_on_return_callback(self._on_return)
        channel.confirm_delivery(self._on_confirm)
        self._channel = channel

    def _end(self) -> None:
        self._channel = None
        lost = BrokerError(
            f"{self._broker}: the connection was lost before it confirmed. Next: send it again."
        )
        for _, future in self._unconfirmed.values():
            if not future.done():
                future.set_exception(lost)
        self._unconfirmed.clear()
        self._returned.clear()

    def _on_return(
        self, _channel: Channel, _method: Basic.Return, properties: BasicProperties, _body: bytes
    ) -> None:
        # Comes before the same message's confirmation, which only says that the broker has dealt with it.
        self._returned.add(properties.message_id or "")

    def _on_confirm(self, frame: Any) -> None:
        method: Basic.Ack | Basic.Nack = frame.method
        tag = method.delivery_tag
        tags = [known for known in self._unconfirmed if known <= tag] if method.multiple else [tag]
        for known in tags:
            event_id, future = self._unconfirmed.pop(known, ("", None))
            if future is None or future.done():
                continue
            if isinstance(method, Basic.Ack) and event_id not in self._returned:
                future.set_result(None)
            else:
                self._returned.discard(event_id)
                future.set_exception(
                    BrokerError(
                        f"{self._broker} refused it, or has no queue for it. Next: look who unbound one."
                    )
                )


def _declared(method: Callable[..., object], arguments: dict[str, Any], done: Callable[[Any], None]) -> None:
    method(callback=done, **arguments)


class _Link:
    """One connection: its callbacks turned into what can be awaited."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[BrokerError] = loop.create_future()
        self._opened: asyncio.Future[Any] = loop.create_future()
        self._connection = AsyncioConnection(
            broker.parameters,
            on_open_callback=self._succeeded,
            on_open_error_callback=lambda _, error: self._failed(error),
            on_close_callback=lambda _, error: self._failed(error),
            custom_ioloop=loop,
        )

    async def open(self) -> Channel:
        """Open a channel with everything declared.

        Raises:
            BrokerError: The broker is away, or refuses us.
        """
        await self._step(None)
        channel: Channel = await self._step(lambda done: self._connection.channel(on_open_callback=done))
        channel.add_on_close_callback(lambda _, error: self._failed(error))
        for method, arguments in declarations(self._broker.queue_type):
            await self._step(partial(_declared, getattr(channel, method), arguments))
        return channel

    async def _step(self, begin: Any) -> Any:
        """Begin something and wait for its callback."""
        if begin is not None:
            self._opened = asyncio.get_running_loop().create_future()
            begin(self._succeeded)
        return await self._opened

    def _succeeded(self, result: Any) -> None:
        if not self._opened.done():
            self._opened.set_result(result)

    def _failed(self, error: BaseException) -> None:
        why = failure(self._broker, error)
        if not self._opened.done():
            self._opened.set_exception(why)
        if not self.lost.done():
            self.lost.set_result(why)

    def close(self) -> None:
        """Leave, whatever state it is in."""
        if self._opened.done() and not self._opened.cancelled():
            self._opened.exception()  # seen, so that asyncio does not complain
        with contextlib.suppress(Exception):
            if self._connection.is_open:
                self._connection.close()
