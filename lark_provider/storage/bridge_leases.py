"""Which of several bridges does what only one may do: a lease by the database's clock."""

from __future__ import annotations

import uuid
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.storage import migrate
from lark_provider.storage.statements import insert, read_clock
from lark_provider.storage.tables import leases
from lark_provider.storage.urls import SQLITE_DRIVER


class BridgeLease:
    """A lease of one process. All methods raise StorageError if the database cannot be used.

    Args:
        url: The database.
        name: What it is for.
        seconds: How long it lasts unless it is renewed.
    """

    def __init__(self, url: URL, name: str, seconds: float = 30.0) -> None:
        self._url, self._key, self._seconds = url, f"bridge:{name}", seconds
        self._owner = str(uuid.uuid4())

    @property
    def is_for_all(self) -> bool:
        """Whether the database serves one bridge alone."""
        return self._url.drivername == SQLITE_DRIVER

    def take(self) -> bool:
        """Take the lease or renew it, and return whether this process has it."""
        columns = leases.c
        with migrate.open_transaction(self._url) as connection:
            now = read_clock(connection).now
            values = {"owner": self._owner, "until": now + timedelta(seconds=self._seconds)}
            added = insert(connection, leases).values(key=self._key, **values)
            is_free = sa.or_(columns.owner == self._owner, columns.until < now)
            taken = added.on_conflict_do_update(index_elements=[columns.key], set_=values, where=is_free)
            return connection.execute(taken.returning(columns.key)).one_or_none() is not None

    def release(self) -> None:
        """Let another process have it at once."""
        columns = leases.c
        with migrate.open_transaction(self._url) as connection:
            connection.execute(leases.delete().where(columns.key == self._key, columns.owner == self._owner))
