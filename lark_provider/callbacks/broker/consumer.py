"""Handle events in a process of your own: a Django command, a script.

```python
from lark_provider.callbacks.broker.consumer import consume


def handle(event):
    if event.type == "im.message.receive_v1":
        print(event.event["message"]["content"])


consume(handle)  # until SIGTERM or Ctrl-C
```

An event is acknowledged when the handler has returned: it is handled at least once. A duplicate is recognized
by its id, in the database if one is configured, else among the last ones of this process. It is handled twice
where a process ends between the handler's return and the record of it.
"""

from __future__ import annotations

import heapq
import inspect
import itertools
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

from lark_provider.callbacks.broker import amqp
from lark_provider.callbacks.broker.checks import WorkCheck
from lark_provider.callbacks.broker.dedup import HandledEvents
from lark_provider.callbacks.broker.receiver import EventReceiver, Received
from lark_provider.callbacks.probes.probes import HOST, Probes
from lark_provider.protocol.callbacks import Event, make_log_fields
from lark_provider.protocol.callbacks.storable import is_id
from lark_provider.protocol.errors import ConfigurationError, LarkError
from lark_provider.protocol.redact import redact
from lark_provider.storage.work import DatabaseWork
from lark_provider.support import measured, threads
from lark_provider.support.backoff import Backoff
from lark_provider.support.termination import on_termination
from lark_provider.support.throttle import Throttle
from lark_provider.utils.logger import show_by_default

T = TypeVar("T")
logger = logging.getLogger(__name__)

TRIES, PAUSE = 5, 1.0
_FIRST_PAUSE, _LAST_PAUSE = 0.5, 10.0
_LEAVE_SECONDS = 2.0
_CHECK_SECONDS = 5.0


def consume(
    handler: Callable[[Event], object],
    *,
    broker: amqp.Broker | str | None = None,
    database_url: str | None = None,
    consumer: str = "default",
    tries: int = TRIES,
    pause: float = PAUSE,
    stop: threading.Event | None = None,
    probe_port: int | None = None,
    probe_host: str = HOST,
) -> None:
    """Hand each event to a function, in this thread, until stopped.

    Any number of processes may do so; they share the events. Their order is not kept. A handler that raises
    is called again after a pause, and others go on meanwhile; when its tries are used up, the event goes to
    the queue `lark.events.dead` with the reason. The broker and the database may come and go. A database that
    waiting does not make usable, since it is behind on migrations or refuses permission, ends it.

    Args:
        handler: Takes an event. It may run for any time, and what it returns is ignored.
        broker: The broker of the events: a URL, else `RABBITMQ_URL` or `RABBITMQ_*`.
        database_url: Where handled events are noted; else `LARK_DATABASE_URL` or `POSTGRES_*`, else nowhere.
        consumer: Under which name they are noted there.
        tries: How often the handler is called with an event at most.
        pause: Seconds until the second try; each further pause is twice as long.
        stop: Ends it when set, and so does SIGTERM or SIGINT in the main thread; a running handler may
            finish. A second signal ends the process at once.
        probe_port: Where `/healthz` and `/readyz` are answered; 0 takes a free port, None answers none.
        probe_host: At which address; loopback, unless others may see it.

    Raises:
        ConfigurationError: A setting is missing or invalid, or the handler returned a coroutine. What was not
            acknowledged is redelivered.
        StorageError: The database cannot be used, and waiting does not change that. What was not acknowledged
            is redelivered.
    """
    if inspect.iscoroutinefunction(handler) or not callable(handler):
        raise ConfigurationError(
            f"The handler must be a plain function, got {handler!r}. Next: define it with def, not async def."
        )
    if not is_id(consumer):
        raise ConfigurationError(
            f"consumer must be a short text without control characters, got {consumer!r}. Next: pass a short "
            "name."
        )
    where = broker if isinstance(broker, amqp.Broker) else amqp.read_broker(broker)
    if not logger.hasHandlers():  # a service of its own, whose program has not configured logging
        show_by_default()
    probes = None if probe_port is None else Probes(probe_host, probe_port)
    if probes is not None:
        logger.info("Probes started", extra={"url": probes.url})
    handled = HandledEvents(consumer, database_url)
    work = _Work(handler, handled, tries, pause, stop)

    def end() -> None:
        if probes is not None:
            probes.is_draining = True
        work.end()

    if stop is not None:
        threads.start(stop.wait).add_done_callback(lambda _: end())
    with on_termination(end), suppress(_ShutdownRequestedError):
        # Begun before the database is waited for: its thread answers the probes.
        receiver = EventReceiver(where, work.events.put, work.end, probes, _make_checks(handled))
        try:
            work.check()
            work.run()
        finally:
            receiver.stop()


def _make_checks(handled: HandledEvents) -> list[WorkCheck]:
    """Return what the probes check in addition to the broker: the database, if there is one."""
    if not handled.may_block:
        return []
    work = DatabaseWork(_CHECK_SECONDS)
    return [WorkCheck("database", lambda: work.run(handled.check))]


def _check_is_done(returned: object) -> None:
    """Refuse a coroutine, which would never run, while its event would count as handled.

    Raises:
        ConfigurationError: The handler is asynchronous, although it is not a coroutine function.
    """
    if inspect.iscoroutine(returned):
        returned.close()  # Without this, Python warns that it was not awaited.
        raise ConfigurationError(
            "The handler must be a plain function, got one that returned a coroutine, which was not run. "
            "Next: call asyncio.run in it."
        )


class _ShutdownRequestedError(Exception):
    """The consumer was asked to stop."""


