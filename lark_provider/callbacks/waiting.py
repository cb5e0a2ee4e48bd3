"""Wait for clicks: a task looks once at a time; a triggerer's waits share the `Hub` of its process.

Each waiter also consumes the queue, where a broker is configured, so that nothing else has to run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from lark_provider.callbacks.broker import amqp
from lark_provider.callbacks.broker.pump import Pump
from lark_provider.callbacks.hub import MISSING_QUESTION, Hub, get_hub
from lark_provider.protocol.callbacks import BrokerError, CardClick
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.protocol.questions import TaskQuestion
from lark_provider.protocol.waits import Wait
from lark_provider.storage import urls
from lark_provider.storage.errors import StorageError
from lark_provider.storage.inbox import Inbox
from lark_provider.storage.record_cursors import RecordCursors, make_cursor_key
from lark_provider.storage.waits import Waits
from lark_provider.support import threads

__all__ = [
    "ASK_SECONDS",
    "Hub",
    "Waits",
    "ask",
    "get_hub",
    "make_inbox",
    "make_waits",
    "pump_once",
    "query_in_time",
    "read_database_id",
    "settle",
    "with_waits",
]
T = TypeVar("T")
logger = logging.getLogger(__name__)

ASK_SECONDS = 10.0
"""How long a task waits for the database: one that is frozen would hold it indefinitely."""


def make_inbox(database_url: str | None = None) -> Inbox:
    """Return the inbox of the configured database.

    Args:
        database_url: Else `LARK_DATABASE_URL` or `POSTGRES_*`.

    Raises:
        ConfigurationError: No database is configured; clicks can be waited for only where they are stored.
    """
    return Inbox(urls.database(database_url))


def make_waits(database_url: str | None = None) -> Waits:
    """Return the questions of the configured database.

    Args:
        database_url: The database's URL; None for `LARK_DATABASE_URL` or `POSTGRES_*`.

    Raises:
        ConfigurationError: No database is configured.
    """
    return Waits(urls.database(database_url))


def make_record_cursors(
    app: str, app_token: str, table_id: str, wanted: Mapping[str, Any], database_url: str | None = None
) -> RecordCursors:
    """Return what is recorded of a watched table, in the configured database.

    Args:
        app: The app's id and base URL.
        app_token: The app_token of the base.
        table_id: The table's id, `tbl…`.
        wanted: What the watcher looks for; another filter has a cursor of its own.
        database_url: The database's URL; None for `LARK_DATABASE_URL` or `POSTGRES_*`.

    Raises:
        ConfigurationError: No database is configured.
    """
    return RecordCursors(urls.database(database_url), make_cursor_key(app, app_token, table_id, wanted))


def with_waits(query: Callable[[Waits], T], database_url: str | None = None) -> T:
    """Query the questions of the configured database, within `ASK_SECONDS`.

    Args:
        query: Called with the questions; its result is returned.
        database_url: The database's URL; None for `LARK_DATABASE_URL` or `POSTGRES_*`.

    Raises:
        ConfigurationError: No database is configured.
        StorageError: It cannot be used, or does not answer in time.
    """
    questions = make_waits(database_url)
    return query_in_time(lambda: query(questions))


def read_database_id(database_url: str | None = None) -> str:
    """Return the id of the configured database; see `Inbox.read_database_id`.

    Args:
        database_url: The database's URL; None for `LARK_DATABASE_URL` or `POSTGRES_*`.

    Raises:
        ConfigurationError: No database is configured.
        StorageError: It cannot be used, or does not answer in time.
    """
    return query_in_time(make_inbox(database_url).read_database_id)


def query_in_time(query: Callable[[], T]) -> T:
    """Query a database, within `ASK_SECONDS`.

    Args:
        query: The query; it runs in a thread.

    Raises:
        StorageError: It cannot be used, or does not answer in time.
    """
    try:
        return threads.start(query).result(ASK_SECONDS)
    except TimeoutError:
        raise StorageError(
            f"The database did not answer within {ASK_SECONDS:g} s. Next: check that it runs, and is "
            "neither frozen nor overloaded.",
            retryable=True,
        ) from None


def pump_once(clicks: Inbox, broker_url: str | None = None) -> None:
    """Move the clicks of the queue into the database, where a broker is configured.

    Args:
        clicks: The inbox that stores them.
        broker_url: Else `RABBITMQ_URL` or `RABBITMQ_*`, else nothing is pumped.
    """
    broker = amqp.find_broker(broker_url)
    if broker is None:
        return
    try:
        Pump(broker, clicks).run_once()
    except BrokerError as error:
        # Clicks that other pumps have stored count all the same.
        logger.warning("Broker unavailable; looking only at stored clicks", extra={"error": str(error)})


def ask(
    wait: Wait, *, database_url: str | None = None, broker_url: str | None = None
) -> list[CardClick] | None:
    """Pump the queue, then look once whether a wait of version 0.1 is answered.

    Args:
        wait: The wait.
        database_url: The database's URL; None for `LARK_DATABASE_URL` or `POSTGRES_*`.
        broker_url: The broker's URL; None for `RABBITMQ_URL` or `RABBITMQ_*`. If none is configured, nothing
            is pumped.

    Raises:
        ConfigurationError: No database is configured, or the broker's settings are invalid.
        StorageError: The database cannot be used, or does not answer in time.
    """
    clicks = make_inbox(database_url)
    pump_once(clicks, broker_url)
    return query_in_time(lambda: clicks.decide_answers([wait])).get(wait.key)


def settle(
    question: TaskQuestion, *, database_url: str | None = None, broker_url: str | None = None
) -> tuple[TaskQuestion, list[CardClick]] | None:
    """Pump the queue, then look once whether a question is decided or closed.

    Args:
        question: The question.
        database_url: The database's URL; None for `LARK_DATABASE_URL` or `POSTGRES_*`.
        broker_url: The broker's URL; None for `RABBITMQ_URL` or `RABBITMQ_*`. If none is configured, nothing
            is pumped.

    Returns:
        The question, decided or closed, and the clicks that decided it; None while it is open.

    Raises:
        ConfigurationError: No database is configured, the broker's settings are invalid, or the question was
            deleted from the database.
        StorageError: The database cannot be used, or does not answer in time.
    """
    pump_once(make_inbox(database_url), broker_url)

    def look(questions: Waits) -> tuple[TaskQuestion, list[CardClick]] | None:
        over = questions.settle([question]).get(question.id)
        if over is not None:
            return over, questions.read_clicks(over) if over.decided_by else []
        if not questions.exists(question.id):
            raise ConfigurationError(MISSING_QUESTION)
        return None

    return with_waits(look, database_url)
