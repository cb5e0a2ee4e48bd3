"""Reach databases without ever blocking a message.

Each query of a database runs in a thread with a deadline. After a failure the database is left alone for some
seconds: callers fall back to memory, and one warning a minute is logged.
"""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, TypeVar

from lark_provider.engine.runtime import DatabaseHealth, Frozen, Health, QueryKind
from lark_provider.engine.session import Session
from lark_provider.protocol.effects import Local
from lark_provider.protocol.errors import ConfigurationError, DeadlineExceededError, LarkError, TransportError
from lark_provider.protocol.operations import Procedure, run_local
from lark_provider.support.clocks import is_pending

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

    from lark_provider.protocol.tokens import App
    from lark_provider.storage.store import SharedStore
    from lark_provider.storage.token_store import TokenStore
    from lark_provider.storage.user_cache import UserCache

T = TypeVar("T")
logger = logging.getLogger(__name__)

QUERY_SECONDS = 5.0
"""The deadline of a query."""
FIRST_QUERY_SECONDS = 10.0
"""The deadline of the first query, which is longer, since many processes may be connecting at once."""
_STORAGE = "lark_provider.storage.token_store"
_LOAD_SECONDS = 60.0
_loaded = threading.Event()
"""Set once SQLAlchemy is imported, which happens before a deadline starts: it is slow on a busy machine."""
_RETRY_AFTER_ERROR_SECONDS = 5.0
_RETRY_AFTER_TIMEOUT_SECONDS = 30.0


def query(
    session: Session,
    kind: QueryKind,
    locate: Callable[[], URL],
    work: Callable[[URL], T],
    *,
    required: bool = False,
) -> Procedure[tuple[T] | LarkError]:
    """Query a database.

    Args:
        session: The settings of the client.
        kind: Names the kind of query, and the database as it was configured; queries of one kind fail and
            recover together.
        locate: Returns the database's URL.
        work: Queries it; may block.
        required: Whether the caller cannot do without the answer, and reports a failure itself.

    Returns:
        The answer in a tuple of one; or the error, if the database is unavailable.

    Raises:
        ConfigurationError: A setting of the database is invalid.
    """
    databases, now = session.runtime.databases, session.clock()
    health = databases.queries.setdefault(kind, Health())
    frozen = databases.frozen.get(_display_url(locate)) if databases.frozen else None
    if health.error is not None and session.timeout <= health.max_timeout:
        if is_pending(health.retry_at, now, _RETRY_AFTER_TIMEOUT_SECONDS):
            return _log_unavailable(databases, health.error, locate, required=required)
        # This caller tries again; the others go on meanwhile.
        health.retry_at = now + _RETRY_AFTER_ERROR_SECONDS
    elif (
        frozen is not None
        and session.timeout <= frozen.max_timeout
        and is_pending(frozen.until, now, _RETRY_AFTER_TIMEOUT_SECONDS)
    ):
        health.error = _explain(TimeoutError(), locate)
        health.retry_at, health.max_timeout = frozen
        return _log_unavailable(databases, health.error, locate, required=required)
    limit = QUERY_SECONDS if health.answered else FIRST_QUERY_SECONDS
    longest = session.timeout / 2
    try:
        yield from load_drivers()
        answer: T = yield Local(lambda: work(locate()), min(limit, longest))
    except (ConfigurationError, DeadlineExceededError):
        raise
    except Exception as error:  # noqa: BLE001 - no failure of a database, of whatever kind, may stop a message
        health.error, now = _explain(error, locate), session.clock()
        health.retry_at, health.max_timeout = now + _RETRY_AFTER_ERROR_SECONDS, inf
        if isinstance(error, TimeoutError):
            # A query that was cut short says nothing to clients that wait longer.
            health.max_timeout = session.timeout if longest < limit else inf
            health.retry_at = now + _RETRY_AFTER_TIMEOUT_SECONDS
            databases.frozen[_display_url(locate)] = Frozen(health.retry_at, health.max_timeout)
        return _log_unavailable(databases, health.error, locate, required=required)
    health.error, health.answered = None, True
    return (answer,)


def load_drivers() -> Procedure[None]:
    """Import what databases need, before a deadline starts: it is slow on a busy machine."""
    if not _loaded.is_set():
        yield from run_local(_load, _LOAD_SECONDS)


