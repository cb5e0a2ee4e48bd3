"""The ledger of loads: what each chunk was sent as, and its outcome.

A load's writer holds the lease of its table, and each of its steps renews that lease in the same commit. So a
process that has frozen, and lost the table meanwhile, cannot record anything that another one relies on.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from lark_provider.protocol.errors import ConflictError
from lark_provider.protocol.ledger import (
    Claimant,
    Lease,
    LeaseConflict,
    LedgerStep,
    LoadChunk,
    RecordedChunk,
    SupersededError,
    WrittenChunk,
    make_superseded_error,
)
from lark_provider.protocol.ledger_entry import LedgerState
from lark_provider.protocol.redact import mask_addresses
from lark_provider.protocol.tokens import App
from lark_provider.storage import ledger_parts, ledger_rows, ledger_step, migrate, statements
from lark_provider.storage.aead import Aead, derive
from lark_provider.storage.engine import hold_transaction
from lark_provider.storage.load_entries import LoadEntries, touch
from lark_provider.storage.statements import read_clock
from lark_provider.storage.tables import ledger, ledger_chunks
from lark_provider.storage.urls import SQLITE_DRIVER

_TOUCHED = 16
"""After so many chunks `updated_at` of the load is renewed, so that retention does not delete a running
load."""


class LoadLedger(LoadEntries):
    """The loads of one app in one database; implements `protocol.store.Ledger`.

    All methods raise StorageError if the database cannot be used.

    Args:
        url: The database.
        app: The app; the same keys of two apps are two loads. The key for values of records is derived from
            its secret.
    """

    def __init__(self, url: URL, app: App) -> None:
        super().__init__(url, app)
        self._cipher = Aead(derive(app.app_secret.encode(), "lark_provider ledger: keys of rows"))

    def record_step(
        self, load: str, claimant: Claimant, done: WrittenChunk | None, pending: LoadChunk | None
    ) -> LedgerStep:
        """Record in one commit that a chunk is written, and the next one as pending, and renew the lease.

        That a chunk is written is recorded even if the lease is lost, since it is certain.

        Args:
            load: The load's id.
            claimant: The writer of the load, for which the table's lease is renewed.
            done: The chunk that is written.
            pending: The next one; if the ledger has that number already, what it has is returned.

        Raises:
            ConflictError: The load was restarted or forgotten meanwhile, or another process has recorded
                otherwise that the chunk is written.
        """
        try:
            return self._record_step(load, claimant, done, pending)
        except SupersededError:
            if done is not None:
                with (
                    suppress(ConflictError),
                    migrate.open_transaction(self._url) as connection,
                ):
                    # Only the result of the chunk is recorded, and not even that where the chunk was deleted.
                    ledger_rows.record_done(connection, load, done, read_clock(connection).now)
            raise
        except ConflictError:
            if claimant.clears:  # another attempt has cleared the chunk that this one has settled
                raise make_superseded_error(load) from None
            raise

    def _record_step(
        self, load: str, claimant: Claimant, done: WrittenChunk | None, pending: LoadChunk | None
    ) -> LedgerStep:
        on = migrate.prepare_engine(self._url)
        if pending is not None and on.dialect.name != SQLITE_DRIVER:
            values = self._make_values(load, pending)
            key = self._make_key(claimant)
            with hold_transaction(on, each_alone=True) as connection:
                stepped = ledger_step.run(connection, load, key, claimant, done, values)
                if stepped.lease is not None:
                    if stepped.added_at is None:
                        return LedgerStep(stepped.lease, self._read_chunk(connection, load, pending.number))
                    _touch_sometimes(connection, load, pending, stepped.added_at)
                    return _make_added_step(stepped.lease, pending, stepped.added_at)
            done = None
        with hold_transaction(on) as connection:
            clock = read_clock(connection)
            if done is not None:
                ledger_rows.record_done(connection, load, done, clock.now)
            lease = self._claim(connection, clock, load, claimant)
            if isinstance(lease, LeaseConflict) or pending is None:
                return LedgerStep(lease)
            values = {"ledger_id": load, **self._make_values(load, pending), **_make_clock_values(clock.now)}
            key_columns = ledger_chunks.primary_key.columns
            added = statements.insert(connection, ledger_chunks).on_conflict_do_nothing(
                index_elements=key_columns
            )
            if connection.execute(added.returning(ledger_chunks.c.number), values).one_or_none() is None:
                return LedgerStep(lease, self._read_chunk(connection, load, pending.number))
            _touch_sometimes(connection, load, pending, clock.now)
            return _make_added_step(lease, pending, clock.now)

    def resend(self, load: str, claimant: Claimant, token: str, chunk: LoadChunk) -> LedgerStep:
        """Record that a chunk is sent again: with a new token, or once more with the same one.

        Args:
            load: The load's id.
            claimant: The writer of the load, for which the table's lease is renewed.
            token: The token in the ledger; a row with another one is left as it is.
            chunk: The chunk as it is sent. With another token it counts as first sent now.
        """
        columns = ledger_chunks.c
        with migrate.open_transaction(self._url) as connection:
            clock = read_clock(connection)
            lease, now = self._claim(connection, clock, load, claimant), clock.now
            if isinstance(lease, LeaseConflict):
                return LedgerStep(lease)
            values: dict[str, Any] = {"state": LedgerState.PENDING, "updated_at": now, "reason": None}
            if chunk.token != token:
                values |= {**self._make_values(load, chunk), **_make_clock_values(now)}
            changed = connection.execute(
                ledger_chunks.update()
                .where(columns.ledger_id == load, columns.number == chunk.number, columns.token == token)
                .where(columns.state != LedgerState.DONE)
                .values(**values)
            )
            return LedgerStep(lease, self._read_chunk(connection, load, chunk.number), changed.rowcount == 1)

    def refuse(self, load: str, number: int, token: str, reason: str) -> None:
        """Record that Lark refused a chunk.

        Args:
            load: The load.
            number: The chunk.
            token: The token that it was sent with; a row with another one is left alone.
            reason: What Lark said; addresses in it are masked.
        """
        columns = ledger_chunks.c
        with migrate.open_transaction(self._url) as connection:
            connection.execute(
                ledger_chunks.update()
                .where(columns.ledger_id == load, columns.number == number, columns.token == token)
                .where(columns.state == LedgerState.PENDING)
                .values(
                    state=LedgerState.REFUSED,
                    reason=mask_addresses(reason),
                    updated_at=read_clock(connection).now,
                )
            )

    def read_chunks(self, load: str, after: int, count: int) -> Sequence[RecordedChunk]:
        """Return chunks in the order of their numbers.

        Args:
            load: The load.
            after: Those with greater numbers than this.
            count: At most so many.
        """
        with migrate.open_transaction(self._url, reading=True) as connection:
            return ledger_rows.read_next(connection, self._cipher, load, after, count)

    def read_parts(self, load: str, number: int) -> Sequence[RecordedChunk]:
        """Return the parts in which a refused chunk is written, by number.

        Args:
            load: The load.
            number: The chunk.
        """
        with migrate.open_transaction(self._url, reading=True) as connection:
            return ledger_rows.read(connection, self._cipher, ledger_parts.is_part(load, number))

    def revise(self, load: str, claimant: Claimant, token: str, chunk: LoadChunk) -> LedgerStep:
        """Record other rows for a refused chunk of which parts are written, and renew the lease.

        Args:
            load: The load's id.
            claimant: The writer of the load, for which the table's lease is renewed.
            token: The token in the ledger; a row with another one is left as it is.
            chunk: The rows as they are now; their token is not sent.
        """
        columns = ledger_chunks.c
        with migrate.open_transaction(self._url) as connection:
            clock = read_clock(connection)
            lease = self._claim(connection, clock, load, claimant)
            if isinstance(lease, LeaseConflict):
                return LedgerStep(lease)
            values = self._make_values(load, chunk)
            kept = {name: values[name] for name in ledger_rows.CONTENT}
            changed = connection.execute(
                ledger_chunks.update()
                .where(columns.ledger_id == load, columns.number == chunk.number, columns.token == token)
                .where(columns.state == LedgerState.REFUSED)
                .values(**kept, updated_at=clock.now)
            )
            return LedgerStep(lease, self._read_chunk(connection, load, chunk.number), changed.rowcount == 1)

    def forget_parts(self, load: str, number: int) -> None:
        """Forget the parts of a chunk, of which nothing was written.

        Args:
            load: The load.
            number: The chunk.
        """
        with migrate.open_transaction(self._url) as connection:
            connection.execute(ledger_chunks.delete().where(ledger_parts.is_part(load, number)))

    def select_known_records(self, target: str, since: float, candidates: Sequence[str]) -> set[str]:
        """Return which records belong to chunks of any load of a table that were done since a time.

        Args:
            target: Base and table.
            since: In seconds since the epoch, by the database's clock.
            candidates: Ids of records.
        """
        wanted, known = set(candidates), set[str]()
        columns = ledger_chunks.c
        of_target = (
            sa.select(columns.record_ids)
            .join(ledger, ledger.c.id == columns.ledger_id)
            .where(ledger.c.target == target, columns.record_ids.is_not(None))
            .where(columns.updated_at >= datetime.fromtimestamp(since, UTC))
        )
        with migrate.open_transaction(self._url, reading=True) as connection:
            for (ids,) in connection.execute(of_target):
                known |= wanted.intersection(orjson.loads(ids))
        return known

    def _make_values(self, load: str, chunk: LoadChunk) -> dict[str, Any]:
        return ledger_rows.make_values(self._cipher, load, chunk)

    def _read_chunk(self, connection: Connection, load: str, number: int) -> RecordedChunk:
        return ledger_rows.read_chunk(connection, self._cipher, load, number)


def _make_added_step(lease: Lease, chunk: LoadChunk, at: datetime) -> LedgerStep:
    recorded = RecordedChunk(chunk, LedgerState.PENDING, None, None, 0.0, 0.0, at.timestamp())
    return LedgerStep(lease, recorded, is_new=True)


def _make_clock_values(now: datetime) -> dict[str, datetime]:
    return {"sent_at": now, "updated_at": now}


def _touch_sometimes(connection: Connection, load: str, chunk: LoadChunk, now: datetime) -> None:
    if chunk.number % _TOUCHED == 0:
        touch(connection, load, now)
