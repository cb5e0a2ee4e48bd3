"""Tokens for all processes that share a database, and the leases that let one of them renew.

A lease is a row, committed at once, and not a lock held during a request to Lark: no process holds a
connection while waiting, and one that dies or freezes loses the lease by the clock, which is the database's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from lark_provider.protocol.tokens import Freshness, Token
from lark_provider.storage import migrate, statements
from lark_provider.storage.crypto import TokenBox
from lark_provider.storage.tables import leases, tokens


@dataclass(frozen=True, slots=True)
class TokenClaim:
    """The answer to a caller that needs a token.

    Attributes:
        token: The stored token, in whatever state, its times by the caller's clock; None if there is none.
        won: Whether the caller has the lease, and must fetch a new token.
    """

    token: Token | None = field(default=None, repr=False)
    won: bool = False


class TokenStore:
    """The tokens of one app in one database. All methods raise StorageError if it cannot be used.

    Args:
        url: The database.
        app_id: The app.
        app_secret: Its secret, from which the encryption key is derived.
    """

    def __init__(self, url: URL, app_id: str, app_secret: str) -> None:
        self._url, self._app_id, self._app_secret = url, app_id, app_secret

    def claim(
        self, key: str, *, now: float, owner: str, lease_seconds: float, rejected: str | None = None
    ) -> TokenClaim:
        """Return the stored token, and unless it is fresh, try to take the lease for renewing it.

        Args:
            key: Names the token.
            now: The caller's clock, seconds since the epoch.
            owner: Names the caller.
            lease_seconds: How long other callers leave the renewal to this one.
            rejected: A token that Lark has just rejected; if it is the stored one, it is deleted first.
        """
        with migrate.open_transaction(self._url, reading=True) as connection:
            row = self._read_row(connection, key)
        token = self._read_token(key, row, now)
        if token is not None and token.value == rejected:
            token = None
        is_held = row.until is not None and row.until >= row.clock and row.owner != owner
        if _is_fresh(token, now) or is_held:
            return TokenClaim(token)  # The usual case, which takes no lock.
        with migrate.open_transaction(self._url) as connection:
            if not self._try_lease(connection, key, owner, row.clock, lease_seconds):
                return TokenClaim(token)
            # Read again: the lease may be free because its holder has just stored a token.
            token = self._read_usable(connection, key, now, rejected)
            if _is_fresh(token, now):
                self._release(connection, key, owner)
                return TokenClaim(token)
            return TokenClaim(token, won=True)

    def get(self, key: str, *, now: float) -> Token | None:
        """Return the stored token, in whatever state.

        Args:
            key: Names the token.
            now: The caller's clock.
        """
        with migrate.open_transaction(self._url, reading=True) as connection:
            return self._read_token(key, self._read_row(connection, key), now)

    def put(self, key: str, token: Token, *, clock: Callable[[], float], owner: str) -> None:
        """Store a token, unless a longer-lived one is stored, and release the lease.

        Args:
            key: Names the token.
            token: The token, its times by the caller's clock.
            clock: The caller's clock.
            owner: Names the caller.
        """
        sealed = TokenBox(self._app_secret, key).seal(token.value)
        with migrate.open_transaction(self._url) as connection:
            database_now = connection.execute(
                sa.select(statements.make_clock_column(connection))
            ).scalar_one()
            # Read last: a process that freezes in between must not lengthen the token's life.
            local_now = clock()
            times = {
                "fetched_at": database_now + timedelta(seconds=token.fetched_at - local_now),
                "expires_at": database_now + timedelta(seconds=token.expires_at - local_now),
            }
            added = statements.insert(connection, tokens).values(
                key=key, app_id=self._app_id, value=sealed, **times
            )
            connection.execute(
                added.on_conflict_do_update(
                    index_elements=[tokens.c.key],
                    set_={name: added.excluded[name] for name in ("value", *times)},
                    where=tokens.c.expires_at < added.excluded.expires_at,
                )
            )
            self._release(connection, key, owner)

    def release(self, key: str, *, owner: str) -> None:
        """Release a lease without a token."""
        with migrate.open_transaction(self._url) as connection:
            self._release(connection, key, owner)

    def _read_usable(
        self, connection: Connection, key: str, now: float, rejected: str | None
    ) -> Token | None:
        """Return the stored token; delete it if it was rejected or cannot be read."""
        row = self._read_row(connection, key)
        token = self._read_token(key, row, now)
        if row.value is not None and (token is None or token.value == rejected):
            # Compare and delete: a token that has replaced it meanwhile stays. One that cannot be read was
            # damaged, since tokens of another secret are stored under another key.
            connection.execute(tokens.delete().where(tokens.c.key == key, tokens.c.value == row.value))
            return None
        return token

    @staticmethod
    def _release(connection: Connection, key: str, owner: str) -> None:
        connection.execute(leases.delete().where(leases.c.key == key, leases.c.owner == owner))

    @staticmethod
    def _read_row(connection: Connection, key: str) -> sa.Row[Any]:
        """Return the database's clock with the token and the lease of a key, each None if it is missing."""
        alone = sa.select(sa.literal(1).label("one")).subquery()
        joined = alone.outerjoin(tokens, tokens.c.key == key).outerjoin(leases, leases.c.key == key)
        stored = tokens.c.value, tokens.c.fetched_at, tokens.c.expires_at, leases.c.owner, leases.c.until
        return connection.execute(
            sa.select(statements.make_clock_column(connection), *stored).select_from(joined)
        ).one()

    def _read_token(self, key: str, row: sa.Row[Any], now: float) -> Token | None:
        value = None if row.value is None else TokenBox(self._app_secret, key).open(row.value)
        if value is None:
            return None
        fetched, expires = (
            (moment - row.clock).total_seconds() for moment in (row.fetched_at, row.expires_at)
        )
        return Token(value, now + fetched, now + expires)

    @staticmethod
    def _try_lease(connection: Connection, key: str, owner: str, clock: datetime, seconds: float) -> bool:
        added = statements.insert(connection, leases).values(
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
    return token is not None and token.compute_freshness(now) is Freshness.FRESH


def forget(url: URL, app_id: str) -> int:
    """Delete all stored tokens of an app, and return how many there were.

    Raises:
        StorageError: The database cannot be used.
    """
    with migrate.open_transaction(url) as connection:
        return connection.execute(tokens.delete().where(tokens.c.app_id == app_id)).rowcount
