"""Where the gateway keeps what comes in: RabbitMQ, the database, or both. See `sinks`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import orjson

from lark_provider.callbacks import amqp
from lark_provider.callbacks.publisher import Publisher
from lark_provider.callbacks.sinks import Sink
from lark_provider.callbacks.topology import card_key, event_key
from lark_provider.callbacks.writer import Writer
from lark_provider.client import LarkServiceClient
from lark_provider.core import config, threads
from lark_provider.protocol.callbacks import CardClick, Delivery, Event
from lark_provider.protocol.errors import ConfigurationError

_TICKET = "app_ticket"


class BrokerSink:
    """Keeps clicks and events in RabbitMQ.

    Args:
        publisher: Runs as long as the gateway does.
        database_url: Where the tickets of store apps go: they are for clients, not for consumers.
    """

    name = "rabbitmq"

    def __init__(self, publisher: Publisher, database_url: str | None = None) -> None:
        self._publisher, self._database_url = publisher, database_url

    @property
    def is_up(self) -> bool:
        """Whether it is connected, and confirms."""
        return self._publisher.is_up

    async def store(self, delivery: Delivery) -> None:
        """Keep a click or an event.

        Args:
            delivery: The click or the event.

        Raises:
            LarkError: It is not kept, as far as is known.
        """
        if isinstance(delivery, CardClick):
            key = card_key(delivery.app_id)
        elif delivery.type == _TICKET:
            await _keep_ticket(delivery, self._database_url)
            return
        else:
            key = event_key(delivery.app_id)
        await self._publisher.publish(key, delivery.event_id, orjson.dumps(delivery.raw))


class InboxSink:
    """Keeps clicks in the database. Events have no table: without RabbitMQ, Lark keeps and repeats them.

    Args:
        writer: Writes into the inbox.
        database_url: As for `BrokerSink`.
    """

    name = "database"

    def __init__(self, writer: Writer, database_url: str | None = None) -> None:
        self._writer, self._database_url = writer, database_url

    @property
    def is_up(self) -> bool:
        """Whether it is not known to be away."""
        return self._writer.is_up

    async def store(self, delivery: Delivery) -> None:
        """Keep a click.

        Args:
            delivery: The click.

        Raises:
            ConfigurationError: It is an event.
            LarkError: It is not kept, as far as is known.
        """
        if isinstance(delivery, CardClick):
            await self._writer.write(delivery)
        elif delivery.type == _TICKET:
            await _keep_ticket(delivery, self._database_url)
        else:
            raise ConfigurationError("Events are kept in RabbitMQ alone. Next: set RABBITMQ_URL.")


async def _keep_ticket(event: Event, database_url: str | None) -> None:
    def keep() -> None:
        with LarkServiceClient(event.app_id, database_url=database_url) as client:
            client.store_app.keep_ticket(str(event.event.get(_TICKET) or ""))

    await asyncio.wrap_future(threads.start(keep))


def configured(
    broker_url: str | None = None, database_url: str | None = None
) -> tuple[list[Sink], list[Callable[[], Awaitable[None]]]]:
    """The sinks that are configured, RabbitMQ first, and what has to run beside the gateway for them.

    Args:
        broker_url: Else `RABBITMQ_URL` or `RABBITMQ_*`.
        database_url: Else `LARK_DATABASE_URL` or `POSTGRES_*`.

    Raises:
        ConfigurationError: A setting cannot be right.
    """
    sinks: list[Sink] = []
    background: list[Callable[[], Awaitable[None]]] = []
    if broker_url or amqp.is_configured():
        publisher = Publisher(amqp.broker(broker_url))
        sinks.append(BrokerSink(publisher, database_url))
        background.append(publisher.run)
    if config.has_database(database_url):
        from lark_provider.core.storage import inbox, urls  # noqa: PLC0415 - only who has a database pays

        sinks.append(InboxSink(Writer(inbox.Inbox(urls.database(database_url))), database_url))
    return sinks, background
