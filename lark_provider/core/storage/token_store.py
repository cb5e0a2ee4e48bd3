"""Tokens for all processes that share a database, and the leases that let one of them renew.

A lease is a row, committed at once, and not a lock held over a request to Lark: nobody holds a connection
while waiting, and one who dies or freezes loses it by the clock. That clock is the database's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from lark_provider.core.storage import migrate, urls
from lark_provider.core.storage.crypto import TokenBox
from lark_provider.core.storage.engine import transaction
from lark_provider.core.storage.statements import insert
from lark_provider.core.storage.tables import leases, tokens
from lark_provider.protocol.tokens import Freshness, Token

_WATCHED = sa.select(sa.func.set_config("idle_in_transaction_session_timeout", "4s", True))
"""Ends the transaction of one that freezes inside it, before those who wait for its rows give up."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a store says to one who wants a token.

    Attributes:
        token: What is kept, in whatever state, its times by the caller's clock; None if nothing is.
        won: Whether the caller is the one to fetch a new one.
    """

    token: Token | None = field(default=None, repr=False)
    won: bool = False


class TokenStore:
    """The tokens of one app in one database.

    Args:
        url: The database.
        app_id: Whose.
        app_secret: What they are encrypted under.
    """

    def __init__(self, url: URL, app_id: str, app_secret: str) -> None:
        self._url, self._app_id, self._app_secret = url, app_id, app_secret

    def claim(
        self, key: str, *, now: float, owner: str, lease_seconds: float, rejected: str | None = None
    ) -> Claim:
        """Look for a token, and ask to be the one who renews it unless it is fresh.

        Args:
            key: Names the token.
            now: The caller's clock, seconds since the epoch.
            owner: Names the caller.
            lease_seconds: For how long the others leave the renewal to the caller.
            rejected: A token that Lark has just refused; if it is the one kept, it is forgotten first.

        Raises:
            StorageError: The database cannot be used.
        """
        with transaction(migrate.opened(self._url), reading=True) as connection:
            row = self._row(connection, key)
        token = self._token(key, row, now)
        if token is not None and token.value == rejected:
            token = None
        is_held = row.until is not None and row.until >= row.clock and row.owner != owner
        if _is_fresh(token, now) or is_held:
            return Claim(token)  # as most do, and nobody is in anybody's way
        with self._writing() as connection:
            if not self._leased(connection, key, owner, row.clock, lease_seconds):
                return Claim(token)
            # Looked at again: the lease may be free because its holder has just kept a token and gone.
            token = self._usable(connection, key, now, rejected)
            if _is_fresh(token, now):
                self._give_back(connection, key, owner)
                return Claim(token)
            return Claim(token, won=True)

    def look(self, key: str, *, now: float) -> Token | None:
        """Look for a token and leave it at that.

        Args:
            key: Names the token.
            now: The caller's clock.

        Raises:
            StorageError: The database cannot be used.
        """
        with transaction(migrate.opened(self._url), reading=True) as connection:
            return self._token(key, self._row(connection, key), now)

    def keep(self, key: str, token: Token, *, clock: Callable[[], float], owner: str) -> None:
        """Keep a token for all, unless a longer-lived one is there, and give the lease back.

        Args:
            key: Names the token.
            token: The token, its times by the caller's clock.
            clock: The caller's clock.
            owner: Names the caller.

        Raises:
            StorageError: The database cannot be used.
        """
        sealed = TokenBox(self._app_secret, key).seal(token.value)
        with self._writing() as connection:
            theirs = connection.scalar(sa.select(_now(connection)))
            assert theirs is not None  # noqa: S101 - a clock always tells
            ours = clock()  # read last: a process that freezes in between must not lengthen the token's life
            times = {
                "fetched_at": theirs + timedelta(seconds=token.fetched_at - ours),
                "expires_at": theirs + timedelta(seconds=token.expires_at - ours),
            }
            added = insert(connection, tokens).values(key=key, app_id=self._app_id, value=sealed, **times)
            connection.execute(
                added.on_conflict_do_update(
                    index_elements=[tokens.c.key],
                    set_={name: added.excluded[name] for name in ("value", *times)},
                    where=tokens.c.expires_at < added.excluded.expires_at,
                )
            )
            self._give_back(connection, key, owner)

    def release(self, key: str, *, owner: str) -> None:
        """Give a lease back without a token.

        Raises:
            StorageError: The database cannot be used.
        """
        with self._writing() as connection:
            self._give_back(connection, key, owner)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with transaction(migrate.opened(self._url)) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(_WATCHED)
            yield connection

    def _usable(self, connection: Connection, key: str, now: float, rejected: str | None) -> Token | None:
        """What is kept, unless it was rejected."""
        row = self._row(connection, key)
        token = self._token(key, row, now)
        if row.value is not None and (token is None or token.value == rejected):
            # Compare and delete: a token that has replaced it meanwhile stays. One that cannot be read
            # was damaged, for those of another secret are kept under another key.
            connection.execute(tokens.delete().where(tokens.c.key == key, tokens.c.value == row.value))
            return None
        return token

    @staticmethod
    def _give_back(connection: Connection, key: str, owner: str) -> None:
        connection.execute(leases.delete().where(leases.c.key == key, leases.c.owner == owner))

    @staticmethod
    def _row(connection: Connection, key: str) -> sa.Row[Any]:
        """The database's clock, beside token and lease under a key or nothing but None."""
        alone = sa.select(sa.literal(1).label("one")).subquery()
        joined = alone.outerjoin(tokens, tokens.c.key == key).outerjoin(leases, leases.c.key == key)
        kept = tokens.c.value, tokens.c.fetched_at, tokens.c.expires_at, leases.c.owner, leases.c.until
        return connection.execute(sa.select(_now(connection), *kept).select_from(joined)).one()

    def _token(self, key: str, row: sa.Row[Any], now: float) -> Token | None:
        value = None if row.value is None else TokenBox(self._app_secret, key).open(row.value)
        if value is None:
            return None
        fetched, expires = (
            (moment - row.clock).total_seconds() for moment in (row.fetched_at, row.expires_at)
        )
        return Token(value, now + fetched, now + expires)

    @staticmethod
    def _leased(connection: Connection, key: str, owner: str, clock: datetime, seconds: float) -> bool:
        added = insert(connection, leases).values(
            key=key, owner=owner, until=clock + timedelta(seconds=seconds)
        )
        taken = connection.execute(
            added.on_conflict_do_update(
                index_elements=[leases.c.key],
                set_={"owner": added.excluded.owner, "until": added.excluded.until},
                where=sa.or_(leases.c.until < clock, leases.c.owner == owner),
            ).returning(leases.c.key)
        )
        return taken.one_or_none() is not None


def _is_fresh(token: Token | None, now: float) -> bool:
    return token is not None and token.freshness(now) is Freshness.FRESH


def forget(url: URL, app_id: str) -> int:
    """Delete all stored tokens of an app.

    Returns:
        How many there were.

    Raises:
        StorageError: The database cannot be used.
    """
    with transaction(migrate.opened(url)) as connection:
        return connection.execute(tokens.delete().where(tokens.c.app_id == app_id)).rowcount


def _now(connection: Connection) -> sa.ColumnElement[datetime]:
    """The database's clock; SQLite has none finer than ours, on the same machine."""
    if connection.dialect.name == urls.SQLITE_DRIVER:
        return sa.literal(datetime.now(UTC), tokens.c.fetched_at.type).label("clock")
    return sa.func.clock_timestamp(type_=tokens.c.fetched_at.type).label("clock")
