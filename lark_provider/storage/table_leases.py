"""Leases of Bitable tables and of documents: one writer at a time, and what a sync is about to create.

A lease is a row, committed at once: no process holds a connection while it writes, and one that dies or
freezes loses the table by the clock, which is the database's.
"""

from __future__ import annotations

import hashlib
import os
import socket
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from lark_provider.protocol.ledger import Claimant, Intent, Lease, LeaseConflict
from lark_provider.storage import migrate, statements
from lark_provider.storage.aead import Aead, derive
from lark_provider.storage.statements import Clock, read_clock
from lark_provider.storage.tables import table_leases


def make_lease_key(base_url: str, table: str) -> str:
    """Return the key of a table's row. It is the same for all apps, since they disturb each other.

    Args:
        base_url: The base URL of the Lark that has the table.
        table: The name of base and table, or of a document.
    """
    return hashlib.sha256(f"{base_url}\0{table}".encode("utf-8", "surrogatepass")).hexdigest()


_RENEWAL = (
    table_leases.update()
    .where(table_leases.c.key == sa.bindparam("the_key"), table_leases.c.owner == sa.bindparam("the_owner"))
    .values(until=sa.bindparam("new_end"))
)
"""Made once, as a load renews its lease with each chunk."""


def claim(
    connection: Connection, clock: Clock, key: str, claimant: Claimant, **columns: Any
) -> Lease | LeaseConflict:
    """Take or renew a lease in an open transaction, which then writes for its holder alone.

    The row stays locked until the transaction ends, so that a writer that has lost its lease cannot commit.

    Args:
        connection: The open transaction.
        clock: The database's clock, as read in that transaction.
        key: The key of the lease, from `make_lease_key`.
        claimant: The writer that wants the lease.
        columns: What else to write in the row, unless another writer has had it since: what that one has
            recorded has to be settled first.
    """
    rows, now = table_leases.c, clock.now
    ends, until = clock.began + claimant.seconds, now + timedelta(seconds=claimant.seconds)
    holder = f"{claimant.holder} (process {os.getpid()} on {socket.gethostname()})"
    values = {"owner": claimant.owner, "holder": holder, "until": until}
    renewal = _RENEWAL.values(**columns) if columns else _RENEWAL
    renewed = {"the_key": key, "the_owner": claimant.owner, "new_end": until}
    if connection.execute(renewal, renewed).rowcount:
        return Lease(claimant.key, claimant.owner, ends)
    added = statements.insert(connection, table_leases).values(key=key, **values, **columns)
    free = added.on_conflict_do_update(index_elements=[rows.key], set_=values, where=rows.until < now)
    if connection.execute(free.returning(rows.key)).one_or_none() is not None:
        return Lease(claimant.key, claimant.owner, ends, is_renewed=False)
    held = connection.execute(sa.select(rows.holder, rows.until).where(rows.key == key)).one()
    return LeaseConflict(held.holder, max(0.0, (held.until - now).total_seconds()))


class TableLeases:
    """The leases of tables in one database; implements `protocol.store.Leases`.

    All methods raise StorageError if the database cannot be used.

    Args:
        url: The database's URL.
        base_url: The base URL of the Lark that has the tables.
        app_secret: The app's secret, from which the key for intents is derived: they hold values of records.
    """

    def __init__(self, url: URL, base_url: str, app_secret: str) -> None:
        self._url, self._base_url = url, base_url
        self._cipher = Aead(derive(app_secret.encode(), "lark_provider table_leases: intents"))

    def take(self, claimant: Claimant) -> Lease | LeaseConflict:
        """Take a table's lease, or renew it.

        Args:
            claimant: The writer that wants the lease.
        """
        with migrate.open_transaction(self._url) as connection:
            return claim(connection, read_clock(connection), self._make_key(claimant), claimant)

    def release(self, claimant: Claimant) -> None:
        """Let the next writer have the table; what is recorded as intended stays.

        Args:
            claimant: Whose lease it is; another one's stays.
        """
        columns = table_leases.c
        with migrate.open_transaction(self._url) as connection:
            now = read_clock(connection).now
            connection.execute(
                table_leases.update()
                .where(columns.key == self._make_key(claimant), columns.owner == claimant.owner)
                .values(until=now - timedelta(seconds=1))
            )

    def record_intent(self, claimant: Claimant, text: str) -> Lease | LeaseConflict:
        """Record what is about to be created, and renew the lease, in one commit; nothing if it was lost.

        Args:
            claimant: The writer that holds the lease.
            text: The intent, such as token and keys as JSON. It replaces the one before.
        """
        sealed = self._cipher.seal(text, (self._make_key(claimant),))
        with migrate.open_transaction(self._url) as connection:
            clock = read_clock(connection)
            return claim(
                connection, clock, self._make_key(claimant), claimant, intent=sealed, intent_at=clock.now
            )

    def read_intent(self, table: str) -> Intent | None:
        """Return what was recorded as intended for a table, if it was not settled.

        Args:
            table: Names the table, as `Claimant.key` does.
        """
        columns, key = table_leases.c, make_lease_key(self._base_url, table)
        with migrate.open_transaction(self._url, reading=True) as connection:
            row = connection.execute(
                sa.select(columns.intent, columns.intent_at, statements.make_clock_column(connection)).where(
                    columns.key == key
                )
            ).one_or_none()
        if row is None or row.intent is None:
            return None
        age = (row.clock - row.intent_at).total_seconds()
        return Intent(self._cipher.open(row.intent, (key,)), age)

    def clear_intent(self, claimant: Claimant) -> Lease | LeaseConflict:
        """Forget the intent, since it is settled, and renew the lease; nothing if it was lost.

        Args:
            claimant: The writer that holds the lease.
        """
        with migrate.open_transaction(self._url) as connection:
            clock = read_clock(connection)
            return claim(connection, clock, self._make_key(claimant), claimant, intent=None, intent_at=None)

    def _make_key(self, claimant: Claimant) -> str:
        return make_lease_key(self._base_url, claimant.key)
