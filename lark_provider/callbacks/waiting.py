"""Wait for clicks: asked once by a sensor, or for any number of waits by one thread of a triggerer.

Whoever waits also pumps, where a broker is configured, so that nothing else has to run.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from lark_provider.callbacks import amqp
from lark_provider.callbacks.pump import Pump
from lark_provider.core import threads
from lark_provider.core.storage import urls
from lark_provider.core.storage.errors import StorageError
from lark_provider.core.storage.inbox import Inbox
from lark_provider.protocol.callbacks import BrokerError, CardClick
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.protocol.waits import Wait

T = TypeVar("T")
Answer: TypeAlias = list[CardClick]
logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
ASK_SECONDS = 10.0
"""For how long a task waits for the database: one that is frozen would hold it for ever."""
_WARN_SECONDS = 60.0
_ELSEWHERE = (
    "The wait began on another database than the one configured here: its answer would never be seen. Next: "
    "give workers and triggerers the same [lark] database_url or database_conn_id."
)


def inbox(database_url: str | None = None) -> Inbox:
    """The inbox of the configured database.

    Args:
        database_url: Else `LARK_DATABASE_URL` or `POSTGRES_*`.

    Raises:
        ConfigurationError: No database is configured; clicks can be waited for only where they are stored.
    """
    return Inbox(urls.database(database_url))


def database_id(database_url: str | None = None) -> str:
    """The id of the configured database; see `Inbox.database_id`.

    Args:
        database_url: As for `inbox`.

    Raises:
        ConfigurationError: No database is configured.
        StorageError: It cannot be used, or does not answer in time.
    """
    return _in_time(inbox(database_url).database_id)


def _in_time(ask: Callable[[], T]) -> T:
    asking = threads.start(ask)
    try:
        return asking.result(ASK_SECONDS)
    except TimeoutError:
        raise StorageError(
            f"The database has not answered within {ASK_SECONDS:g} s. Next: check that it runs, and is not "
            "frozen or overloaded.",
            retryable=True,
        ) from None


def _broker(url: str | None) -> amqp.Broker | None:
    return amqp.broker(url) if url or amqp.is_configured() else None


def ask(wait: Wait, *, database_url: str | None = None, broker_url: str | None = None) -> Answer | None:
    """Look once whether a wait is answered, having pumped what is there.

    Args:
        wait: What is waited for.
        database_url: As for `inbox`.
        broker_url: Else `RABBITMQ_URL` or `RABBITMQ_*`, else nothing is pumped.

    Raises:
        ConfigurationError: No database is configured, or the broker's settings cannot be right.
        StorageError: The database cannot be used, or does not answer in time.
    """
    clicks, broker = inbox(database_url), _broker(broker_url)
    if broker is not None:
        try:
            Pump(broker, clicks).once()
        except BrokerError as error:
            # What was pumped by others counts all the same.
            logger.warning("Only what is stored already is looked at: %s", error)
    return _in_time(lambda: clicks.answers([wait])).get(wait.key)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A wait, the id of the database where it began if that is known, and who waits."""

    wait: Wait
    database_id: str | None
    futures: list[Future[Answer]]


class Hub:
    """All waits of a process on one database: one query a second for all, one connection to the broker.

    Its threads live for as long as somebody waits.

    Args:
        database_url: As for `inbox`.
        broker_url: As for `ask`.

    Raises:
        ConfigurationError: As for `ask`.
    """

    def __init__(self, database_url: str | None = None, broker_url: str | None = None) -> None:
        self._inbox, self._broker = inbox(database_url), _broker(broker_url)
        self._lock = threading.Lock()
        self._asked: dict[tuple[str, str | None], _Asked] = {}
        self._stop: threading.Event | None = None
        self._database_id: str | None = None

    def wait(self, wait: Wait, database_id: str | None = None) -> Future[Answer]:
        """Wait for an answer. Returns at once; the database and the broker may come and go meanwhile.

        Args:
            wait: What is waited for.
            database_id: What `Inbox.database_id` said where the wait began, if it could be asked.

        Returns:
            A future with the clicks, or with ConfigurationError if this is another database; cancel it to
            wait no more.
        """
        future: Future[Answer] = Future()
        with self._lock:
            asked = self._asked.setdefault((wait.key, database_id), _Asked(wait, database_id, []))
            asked.futures.append(future)
            if self._stop is None:
                self._stop = threading.Event()
                self._begin(self._stop)
        return future

    def _begin(self, stop: threading.Event) -> None:
        threading.Thread(target=self._look_on, args=(stop,), name="lark-waits", daemon=True).start()
        if self._broker is not None:
            pump = Pump(self._broker, self._inbox)
            threading.Thread(target=pump.run, args=(stop,), name="lark-pump", daemon=True).start()

    def _look_on(self, stop: threading.Event) -> None:
        warned_at = float("-inf")
        while (asked := self._alive(stop)) is not None:
            try:
                self._look(asked)
            except StorageError as error:
                self._database_id = None  # another one may come back
                if time.monotonic() - warned_at >= _WARN_SECONDS:
                    warned_at = time.monotonic()
                    logger.warning("%d waits go on without the database: %s", len(asked), error)
            except Exception as error:  # noqa: BLE001 - nobody else would hear of it, and they would wait for ever
                self._end(asked, error)
                continue
            stop.wait(LOOK_SECONDS)

    def _alive(self, stop: threading.Event) -> Sequence[_Asked] | None:
        """What somebody still waits for; None, and everything ends, if there is nothing."""
        with self._lock:
            for key, asked in list(self._asked.items()):
                asked.futures[:] = [future for future in asked.futures if not future.cancelled()]
                if not asked.futures:
                    del self._asked[key]
            if not self._asked:
                stop.set()
                self._stop = None
                return None
            return list(self._asked.values())

    def _look(self, asked: Sequence[_Asked]) -> None:
        if any(one.database_id not in {None, self._database_id} for one in asked):
            self._database_id = self._inbox.database_id()
        here = {None, self._database_id}
        self._end([one for one in asked if one.database_id not in here], ConfigurationError(_ELSEWHERE))
        asked = [one for one in asked if one.database_id in here]
        answers = self._inbox.answers([one.wait for one in asked])
        for one in asked:
            if (answer := answers.get(one.wait.key)) is not None:
                self._end([one], answer)

    def _end(self, asked: Sequence[_Asked], result: Answer | Exception) -> None:
        for one in asked:
            with self._lock:
                self._asked.pop((one.wait.key, one.database_id), None)
            for future in one.futures:  # nobody joins them any more
                if not future.set_running_or_notify_cancel():
                    continue
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(result)


_hubs: dict[tuple[str | None, str | None], Hub] = {}
_hubs_lock = threading.Lock()


def _after_fork() -> None:
    global _hubs_lock  # noqa: PLW0603 - it replaces itself
    _hubs_lock = threading.Lock()
    _hubs.clear()  # their threads stayed with the parent


os.register_at_fork(after_in_child=_after_fork)


def hub(database_url: str | None = None, broker_url: str | None = None) -> Hub:
    """The process's hub for a database and a broker.

    Args:
        database_url: As for `inbox`.
        broker_url: As for `ask`.

    Raises:
        ConfigurationError: As for `ask`.
    """
    with _hubs_lock:
        found = _hubs.get((database_url, broker_url))
        if found is None:
            found = _hubs[database_url, broker_url] = Hub(database_url, broker_url)
        return found
