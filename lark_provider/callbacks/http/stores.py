"""The sinks of the gateway, which store clicks and events: RabbitMQ, the database, or both. See `sinks`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

import orjson

from lark_provider import config
from lark_provider.callbacks.broker.topology import make_card_key, make_event_key
from lark_provider.callbacks.http.commands import CommandFilter
from lark_provider.callbacks.http.questions import QuestionLookup
from lark_provider.callbacks.http.sinks import Sink
from lark_provider.callbacks.http.writer import InboxWriter
from lark_provider.protocol.callbacks import BrokerError, CardClick, Delivery, Event
from lark_provider.protocol.errors import ConfigurationError, InvalidRequestError, TransportError
from lark_provider.support import threads

if TYPE_CHECKING:
    from lark_provider.callbacks.broker.publisher import Publisher

logger = logging.getLogger(__name__)

_TICKET = "app_ticket"
_CHECK_SECONDS = 10.0


class BrokerSink:
    """Stores clicks and events in RabbitMQ.

    A chat command is stored twice: in the queue of clicks, whose pump stores
    it for the bridge; and as the event that it is, so that no consumer of events misses it.

    Args:
        publisher: Runs as long as the gateway does.
        database_url: Stores the tickets of store apps: they are for clients, not for consumers.
        commands: Recognizes chat commands; by default there are none.
    """

    name = "rabbitmq"

    def __init__(
        self, publisher: Publisher, database_url: str | None = None, commands: CommandFilter | None = None
    ) -> None:
        self._publisher, self._database_url = publisher, database_url
        self._commands = commands or CommandFilter(None)

    @property
    def is_up(self) -> bool:
        """Whether it is connected, and confirms."""
        return self._publisher.is_up

    async def probe(self) -> None:
        """Prove that clicks would be confirmed; see `Publisher.probe`.

        Raises:
            LarkError: They would not, as far as is known.
        """
        await self._publisher.probe()

    async def store(self, delivery: Delivery) -> None:
        """Store a click or an event.

        Args:
            delivery: The click or the event.

        Raises:
            LarkError: It is not stored, as far as is known.
        """
        if isinstance(delivery, CardClick):
            key = make_card_key(delivery.app_id)
        elif delivery.type == _TICKET:
            await _store_ticket(delivery, self._database_url)
            return
        else:
            key = make_event_key(delivery.app_id)
            if self._commands.is_command(delivery):
                command = make_card_key(delivery.app_id or "unknown")
                await self._publisher.publish(command, delivery.event_id, orjson.dumps(delivery.raw))
        await self._publisher.publish(key, delivery.event_id, orjson.dumps(delivery.raw))


class InboxSink:
    """Stores clicks and chat commands in the database.

    Other events have no table: where they have consumers, Lark keeps and repeats them until RabbitMQ is back.

    Args:
        writer: Writes clicks and chat commands into the inbox.
        database_url: The URL of the database for the tickets of store apps, which clients need; None for the
            configured one.
        commands: Recognizes chat commands; by default there are none.
        has_consumers: Whether RabbitMQ is configured, so that events may have consumers.
    """

    name = "database"

    def __init__(
        self,
        writer: InboxWriter,
        database_url: str | None = None,
        commands: CommandFilter | None = None,
        *,
        has_consumers: bool = False,
    ) -> None:
        self._writer, self._database_url = writer, database_url
        self._commands, self._has_consumers = commands or CommandFilter(None), has_consumers

    @property
    def is_up(self) -> bool:
        """Whether it is not known to be unavailable."""
        return self._writer.is_up

    async def probe(self) -> None:
        """Prove that the database takes clicks; see `InboxWriter.probe`.

        Raises:
            LarkError: It does not, as far as is known.
        """
        await self._writer.probe()

    async def store(self, delivery: Delivery) -> None:
        """Store a click or a chat command.

        Args:
            delivery: The click or the event.

        Raises:
            ConfigurationError: It is an event that may have consumers. A command is stored all the same: it
                is done once, and Lark repeats it for the consumers.
            LarkError: It is not stored, as far as is known.
        """
        if isinstance(delivery, CardClick):
            await self._writer.write(delivery)
        elif delivery.type == _TICKET:
            await _store_ticket(delivery, self._database_url)
        elif self._commands.is_message(delivery) and not self._has_consumers:
            # Nothing can consume events here: what people say to the bot besides commands is left alone.
            if self._commands.is_command(delivery):
                await self._writer.write(delivery)
        else:
            if self._commands.is_command(delivery):
                await self._writer.write(delivery)
            if self._has_consumers:
                raise BrokerError(
                    "RabbitMQ must be available to take an event; the database takes clicks alone. Next: "
                    "start RabbitMQ; Lark repeats the event."
                )
            raise ConfigurationError(
                "Events need RabbitMQ, and only a database is configured. Next: set RABBITMQ_URL."
            )


async def _store_ticket(event: Event, database_url: str | None) -> None:
    from lark_provider.engine import tickets  # only store apps have tickets
    from lark_provider.engine.drivers.blocking import drive
    from lark_provider.engine.session import Session

    if not event.app_id:  # A session without an app is the default app's.
        raise InvalidRequestError(
            "The app_ticket event must name its app, got no app_id. Next: if Lark sent it, report it."
        )
    ticket = event.event.get(_TICKET)
    if not (isinstance(ticket, str) and ticket.strip()):
        raise InvalidRequestError(
            "app_ticket must be a non-empty string. Next: if Lark sent the event, report it."
        )
    session = Session(app_id=event.app_id, database_url=database_url)
    put = tickets.put(session, ticket.strip(), event.created_at.timestamp())
    is_shared = await asyncio.wrap_future(threads.start(partial(drive, put, session)))
    if not is_shared and config.has_database(database_url):
        raise TransportError(
            f"The database must take the app_ticket of {event.app_id!r}, since other processes need it, got "
            "no answer. Next: see whether the database is available; Lark repeats the event."
        )


def configured_sinks(
    broker_url: str | None = None, database_url: str | None = None
) -> tuple[list[Sink], list[Callable[[], Awaitable[None]]]]:
    """Return the sinks that are configured, RabbitMQ first, and the background tasks that they need.

    Args:
        broker_url: Else `RABBITMQ_URL` or `RABBITMQ_*`.
        database_url: Else `LARK_DATABASE_URL` or `POSTGRES_*`.

    Raises:
        ConfigurationError: A setting is invalid.
    """
    sinks: list[Sink] = []
    background: list[Callable[[], Awaitable[None]]] = []
    commands = CommandFilter.from_config()
    has_broker = config.has_broker(broker_url)
    if has_broker:
        from lark_provider.callbacks.broker import amqp  # pika takes 2 MB
        from lark_provider.callbacks.broker import publisher as publishing

        publisher = publishing.Publisher(amqp.read_broker(broker_url))
        sinks.append(BrokerSink(publisher, database_url, commands))
        background.append(publisher.run)
    if config.has_database(database_url):
        from lark_provider.storage import inbox, urls

        writer = InboxWriter(inbox.Inbox(urls.database(database_url)))
        sinks.append(InboxSink(writer, database_url, commands, has_consumers=has_broker))
    return sinks, background


def check_database() -> None:
    """Refuse to start on a database that waiting does not make usable: behind on migrations, no permission.

    One that is unavailable does not prevent the start, for it may come back: that is logged, and `/readyz`
    shows it. Without a database nothing is checked.

    Raises:
        ConfigurationError: A setting is invalid.
        StorageError: The database is available, and takes no clicks.
    """
    if not config.has_database():
        return
    from lark_provider.storage import inbox, urls
    from lark_provider.storage.errors import StorageError

    clicks = inbox.Inbox(urls.database())

    def check() -> None:
        clicks.read_database_id()
        clicks.check_writable()

    error: str
    try:
        threads.start(check).result(_CHECK_SECONDS)
    except StorageError as raised:
        if not raised.retryable:
            raise
        error = str(raised)
    except TimeoutError:
        error = f"no answer within {_CHECK_SECONDS:g} s"
    else:
        return
    logger.warning("Database unavailable; starting without it", extra={"error": error})


def make_question_lookup(database_url: str | None = None) -> QuestionLookup | None:
    """Return the look-up of questions that are over; None without a database.

    Args:
        database_url: Else `LARK_DATABASE_URL` or `POSTGRES_*`.

    Raises:
        ConfigurationError: A setting is invalid.
    """
    if not config.has_database(database_url):
        return None
    from lark_provider.storage import clicked_cards, urls, waits

    url = urls.database(database_url)
    return QuestionLookup(waits.Waits(url), partial(clicked_cards.find_question_cards, url))
