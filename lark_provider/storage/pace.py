"""The pace of requests, for all processes that share a database.

A limit is a row that holds when its next request may be sent. A process reserves one or a few of these times
in one statement, and then waits for them by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import URL, Connection

from lark_provider.protocol.pacing import MAX_SECONDS_AHEAD, Limit
from lark_provider.storage import migrate, statements
from lark_provider.storage.engine import hold_transaction
from lark_provider.storage.schema import UtcTimestamp
from lark_provider.storage.tables import pacing
from lark_provider.storage.urls import SQLITE_DRIVER


class DatabasePace:
    """The pace of one app in one database; implements `protocol.store.Pace`.

    Args:
        url: The database.
        app: Names the app.
    """

    def __init__(self, url: URL, app: str) -> None:
        self._url, self._app = url, app

    def reserve(self, wanted: Mapping[Limit, int], within: float) -> dict[Limit, float]:
        """Reserve times for requests.

        Args:
            wanted: For how many requests, by limit.
            within: How many seconds from now the first of them must be; `MAX_SECONDS_AHEAD` at most.

        Returns:
            How many seconds from now the first of them is, by limit; negative if it is over. The others
            follow by the limit's interval. Where it is not within the time, nothing was reserved for that
            limit, and those before it in `wanted` were not asked for.

        Raises:
            StorageError: The database cannot be used.
        """
        on = migrate.prepare_engine(self._url)
        reserved = _in_sqlite if on.dialect.name == SQLITE_DRIVER else _in_postgres
        within = min(within, MAX_SECONDS_AHEAD)
        firsts: dict[Limit, float] = {}
        with hold_transaction(on, each_alone=True) as connection:
            # The last one is that of one receiver, which may be far behind that of the endpoint.
            for limit, count in reversed(list(wanted.items())):
                firsts[limit] = reserved(connection, self._make_key(limit), _Wanted.of(limit, count, within))
                if firsts[limit] >= within:
                    break
        return firsts

    def _make_key(self, limit: Limit) -> str:
        return hashlib.sha256(f"{self._app}\0{limit.key}".encode("utf-8", "surrogatepass")).hexdigest()


class _Wanted(NamedTuple):
    """Times to reserve of one limit.

    Attributes:
        burst: How much before now the first one may be.
        lasts: How long they last together.
        within: How far ahead the first one must be at most.
        longest: How far ahead a row can be, after the longest reservation that is made at all.
    """

    burst: timedelta
    lasts: timedelta
    within: timedelta
    longest: timedelta

    @classmethod
    def of(cls, limit: Limit, count: int, within: float) -> _Wanted:
        """Return what to reserve for a number of requests, the first of them within some seconds."""
        longest = MAX_SECONDS_AHEAD + max(count, limit.block) * limit.interval
        seconds = limit.burst, count * limit.interval, within, longest
        return cls(*(timedelta(seconds=part) for part in seconds))


def _upsert() -> sa.Executable:
    """Make the statement of PostgreSQL: one round trip and one commit, which holds no row for another one."""
    clock = sa.func.clock_timestamp(type_=UtcTimestamp())
    burst, lasts, within, longest = (sa.bindparam(name, type_=sa.Interval()) for name in _Wanted._fields)
    added: Any = postgresql.insert(pacing).values(key=sa.bindparam("the_key"), next_at=clock - burst + lasts)
    is_wrong = pacing.c.next_at > clock + longest
    following = sa.func.greatest(added.excluded.next_at, pacing.c.next_at + lasts)
    upsert: sa.Executable = added.on_conflict_do_update(
        index_elements=[pacing.c.key],
        set_={"next_at": sa.case((is_wrong, added.excluded.next_at), else_=following)},
        where=(pacing.c.next_at < clock + within) | is_wrong,
    ).returning(
        pacing.c.next_at,
        clock.label("clock"),
        # A crash of the server that loses the last reservations does no harm, so no disk is waited for.
        sa.func.set_config("synchronous_commit", "off", True),
    )
    return upsert


_UPSERT = _upsert()


def _in_postgres(connection: Connection, key: str, wanted: _Wanted) -> float:
    row = connection.execute(_UPSERT, {"the_key": key, **wanted._asdict()}).one_or_none()
    if row is None:
        now = sa.func.clock_timestamp(type_=UtcTimestamp())
        ahead = sa.select(pacing.c.next_at, now).where(pacing.c.key == key)
        times = connection.execute(ahead).one_or_none()
        return max(wanted.within, times[0] - times[1] if times else wanted.within).total_seconds()
    return float((row.next_at - wanted.lasts - row.clock).total_seconds())


def _in_sqlite(connection: Connection, key: str, wanted: _Wanted) -> float:
    """Reserve in a file, which is locked meanwhile: SQLite does not calculate with times."""
    now = datetime.now(UTC)
    next_at = connection.execute(sa.select(pacing.c.next_at).where(pacing.c.key == key)).scalar_one_or_none()
    first = now - wanted.burst
    if next_at is not None and next_at <= now + wanted.longest:
        first = max(next_at, first)
    if first >= now + wanted.within:
        return (first - now).total_seconds()
    values = {"key": key, "next_at": first + wanted.lasts}
    added = statements.insert(connection, pacing).values(values)
    connection.execute(added.on_conflict_do_update(index_elements=[pacing.c.key], set_=values))
    return (first - now).total_seconds()
