"""Reach databases without ever standing in the way of a message.

Everything asked of a database runs in a thread with a deadline. One that is away is left alone for a while:
its caller goes on without it, and hears of it once a minute.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from lark_provider.core import config
from lark_provider.core.io import Served, in_thread
from lark_provider.core.session import Session
from lark_provider.protocol.errors import ConfigurationError, LarkError, TransportError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

    from lark_provider.core.storage.token_store import TokenStore
    from lark_provider.core.storage.user_cache import UserCache
    from lark_provider.protocol.tokens import App

T = TypeVar("T")
logger = logging.getLogger(__name__)

_ASK_SECONDS, _FIRST_ASK_SECONDS = 5.0, 10.0
"""For how long an answer is waited for; longer for the first, when many processes may be connecting."""
_STORAGE, _LOAD_SECONDS = "lark_provider.core.storage.token_store", 60.0
# SQLAlchemy is imported before the deadline starts: a machine that starts many processes takes its time.
_loaded = False
_REFUSED_SECONDS = 5.0
_FROZEN_SECONDS = 30.0
_WARN_SECONDS = 60.0


@dataclass(slots=True)
class _Health:
    """How a database was last found."""

    answered: bool = False
    error: LarkError | None = None
    away_until: float = 0.0


_health: dict[str, _Health] = {}
_warned_at: dict[str, float] = {}
"""When it was last said of a database that it is away, whatever was asked of it."""
_frozen_until: dict[str, float] = {}
"""Which database did not answer, so that a second question to it is not waited for as well."""
_looked_at: set[URL] = set()


def forget() -> None:
    """Forget how databases were last found."""
    _health.clear()
    _warned_at.clear()
    _frozen_until.clear()
    _looked_at.clear()


def consult(
    session: Session, name: str, place: Callable[[], URL], work: Callable[[URL], T], *, vital: bool = False
) -> Served[tuple[T] | LarkError]:
    """Ask a database something.

    Args:
        session: Of the client that asks.
        name: Names what is asked among all such questions; shown to nobody.
        place: Finds out which database it is.
        work: Asks it; may block.
        vital: Whether the caller cannot go on without an answer, and says so itself.

    Returns:
        The answer in a tuple of one; why there is none, if the database is away.

    Raises:
        ConfigurationError: The settings of the database cannot be right.
    """
    health, now = _health.setdefault(name, _Health()), session.clock()
    if health.error is not None:
        if now < health.away_until:
            return _away(health.error, place, now, vital=vital)
        health.away_until = now + _REFUSED_SECONDS  # one looks whether it is back; the others go on meanwhile
    elif _frozen_until and now < (until := _frozen_until.get(_shown(place), now)):
        health.error, health.away_until = _why(TimeoutError(), place), until
        return _away(health.error, place, now, vital=vital)
    try:
        if not _loaded:
            yield from in_thread(_load, _LOAD_SECONDS)
        patience = _ASK_SECONDS if health.answered else _FIRST_ASK_SECONDS
        answer = yield from in_thread(lambda: work(place()), min(patience, session.timeout / 2))
    except ConfigurationError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it stops no message
        why = health.error = _why(error, place)
        now = session.clock()
        health.away_until = now + _REFUSED_SECONDS
        if isinstance(error, TimeoutError):
            health.away_until = _frozen_until[_shown(place)] = now + _FROZEN_SECONDS
        return _away(why, place, now, vital=vital)
    health.error, health.answered = None, True
    return (answer,)


def _load() -> None:
    global _loaded  # noqa: PLW0603 - a module that somebody still imports is in sys.modules already
    importlib.import_module(_STORAGE)
    _loaded = True


def _why(error: Exception, place: Callable[[], URL]) -> LarkError:
    if isinstance(error, LarkError):
        return error
    if isinstance(error, TimeoutError):
        return TransportError(f"Database {_shown(place)} does not answer. Next: check that it runs.")
    return TransportError(f"{type(error).__name__}: {error}. Next: see what this process lacks.")


def _away(why: LarkError, place: Callable[[], URL], now: float, *, vital: bool) -> LarkError:
    if not vital and now - _warned_at.get(where := _shown(place), float("-inf")) >= _WARN_SECONDS:
        _warned_at[where] = now
        logger.warning("Going on without a database that others share: %s", why)
    return why


def _shown(place: Callable[[], URL]) -> str:
    try:
        if _loaded:  # else the process has no room, or no time, for what reads URLs
            from lark_provider.core.storage import urls  # noqa: PLC0415 - only who has a database pays

            return urls.shown(place())
    except Exception:  # noqa: BLE001, S110 - a folder that is gone, for example: the reason says it
        pass
    return "that is configured"


def ask_store(session: Session, app: App, work: Callable[[TokenStore], T]) -> Served[T | None]:
    """Ask the token store of a session's database.

    Args:
        session: Of the client that asks.
        app: Whose tokens.
        work: What to ask.

    Returns:
        The answer; None if there is no database, or it is away.

    Raises:
        ConfigurationError: The settings of the database cannot be right.
    """

    def asked(url: URL) -> T:
        from lark_provider.core.storage import token_store  # noqa: PLC0415 - as above

        return work(token_store.TokenStore(url, app.app_id, app.app_secret))

    return (yield from _ask_database(session, asked))


def ask_users(session: Session, app: str, work: Callable[[UserCache], T]) -> Served[T | None]:
    """Ask the user cache of a session's database.

    Args:
        session: Of the client that asks.
        app: Names the app that sees these people.
        work: What to ask.

    Returns:
        The answer; None if there is no database, or it is away.

    Raises:
        ConfigurationError: The settings of the database cannot be right.
    """

    def asked(url: URL) -> T:
        from lark_provider.core.storage import user_cache  # noqa: PLC0415 - as above

        return work(user_cache.UserCache(url, app))

    return (yield from _ask_database(session, asked))


def _ask_database(session: Session, work: Callable[[URL], T]) -> Served[T | None]:
    if not config.has_database(session.database_url):
        return None

    def place() -> URL:
        from lark_provider.core.storage import urls  # noqa: PLC0415 - as above

        return urls.database(session.database_url)

    def asked(url: URL) -> T:
        answer = work(url)
        if url not in _looked_at:
            _look_at(url)
        return answer

    answer = yield from consult(session, f"database {session.database_url}", place, asked)
    return None if isinstance(answer, LarkError) else answer[0]


def _look_at(url: URL) -> None:
    """Say so once if the database is Airflow's own: its upgrades and backups are not made for guests."""
    from lark_provider.core.storage import migrate, urls  # noqa: PLC0415 - as above

    _looked_at.add(url)
    if migrate.is_airflows(migrate.opened(url)):
        logger.warning(
            "Database %s is Airflow's own. Next: give Lark's tokens a database of their own, for Airflow's "
            "upgrades and backups are not made for guests.",
            urls.shown(url),
        )
