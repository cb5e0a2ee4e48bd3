"""Handle events in a process of your own: a Django command, a script.

```python
from lark_provider.callbacks.consumer import consume


def handle(event):
    if event.type == "im.message.receive_v1":
        print(event.event["message"]["content"])


consume(handle)  # until SIGTERM
```

An event is acknowledged when the handler has returned: it is handled at least once. One that comes again is
known by its id, in the database if one is configured, else among the last ones of this process. What remains
is a process that ends between the handler's return and the note of it.
"""

from __future__ import annotations

import heapq
import inspect
import itertools
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

from lark_provider.callbacks import amqp
from lark_provider.callbacks.handled import Handled
from lark_provider.callbacks.link import Pauses
from lark_provider.callbacks.receiver import Received, Receiver
from lark_provider.core import threads
from lark_provider.protocol.callbacks import Event
from lark_provider.protocol.callbacks.storable import is_id
from lark_provider.protocol.errors import ConfigurationError, LarkError
from lark_provider.protocol.redact import redact

T = TypeVar("T")
logger = logging.getLogger(__name__)

TRIES, PAUSE = 5, 1.0
_FIRST_PAUSE, _LAST_PAUSE = 0.5, 10.0
_LEAVE_SECONDS = 2.0


def consume(
    handler: Callable[[Event], object],
    *,
    broker: amqp.Broker | str | None = None,
    database_url: str | None = None,
    consumer: str = "default",
    tries: int = TRIES,
    pause: float = PAUSE,
    stop: threading.Event | None = None,
) -> None:
    """Hand each event to a function, in this thread, until told to stop.

    Any number of processes may do so; they share the events. Their order is not kept. A handler that raises
    is called again after a pause, and others go on meanwhile; when its tries are used up, the event goes to
    the queue `lark.events.dead` with the reason. The broker and the database may come and go.

    Args:
        handler: Takes an event. As long as it takes is fine; what it returns is of no interest.
        broker: Where the events are: a URL, else `RABBITMQ_URL` or `RABBITMQ_*`.
        database_url: Where handled events are noted; else `LARK_DATABASE_URL` or `POSTGRES_*`, else nowhere.
        consumer: Under which name they are noted there.
        tries: How often the handler is called with an event at most.
        pause: Seconds until the second try; each further pause is twice as long.
        stop: Ends it when set, and so does SIGTERM in the main thread; a running handler may finish.

    Raises:
        ConfigurationError: A setting is missing, or cannot be right.
    """
    if inspect.iscoroutinefunction(handler) or not callable(handler):
        raise ConfigurationError(f"The handler is {handler!r}. Next: pass a plain function.")
    if not is_id(consumer):
        raise ConfigurationError(f"consumer is {consumer!r}. Next: pass a short name.")
    where = broker if isinstance(broker, amqp.Broker) else amqp.broker(broker)
    work = _Work(handler, Handled(consumer, database_url), tries, pause)
    if stop is not None:
        threads.start(stop.wait).add_done_callback(lambda _: work.end())
    with _terminated(work.end):
        receiver = Receiver(where, work.events.put, work.end)
        try:
            work.run()
        finally:
            receiver.stop()


@contextmanager
def _terminated(end: Callable[[], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: end())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _EndedError(Exception):
    """It is time to end."""


class _Work:
    """What is done with events, one after the other.

    Args:
        handler: Takes them.
        handled: Which were.
        tries: How often the handler is called with one.
        pause: Seconds until the second try.
    """

    def __init__(
        self, handler: Callable[[Event], object], handled: Handled, tries: int, pause: float
    ) -> None:
        self._handler, self._handled, self._tries, self._pause = handler, handled, tries, pause
        # Simple queues, since they may be put to in a signal handler, where an Event's lock may be held.
        self.events: SimpleQueue[Received | None] = SimpleQueue()
        self._ended: SimpleQueue[None] = SimpleQueue()
        self._later: list[tuple[float, int, Received]] = []
        self._count = itertools.count()
        self._burials: set[Future[None]] = set()

    def end(self) -> None:
        """Come to an end soon. From any thread, or a signal handler."""
        self._ended.put(None)
        self.events.put(None)

    def run(self) -> None:
        """Handle events until told to end."""
        with suppress(_EndedError):
            while self._ended.empty():
                received = self._next()
                if received is not None and received.is_ours:
                    self._deal_with(received)
        wait(list(self._burials), timeout=_LEAVE_SECONDS)

    def _next(self) -> Received | None:
        left = max(0.0, self._later[0][0] - time.monotonic()) if self._later else None
        if left == 0:
            return heapq.heappop(self._later)[2]
        with suppress(Empty):
            return self.events.get(timeout=left)
        return None

    def _deal_with(self, received: Received) -> None:
        if not self._surely(lambda: self._handled.has(received.key)):
            try:
                self._handler(received.event)
            except Exception as error:  # noqa: BLE001 - whatever it is, others shall go on
                self._failed(received, error)
                return
            self._surely(lambda: self._handled.note(received.key))
        received.acknowledge()

    def _failed(self, received: Received, error: Exception) -> None:
        received.failures += 1
        if received.failures >= self._tries:
            reason = redact(f"{type(error).__name__}: {error}")
            burial = received.bury(f"The handler has failed {self._tries} times. {reason}")
            self._burials.add(burial)
            burial.add_done_callback(self._burials.discard)
            return
        pause = self._pause * 2 ** (received.failures - 1)
        logger.warning(
            "The handler failed with event %s, and is called again in %.1f s.",
            received.event.event_id,
            pause,
            exc_info=error,
        )
        heapq.heappush(self._later, (time.monotonic() + pause, next(self._count), received))

    def _surely(self, ask: Callable[[], T]) -> T:
        """Ask the database until it answers."""
        pauses, is_held = Pauses(_FIRST_PAUSE, _LAST_PAUSE), False
        while True:
            try:
                return ask()
            except ConfigurationError:
                raise
            except LarkError as error:
                if not is_held:
                    is_held = True
                    logger.warning("Events are held until the database is back: %s", error)
            with suppress(Empty):
                self._ended.get(timeout=pauses.next())
                raise _EndedError