def _load() -> None:
    importlib.import_module(_STORAGE)
    _loaded.set()


def _explain(error: Exception, locate: Callable[[], URL]) -> LarkError:
    if isinstance(error, LarkError):
        return error
    if isinstance(error, TimeoutError):
        return TransportError(
            f"The database {_display_url(locate)} does not answer. Next: check that it runs."
        )
    return TransportError(
        f"Database access failed: {type(error).__name__}: {error}. Next: check this installation."
    )


def _log_unavailable(
    databases: DatabaseHealth, error: LarkError, locate: Callable[[], URL], *, required: bool
) -> LarkError:
    """Log that a database is unavailable, at most once a minute, and return the error."""
    if not required:
        where = _display_url(locate)
        databases.throttle.log(
            logger.warning,
            "Shared database unavailable; falling back to in-memory cache",
            extra={"database": where, "error": str(error)},
            kind=where,
        )
    return error


def _display_url(locate: Callable[[], URL]) -> str:
    # Until the storage is loaded nothing can read a URL. And locating a database fails, for example, where
    # the current folder was deleted; the error that is reported then says so.
    with suppress(LarkError, OSError):
        if _loaded.is_set():
            from lark_provider.storage import urls

            return urls.display(locate())
    return "(configured)"


def in_token_store(session: Session, app: App, work: Callable[[TokenStore], T]) -> Procedure[T | None]:
    """Use the token store of a session's database.

    Args:
        session: The settings of the client.
        app: The app whose tokens are stored.
        work: Uses the store; may block.

    Returns:
        Its result; None if there is no database, or it is unavailable.

    Raises:
        ConfigurationError: A setting of the database is invalid.
    """

    def in_store(url: URL) -> T:
        from lark_provider.storage import token_store

        return work(token_store.TokenStore(url, app.app_id, app.app_secret))

    return (yield from _in_database(session, in_store))


def in_user_cache(
    session: Session, app: App, name: str, work: Callable[[UserCache], T]
) -> Procedure[T | None]:
    """Use the user cache of a session's database; returns and raises as `in_token_store`.

    Args:
        session: The settings of the client.
        app: The app that looks users up.
        name: Names the app in the cache, see `engine.user_cache`.
        work: Uses the cache; may block.
    """

    def in_cache(url: URL) -> T:
        from lark_provider.storage import user_cache

        return work(user_cache.UserCache(url, name, app.app_secret))

    return (yield from _in_database(session, in_cache))


def in_shared_store(
    session: Session, app: App, work: Callable[[SharedStore], T]
) -> Procedure[tuple[T] | None]:
    """Use the shared store (ledger, leases, pace) of a session's database; its result in a tuple of one.

    Else as `in_token_store`.

    Args:
        session: The settings of the client.
        app: The app.
        work: Uses the store; may block.
    """

    def in_store(url: URL) -> tuple[T]:
        from lark_provider.storage import store

        return (work(store.SharedStore(url, app)),)

    # A database that lacks the newest tables still has those for tokens.
    return (yield from _in_database(session, in_store, "ledger"))


def _in_database(session: Session, work: Callable[[URL], T], kind: str = "database") -> Procedure[T | None]:
    if not session.has_database():
        return None

    def locate() -> URL:
        from lark_provider.storage import urls

        return urls.database(session.database_url)

    def check(url: URL) -> T:
        answer = work(url)
        if url not in session.runtime.databases.checked:
            session.runtime.databases.checked.add(url)
            _warn_if_airflows(url)
        return answer

    # The URL stays a `Secret` of its own: in an f-string it would stand in clear in the frames of errors.
    answer = yield from query(session, (kind, session.database_url), locate, check)
    return None if isinstance(answer, LarkError) else answer[0]


def _warn_if_airflows(url: URL) -> None:
    """Warn once if the database is Airflow's: upgrades and backups of one would affect the other."""
    from lark_provider.storage import migrate, urls

    if migrate.is_airflows(migrate.prepare_engine(url)):
        logger.warning(
            "Tokens are in Airflow's metadata database. Next: give them a database of their own",
            extra={"database": urls.display(url)},
        )
