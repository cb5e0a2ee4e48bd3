"""Readiness checks of a service on RabbitMQ: its channel answers, and its other work is possible."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from pika.channel import Channel
from pika.exceptions import AMQPError

from lark_provider.callbacks.broker.amqp import Broker, make_broker_error
from lark_provider.callbacks.broker.link import declare
from lark_provider.protocol.callbacks import BrokerError


class ChannelCheck:
    """Whether the service's own channel answers; for `Readiness`.

    Args:
        broker: The broker.
    """

    name = "rabbitmq"

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._channel: Channel | None = None

    @property
    def is_up(self) -> bool:
        """Whether the service is connected."""
        return self._channel is not None

    @contextmanager
    def hold_channel(self, channel: Channel) -> Iterator[None]:
        """Prove this channel while the body runs, which is as long as the connection lasts."""
        self._channel = channel
        try:
            yield
        finally:
            self._channel = None

    async def probe(self) -> None:
        """Declare everything on the channel again, which changes nothing; return when that is answered.

        Raises:
            BrokerError: There is no connection, or it is being lost.
        """
        if self._channel is None:
            raise BrokerError(f"Not connected to {self._broker}. Next: see the log for the reason.")
        try:
            await declare(self._channel, self._broker.queue_type)
        except AMQPError as error:  # the connection is being lost
            raise make_broker_error(self._broker, error) from error


class WorkCheck:
    """Whether other work of a service is possible; for `Readiness`.

    Args:
        name: What it needs, such as `database`.
        probe: Proves it, or raises.
        is_up: Whether it is not known to be impossible.
    """

    def __init__(
        self, name: str, probe: Callable[[], Awaitable[None]], is_up: Callable[[], bool] = lambda: True
    ) -> None:
        self.name, self._probe, self._is_up = name, probe, is_up

    @property
    def is_up(self) -> bool:
        """Whether it is not known to be impossible."""
        return self._is_up()

    async def probe(self) -> None:
        """Prove it.

        Raises:
            Exception: It is impossible, as far as is known.
        """
        await self._probe()