class _Work:
    """Handles events, one after the other.

    Args:
        handler: Called with each event.
        handled: The record of the events that this consumer has handled.
        tries: How many times at most the handler is called with one event.
        pause: Seconds until the second try.
        stop: Set when no further handler may begin, even before the thread that waits for it calls `end`.
    """

    def __init__(
        self,
        handler: Callable[[Event], object],
        handled: HandledEvents,
        tries: int,
        pause: float,
        stop: threading.Event | None = None,
    ) -> None:
        self._handler, self._handled, self._tries, self._pause = handler, handled, tries, pause
        self._stop = stop
        # Simple queues, since they may be put to in a signal handler, where an Event's lock may be held.
        self.events: SimpleQueue[Received | None] = SimpleQueue()
        self._ended: SimpleQueue[None] = SimpleQueue()
        self._woken: SimpleQueue[None] = SimpleQueue()
        self._later: list[tuple[float, int, Received]] = []
        self._count = itertools.count()
        self._dead_lettering: set[Future[None]] = set()
        self._failures, self._throttle = 0, Throttle()

    def end(self) -> None:
        """End soon. From any thread, or a signal handler."""
        self._ended.put(None)
        self._woken.put(None)
        self.events.put(None)

    def check(self) -> None:
        """Wait until the database is available.

        Raises:
            StorageError: Waiting does not make it usable.
            _ShutdownRequestedError: The consumer was asked to stop.
        """
        self._until_available(self._handled.check)

    def run(self) -> None:
        """Handle events until `end`."""
        with suppress(_ShutdownRequestedError):
            while not self._is_ending():
                received = self._take_next()
                if received is not None and received.is_ours:
                    self._process(received)
        wait(list(self._dead_lettering), timeout=_LEAVE_SECONDS)

    def _is_ending(self) -> bool:
        return not self._ended.empty() or (self._stop is not None and self._stop.is_set())

    def _take_next(self) -> Received | None:
        left = max(0.0, self._later[0][0] - time.monotonic()) if self._later else None
        if left == 0:
            return heapq.heappop(self._later)[2]
        with suppress(Empty):
            return self.events.get(timeout=left)
        return None

    def _process(self, received: Received) -> None:
        app = received.event.app_id or measured.UNKNOWN
        is_handled = self._until_available(lambda: self._handled.is_handled(received.key))
        if not received.is_ours:  # The connection was lost while the database was waited for.
            return
        if is_handled:
            measured.EVENTS.add(app, "duplicate")
            measured.DUPLICATES.add("consumer")
        else:
            if self._is_ending():
                raise _ShutdownRequestedError
            began = time.monotonic()
            try:
                returned = self._handler(received.event)
            except Exception as error:  # noqa: BLE001 - the other events continue
                measured.EVENTS.add(app, "failed")
                measured.HANDLER_FAILURES.add("event", "exception")
                self._retry_or_dead_letter(received, error)
                return
            finally:
                measured.EVENT_SECONDS.observe(time.monotonic() - began)
            _check_is_done(returned)
            measured.EVENTS.add(app, "handled")
            self._until_available(lambda: self._handled.note_handled(received.key))
        received.acknowledge()

    def _retry_or_dead_letter(self, received: Received, error: Exception) -> None:
        received.failures += 1
        if received.failures >= self._tries:
            reason = redact(f"{type(error).__name__}: {error}")
            dead_lettering = received.dead_letter(f"The handler has failed {self._tries} times. {reason}")
            self._dead_lettering.add(dead_lettering)
            dead_lettering.add_done_callback(self._dead_lettering.discard)
            return
        pause = self._pause * 2 ** (received.failures - 1)
        fields = {**make_log_fields(received.event), "retry_in_s": round(pause, 3)}
        self._throttle.log(
            logger.warning,
            "Handler failed; retrying",
            extra=fields,
            exc_info=error,
            kind=type(error).__name__,
        )
        heapq.heappush(self._later, (time.monotonic() + pause, next(self._count), received))

    def _until_available(self, ask: Callable[[], T]) -> T:
        """Repeat a query until the database is available.

        Raises:
            StorageError: Waiting does not make it usable.
            _ShutdownRequestedError: The consumer was asked to stop.
        """
        pauses, was_refused = Backoff(_FIRST_PAUSE, _LAST_PAUSE), False
        while True:
            try:
                answer = self._answer(ask)
            except ConfigurationError:
                raise
            except LarkError as error:
                # Asked twice: an error of a connection that is being closed may look permanent as well.
                if was_refused and not error.retryable:
                    raise
                was_refused = not error.retryable
                self._warn(error)
            else:
                if self._failures:
                    logger.info(
                        "Database available again; handling events", extra={"failures": self._failures}
                    )
                    self._failures = 0
                return answer
            with suppress(Empty):
                self._ended.get(timeout=pauses.draw_pause())
                raise _ShutdownRequestedError

    def _answer(self, ask: Callable[[], T]) -> T:
        """Run a query in a thread, so that a frozen database does not delay the shutdown.

        Raises:
            _ShutdownRequestedError: The consumer was asked to stop, and the query has not ended soon after.
        """
        if not self._handled.may_block:
            return ask()
        future = threads.start(ask)
        future.add_done_callback(lambda _: self._woken.put(None))
        self._woken.get()
        if not future.done():
            wait([future], timeout=_LEAVE_SECONDS)  # An event that was handled is still noted, if possible.
            if not future.done():
                raise _ShutdownRequestedError
        return future.result()

    def _warn(self, error: LarkError) -> None:
        self._failures += 1
        self._throttle.log(
            logger.warning, "Database unavailable; holding events", extra={"error": str(error)}
        )
