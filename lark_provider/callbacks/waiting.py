"""Wait for clicks: asked once by a sensor, or for any number of waits by one thread of a triggerer.

Whoever waits also pumps, where a broker is configured, so that nothing else has to run.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

from lark_provider.callbacks import amqp
from lark_provider.callbacks.pump import Pump
from lark_provider.core.storage import urls
from lark_provider.core.storage.errors import StorageError
from lark_provider.core.storage.inbox import Inbox
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.protocol.waits import Wait

if TYPE_CHECKING:
    from lark_provider.protocol.callbacks import CardClick

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
_WARN_SECONDS = 60.0


def inbox(database_url: str | None = None) -> Inbox:
    """The inbox of the configured database.

    Args:
        database_url: Else `LARK_DATABASE_URL` or `POSTGRES_*`.

    Raises:
        ConfigurationError: No database is configured; clicks can be waited for only where they are stored.
    """
    return Inbox(urls.database(database_url))


def ask(database_url: str | None, wait: Wait) -> list[CardClick] | None:
    """Look once whether a wait is answered, having pumped what is there.

    Args:
        database_url: As for `inbox`.
        wait: What is waited for.

    Raises:
        ConfigurationError: No database is configured.
        StorageError: The database cannot be used.
    """
    clicks = inbox(database_url)
    if amqp.is_configured():
        try:
            Pump(amqp.broker(), clicks).once()
        except amqp.BrokerError as error:
            # What was pumped by others counts all the same.
            logger.warning("Only what is stored already is looked at: %s", error)
    return clicks.answers([wait]).get(wait.key)


class Hub:
    """All waits of a process on one database: one query a second for all, one connection to the broker.

    Its threads live for as long as somebody waits.

    Args:
        database_url: As for `inbox`.

    Raises:
        ConfigurationError: No database is configured, or the broker's settings cannot be right.
    """

    def __init__(self, database_url: str | None) -> None:
        self._inbox = inbox(database_url)
        self._broker = amqp.broker() if amqp.is_configured() else None
        self._lock = threading.Lock()
        self._waits: dict[str, tuple[Wait, list[Future[list[CardClick]]]]] = {}
        self._stop: threading.Event | None = None
        self._database_id: str | None = None

    def check(self, database_id: str) -> None:
        """See that this is the database where the wait began.

        Args:
            database_id: What `Inbox.database_id` said there.

        Raises:
            ConfigurationError: It is another.
            StorageError: The database cannot be used.
        """
        if self._database_id is None:
            self._database_id = self._inbox.database_id()
        if self._database_id != database_id:
            raise ConfigurationError(
                "The wait began on another database than the one configured here: its answer would never be "
                "seen. Next: give workers and triggerers the same [lark] database_url or database_conn_id."
            )

    def wait(self, wait: Wait) -> Future[list[CardClick]]:
        """Wait for an answer.

        Args:
            wait: What is waited for.

        Returns:
            A future with the clicks; cancel it to wait no more.
        """
        future: Future[list[CardClick]] = Future()
        with self._lock:
            self._waits.setdefault(wait.key, (wait, []))[1].append(future)
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
        while True:
            waits = self._alive(stop)
            if waits is None:
                return
            try:
                answers = self._inbox.answers(waits)
            except StorageError as error:
                answers = {}
                if time.monotonic() - warned_at >= _WARN_SECONDS:
                    warned_at = time.monotonic()
                    logger.warning("%d waits go on without the database: %s", len(waits), error)
            except Exception as error:  # noqa: BLE001 - nobody else would hear of it, and they would wait for ever
                self._fail(error)
                continue
            for key, clicks in answers.items():
                self._end(key, clicks)
            stop.wait(LOOK_SECONDS)

    def _alive(self, stop: threading.Event) -> Sequence[Wait] | None:
        """The waits that somebody still waits for; None, and everything ends, if there are none."""
        with self._lock:
            for key, (_, futures) in list(self._waits.items()):
                futures[:] = [future for future in futures if not future.cancelled()]
                if not futures:
                    del self._waits[key]
            if not self._waits:
                stop.set()
                self._stop = None
                return None
            return [wait for wait, _ in self._waits.values()]

    def _fail(self, error: Exception) -> None:
        with self._lock:
            waits, self._waits = list(self._waits.values()), {}
        for future in [future for _, futures in waits for future in futures]:
            if future.set_running_or_notify_cancel():
                future.set_exception(error)

    def _end(self, key: str, clicks: list[CardClick]) -> None:
        with self._lock:
            _, futures = self._waits.pop(key, (None, []))
        for future in futures:
            if future.set_running_or_notify_cancel():
                future.set_result(clicks)


_hubs: dict[str | None, Hub] = {}
_hubs_lock = threading.Lock()


def hub(database_url: str | None = None) -> Hub:
    """The process's hub for a database.

    Args:
        database_url: As for `inbox`.

    Raises:
        ConfigurationError: No database is configured, or the broker's settings cannot be right.
    """
    with _hubs_lock:
        found = _hubs.get(database_url)
        if found is None:
            found = _hubs[database_url] = Hub(database_url)
        return found
