"""Wait for many questions in one process: one thread polls the database for all of them.

It runs while any wait is pending, and so does a thread that pumps, where a broker is configured.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from lark_provider.callbacks.broker import amqp
from lark_provider.callbacks.broker.pump import Pump
from lark_provider.protocol.callbacks import CardClick
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.protocol.questions import TaskQuestion
from lark_provider.protocol.waits import Wait
from lark_provider.storage import urls
from lark_provider.storage.errors import StorageError
from lark_provider.storage.inbox import Inbox
from lark_provider.storage.wait_polling import WaitPoller
from lark_provider.storage.waits import Waits
from lark_provider.support.throttle import Throttle

logger = logging.getLogger(__name__)

POLL_INTERVAL_SECONDS = 1.0
_WARN_SECONDS = 60.0
_OTHER_DATABASE = (
    "This is not the database where the wait began, so its answer would never be seen. Next: give workers "
    "and triggerers the same [lark] database_url or database_conn_id."
)
MISSING_QUESTION = (
    "The question is missing from this database or unreadable: it was deleted or damaged, or the database "
    "was restored from a backup. Next: clear the task, so that it asks again."
)


@dataclass(slots=True)
class _PendingWait:
    """A wait that is not answered yet.

    Attributes:
        key: The id of a question; or the key of a wait of version 0.1.
        database_id: The id of the database where it began, if that is known.
        futures: One for each caller that waits.
        legacy: A wait of version 0.1, which is not recorded.
        question: The question, once it was read.
    """

    key: str
    database_id: str | None
    futures: list[Future[Any]]
    legacy: Wait | None
    question: TaskQuestion | None = None


class Hub:
    """All waits of a process on one database: a query a second for each thousand, and one broker connection.

    Its threads live for as long as a caller waits.

    Args:
        database_url: Else `LARK_DATABASE_URL` or `POSTGRES_*`.
        broker_url: Else `RABBITMQ_URL` or `RABBITMQ_*`, else nothing is pumped.

    Raises:
        ConfigurationError: No database is configured, or the broker's settings are invalid.
    """

    def __init__(self, database_url: str | None = None, broker_url: str | None = None) -> None:
        database = urls.database(database_url)
        self._inbox, self._waits, self._poller = Inbox(database), Waits(database), WaitPoller(database)
        self._broker = amqp.find_broker(broker_url)
        self._lock = threading.Lock()
        self._pending: dict[tuple[str, str | None], _PendingWait] = {}
        self._stop: threading.Event | None = None
        self._database_id: str | None = None

    def settle(self, wait_id: str, database_id: str | None = None) -> Future[TaskQuestion]:
        """Wait until a question is decided or closed. Returns at once; see `wait`.

        Args:
            wait_id: The question's id.
            database_id: What `Inbox.read_database_id` returned where the wait began, if it was available.

        Returns:
            A future with the question, or with ConfigurationError if it is not in this database; cancel it to
            stop waiting.

        Raises:
            RuntimeError: The process cannot start a thread. No wait was added.
        """
        return self._add(wait_id, database_id, None)

    def wait(self, wait: Wait, database_id: str | None = None) -> Future[list[CardClick]]:
        """Wait for the answer to a wait of version 0.1.

        Returns at once; the database and the broker may come and go meanwhile.

        Args:
            wait: The wait.
            database_id: What `Inbox.read_database_id` returned where the wait began, if it was available.

        Returns:
            A future with the clicks, or with ConfigurationError if this is another database; cancel it to
            stop waiting.

        Raises:
            RuntimeError: The process cannot start a thread. No wait was added.
        """
        return self._add(wait.key, database_id, wait)

    def _add(self, key: str, database_id: str | None, legacy: Wait | None) -> Future[Any]:
        future: Future[Any] = Future()
        with self._lock:
            if self._stop is None:
                self._start_threads()  # Before the wait is noted: if this fails, the next caller tries again.
            wait = self._pending.setdefault((key, database_id), _PendingWait(key, database_id, [], legacy))
            wait.futures.append(future)
        return future

    def _start_threads(self) -> None:
        """Start the threads, or none of them.

        Raises:
            RuntimeError: The process cannot have another thread.
        """
        stop = threading.Event()
        try:
            threading.Thread(target=self._poll, args=(stop,), name="lark-waits", daemon=True).start()
            if self._broker is not None:
                pump = Pump(self._broker, self._inbox)
                threading.Thread(target=_run_pump, args=(pump, stop), name="lark-pump", daemon=True).start()
        except BaseException:
            stop.set()  # The first thread may have started.
            raise
        self._stop = stop

    def _poll(self, stop: threading.Event) -> None:
        """Look at the pending waits each second, until none is left.

        If this ends in any other way, all callers get the error, and the next one starts the threads again.
        """
        try:
            self._poll_until_stopped(stop)
        except BaseException as error:
            self._abandon(stop, error)
            raise

    def _abandon(self, stop: threading.Event, error: BaseException) -> None:
        """Stop the threads, and fail all waits."""
        stop.set()
        with self._lock:
            if self._stop is not stop:
                return  # No caller waits for these threads.
            self._stop = None
            waits = list(self._pending.values())
        self._resolve(waits, error)

    def _poll_until_stopped(self, stop: threading.Event) -> None:
        throttle, failures = Throttle(), 0
        while not stop.is_set() and (waits := self._prune(stop)):
            try:
                self._check_waits(waits)
                if failures:
                    logger.info("Database available again; waits resumed", extra={"failures": failures})
                    failures = 0
                    throttle.reset()
            except StorageError as error:
                self._database_id = None  # Another database may answer at this address next time.
                failures += 1
                fields = {"waits": len(waits), "failures": failures, "error": str(error)}
                throttle.log(logger.warning, "Database unavailable; waits continue", extra=fields)
            except Exception as error:  # noqa: BLE001 - the callers get it; else they would wait indefinitely
                self._resolve(waits, error)
                continue
            stop.wait(POLL_INTERVAL_SECONDS)

    def _prune(self, stop: threading.Event) -> list[_PendingWait]:
        """Drop cancelled waits and return the others; if there are none, stop the threads."""
        with self._lock:
            for key, wait in list(self._pending.items()):
                wait.futures[:] = [future for future in wait.futures if not future.cancelled()]
                if not wait.futures:
                    del self._pending[key]
            if not self._pending:
                stop.set()
                self._stop = None
            return list(self._pending.values())

    def _check_waits(self, waits: Sequence[_PendingWait]) -> None:
        """Resolve the waits that are over."""
        if any(wait.database_id not in {None, self._database_id} for wait in waits):
            self._database_id = self._inbox.read_database_id()
        here = {None, self._database_id}
        self._resolve(
            [wait for wait in waits if wait.database_id not in here], ConfigurationError(_OTHER_DATABASE)
        )
        waits = [wait for wait in waits if wait.database_id in here]
        legacy = {wait.key: wait.legacy for wait in waits if wait.legacy is not None}
        if legacy:
            answers = self._inbox.decide_answers(list(legacy.values()))
            self._resolve_each([wait for wait in waits if wait.legacy is not None], answers)
        recorded = [wait for wait in waits if wait.legacy is None]
        self._load_questions(recorded)
        questions = [wait.question for wait in recorded if wait.question is not None]
        self._resolve_each(recorded, self._poller.settle(questions))
        deleted = [wait for wait in recorded if wait.key in self._poller.deleted]
        self._resolve(deleted, ConfigurationError(MISSING_QUESTION))

    def _load_questions(self, recorded: Sequence[_PendingWait]) -> None:
        """Read the questions that were not read yet, which do not change; fail the waits that have none."""
        unread = [wait for wait in recorded if wait.question is None]
        if not unread:
            return
        questions = self._waits.read([wait.key for wait in unread])
        for wait in unread:
            wait.question = questions.get(wait.key)
        missing = [wait for wait in unread if wait.question is None]
        self._resolve(missing, ConfigurationError(MISSING_QUESTION))

    def _resolve_each(self, waits: Sequence[_PendingWait], results: Mapping[str, object]) -> None:
        for wait in waits:
            if (result := results.get(wait.key)) is not None:
                self._resolve([wait], result)

    def _resolve(self, waits: Sequence[_PendingWait], result: object) -> None:
        """Give a result, or an exception, to all who wait, unless they have one already."""
        for wait in waits:
            with self._lock:
                if self._pending.get((wait.key, wait.database_id)) is not wait:
                    continue  # It was resolved before something else failed in the same look.
                del self._pending[wait.key, wait.database_id]
            for future in wait.futures:  # No caller can join them any more: they are not pending.
                if not future.set_running_or_notify_cancel():
                    continue
                if isinstance(result, BaseException):
                    future.set_exception(result)
                else:
                    future.set_result(result)


def _run_pump(pump: Pump, stop: threading.Event) -> None:
    """Run a pump. Where it cannot work, log that once a minute, and try again."""
    while not stop.is_set():
        try:
            pump.run(stop)
        except StorageError as error:
            fields = {"retry_in_s": _WARN_SECONDS, "returned": pump.returned, "error": str(error)}
            logger.error("Pump stopped; clicks stay in the queue for other pumps", extra=fields)  # noqa: TRY400 - a traceback says no more
        except Exception:
            # The waits continue for as long as the process lives, so their pump must.
            logger.exception("Pump failed unexpectedly; retrying", extra={"retry_in_s": _WARN_SECONDS})
        stop.wait(_WARN_SECONDS)


_hubs: dict[tuple[str | None, str | None], Hub] = {}
_hubs_lock = threading.Lock()


def _after_fork() -> None:
    _hubs.clear()  # Their threads stayed with the parent.
    _hubs_lock.release()


os.register_at_fork(before=_hubs_lock.acquire, after_in_parent=_hubs_lock.release, after_in_child=_after_fork)


def get_hub(database_url: str | None = None, broker_url: str | None = None) -> Hub:
    """Return the process's hub for a database and a broker.

    Args:
        database_url: The database's URL; None for `LARK_DATABASE_URL` or `POSTGRES_*`.
        broker_url: The broker's URL; None for `RABBITMQ_URL` or `RABBITMQ_*`. If none is configured, nothing
            is pumped.

    Raises:
        ConfigurationError: As for `Hub`.
    """
    with _hubs_lock:
        shared_hub = _hubs.get((database_url, broker_url))
        if shared_hub is None:
            shared_hub = _hubs[database_url, broker_url] = Hub(database_url, broker_url)
        return shared_hub
