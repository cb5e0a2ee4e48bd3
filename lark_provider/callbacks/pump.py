"""From RabbitMQ into the database: take a batch, commit it, and only then acknowledge it.

A message is acknowledged when its click is in the database, or when it stands among the dead with the reason.
While the database is away the messages are held: nothing is given back to the broker to be delivered again.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Event as Stop
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
from pika import BasicProperties

from lark_provider.callbacks import amqp
from lark_provider.callbacks.topology import CARDS, DEAD
from lark_provider.core import threads
from lark_provider.protocol.callbacks import CallbackRefusedError, CardClick, read

if TYPE_CHECKING:
    from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection

    from lark_provider.core.storage.errors import StorageError
    from lark_provider.core.storage.inbox import Inbox

T = TypeVar("T")
logger = logging.getLogger(__name__)

BATCH = 500
_IDLE_SECONDS, _BATCH_SECONDS = 0.1, 0.2
_FIRST_PAUSE, _LAST_PAUSE = 0.5, 10.0


@dataclass(frozen=True, slots=True)
class _Message:
    """A message that was delivered: its number on the channel, its body, and the click in it."""

    tag: int
    body: bytes
    properties: BasicProperties
    click: CardClick


class Pump:
    """Takes clicks from the queue into the inbox; any number may run at once.

    Args:
        broker: Where the queue is.
        inbox: Where the clicks go.
    """

    def __init__(self, broker: amqp.Broker, inbox: Inbox) -> None:
        self._broker, self._inbox = broker, inbox

    def run(self, stop: Stop) -> None:
        """Pump until told to stop, through every loss of the broker or the database.

        Args:
            stop: Ends it, within a second or so.
        """
        pause = _FIRST_PAUSE
        while not stop.is_set():
            try:
                with amqp.channel(self._broker) as (connection, channel):
                    pause = _FIRST_PAUSE
                    self._pump(connection, channel, stop.is_set)
            except amqp.BrokerError as error:
                logger.warning("The pump has no broker: %s", error)
                stop.wait(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
                pause = min(2 * pause, _LAST_PAUSE)

    def once(self, *, most: int = BATCH, seconds: float = 2.0) -> int:
        """Pump what is there, as one who waits does: at most so many, for at most so long.

        Args:
            most: Messages.
            seconds: Time; a database that is away is not waited for longer.

        Returns:
            How many messages were dealt with.

        Raises:
            BrokerError: The broker is away, or refuses us.
        """
        ends = time.monotonic() + seconds
        with amqp.channel(self._broker) as (connection, channel):
            return self._pump(
                connection, channel, lambda: time.monotonic() >= ends, most=most, until_idle=True
            )

    def _pump(
        self,
        connection: BlockingConnection,
        channel: BlockingChannel,
        enough: Callable[[], bool],
        *,
        most: int | None = None,
        until_idle: bool = False,
    ) -> int:
        channel.confirm_delivery()
        channel.basic_qos(prefetch_count=min(BATCH, most or BATCH))
        batch: list[_Message] = []
        done, last_tag, began = 0, 0, 0.0
        for method, properties, body in channel.consume(CARDS.name, inactivity_timeout=_IDLE_SECONDS):
            idle = method is None
            if method is not None and body is not None and properties is not None:
                began = began if last_tag else time.monotonic()
                last_tag = method.delivery_tag or 0
                message = self._read(channel, last_tag, properties, body)
                if message is not None:
                    batch.append(message)
                done += 1
            full = len(batch) >= BATCH or (most is not None and done >= most)
            due = time.monotonic() - began >= _BATCH_SECONDS
            if last_tag and (idle or full or due or enough()):
                if not self._store(connection, channel, batch, enough):
                    break  # held for as long as it could be; the broker gives them to the next
                channel.basic_ack(last_tag, multiple=True)
                batch, last_tag = [], 0
            if enough() or (idle and until_idle) or (most is not None and done >= most):
                break
        channel.cancel()
        return done

    def _read(
        self, channel: BlockingChannel, tag: int, properties: BasicProperties, body: bytes
    ) -> _Message | None:
        """The click in a message; one that holds none goes to the dead."""
        try:
            click = read(orjson.loads(body))
        except (orjson.JSONDecodeError, CallbackRefusedError) as error:
            bury(channel, properties, body, f"It holds no click: {error}")
            return None
        if not isinstance(click, CardClick):
            bury(channel, properties, body, f"It holds an event of type {click.type}, and no click.")
            return None
        return _Message(tag, body, properties, click)

    def _store(
        self,
        connection: BlockingConnection,
        channel: BlockingChannel,
        batch: Sequence[_Message],
        enough: Callable[[], bool],
    ) -> bool:
        """Bring a batch into the database, however long that takes; False if told to stop before."""
        pause, warned = _FIRST_PAUSE, False
        while batch:
            error = self._tried(connection, [message.click for message in batch])
            if error is None:
                return True
            if error.unfit:
                # One of them cannot be stored by anybody: halves find it, and the others go on.
                if len(batch) == 1:
                    bury(channel, batch[0].properties, batch[0].body, str(error))
                    return True
                middle = len(batch) // 2
                parts = (batch[:middle], batch[middle:])
                return all(self._store(connection, channel, part, enough) for part in parts)
            if enough():
                return False
            if not warned:
                warned = True
                logger.warning("%d clicks are held until the database is back: %s", len(batch), error)
            connection.sleep(pause)  # heartbeats go on
            pause = min(2 * pause, _LAST_PAUSE)
        return True

    def _tried(self, connection: BlockingConnection, clicks: list[CardClick]) -> StorageError | None:
        from lark_provider.core.storage.errors import StorageError  # noqa: PLC0415 - only who pumps pays

        try:
            awaited(connection, threads.start(lambda: self._inbox.store(clicks)))
        except StorageError as error:
            return error
        return None


def awaited(connection: BlockingConnection, future: Future[T]) -> T:
    """Wait for a thread and keep the connection alive meanwhile, however long the thread takes."""
    future.add_done_callback(lambda _: connection.add_callback_threadsafe(lambda: None))  # wakes us
    while not future.done():
        connection.process_data_events(time_limit=0.5)
    return future.result()


def bury(channel: BlockingChannel, properties: BasicProperties, body: bytes, reason: str) -> None:
    """Put a message among the dead, with the reason, confirmed; the caller acknowledges it then."""
    logger.error("Message %s goes to %s: %s", properties.message_id, DEAD, reason)
    headers: dict[str, Any] = {**(properties.headers or {}), "reason": reason[:1000]}
    channel.basic_publish(
        "", DEAD, body, amqp.persistent(properties.message_id or "", headers), mandatory=True
    )
