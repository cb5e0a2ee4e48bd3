"""Copies of events for one process: a queue of its own, which RabbitMQ deletes with its connection.

Events that arrive while the process is not connected are lost. So a copy is only a hint to check the source.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any

import orjson
from pika.channel import Channel
from pika.spec import Basic, BasicProperties

from lark_provider.callbacks.broker.amqp import Broker
from lark_provider.callbacks.broker.dedup import compute_dedup_key
from lark_provider.callbacks.broker.link import keep_connected
from lark_provider.callbacks.broker.topology import EVENTS, EXCHANGE
from lark_provider.protocol.callbacks import CallbackRefusedError, Event, read
from lark_provider.support import threads

logger = logging.getLogger(__name__)

_QUEUES = "lark.broadcast."
_MAX_WAITING = 10_000
_MAX_KNOWN = 10_000


class Broadcast:
    """Call back for events that name something, as long as a caller listens.

    One thread and one connection serve all listeners; they end with the last one.

    Args:
        broker: The broker.
        name_of: What an event names, such as an approval instance; None if it concerns no listener.
    """

    def __init__(self, broker: Broker, name_of: Callable[[Event], Hashable | None]) -> None:
        self._broker, self._name_of = broker, name_of
        self._lock = threading.Lock()
        self._listeners: dict[Hashable, list[Callable[[], None]]] = {}
        self._known: OrderedDict[str, None] = OrderedDict()
        self._task: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] | None = None
        self.is_connected = False
        """Whether events that come now are copied here."""

    def listen(self, name: Hashable, wake: Callable[[], None]) -> Callable[[], None]:
        """Begin to listen; return at once, connected or not.

        Args:
            name: What events have to name.
            wake: Called for each of them, in the connection's thread; it must not block.

        Returns:
            Ends listening.
        """
        with self._lock:
            self._listeners.setdefault(name, []).append(wake)
            if self._task is None:
                begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = Future()
                self._task = begun
                threads.start(lambda: asyncio.run(self._run(begun)))
        return partial(self._leave, name, wake)

    def _leave(self, name: Hashable, wake: Callable[[], None]) -> None:
        with self._lock:
            waiting = self._listeners.get(name, [])
            if wake in waiting:
                waiting.remove(wake)
            if not waiting:
                self._listeners.pop(name, None)
            if self._listeners or self._task is None:
                return
            ending, self._task = self._task, None
        ending.add_done_callback(_cancel)

    async def _run(self, begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]]) -> None:
        loop = asyncio.get_running_loop()
        receiving = loop.create_task(keep_connected(self._broker, self._receive, role="broadcast"))
        begun.set_result((loop, receiving))
        with suppress(asyncio.CancelledError):
            await receiving

    async def _receive(self, channel: Channel) -> None:
        loop = asyncio.get_running_loop()
        # A name from RabbitMQ would begin with `amq.gen`, for which the documented rights do not suffice.
        queue = f"{_QUEUES}{secrets.token_hex(16)}"
        declared: asyncio.Future[Any] = loop.create_future()
        channel.queue_declare(
            queue,
            exclusive=True,
            auto_delete=True,
            # Hints that wait are worth less than the newest ones.
            arguments={"x-max-length": _MAX_WAITING},
            callback=declared.set_result,
        )
        await declared
        bound: asyncio.Future[Any] = loop.create_future()
        channel.queue_bind(queue, EXCHANGE, EVENTS.binding, callback=bound.set_result)
        await bound
        channel.basic_consume(queue, self._on_message, auto_ack=True)
        self.is_connected = True
        try:
            await loop.create_future()  # until the connection is lost, or the last listener has left
        finally:
            self.is_connected = False

    def _on_message(self, _: Channel, __: Basic.Deliver, ___: BasicProperties, body: bytes) -> None:
        try:
            content = orjson.loads(body)
            event = read(content) if isinstance(content, dict) else None
        except (orjson.JSONDecodeError, CallbackRefusedError) as error:
            # Its own queue's consumer dead-letters it.
            logger.debug("Unreadable event ignored", extra={"error": str(error)})
            return
        if not isinstance(event, Event):
            return
        name = self._name_of(event)
        if name is None or self._remember(compute_dedup_key(event)):
            return
        with self._lock:
            waking = list(self._listeners.get(name, ()))
        for wake in waking:
            wake()

    def _remember(self, key: str) -> bool:
        """Remember an event by the id that all its deliveries share, and return whether it came before."""
        if key in self._known:
            return True
        self._known[key] = None
        if len(self._known) > _MAX_KNOWN:
            self._known.popitem(last=False)
        return False


def _cancel(begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]]) -> None:
    loop, task = begun.result()
    with suppress(RuntimeError):  # it has ended meanwhile
        loop.call_soon_threadsafe(task.cancel)
