"""The ledger of loads: what each chunk was sent as, and what became of it.

A load's writer holds the lease of its table, and each of its steps renews that lease in the same commit. So a
process that has frozen, and lost the table meanwhile, cannot record anything that another one relies on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
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
    Load,
    LoadChunk,
    RecordedChunk,
    SupersededError,
    WrittenChunk,
    make_superseded_error,
)
from lark_provider.protocol.ledger_entry import LedgerState
from lark_provider.protocol.redact import mask_addresses
from lark_provider.protocol.tokens import App
from lark_provider.storage import forgotten, ledger_parts, ledger_rows, ledger_step, migrate, statements
from lark_provider.storage.aead import Aead, derive
from lark_provider.storage.engine import hold_transaction
from lark_provider.storage.load_leases import claim_for_load, is_current
from lark_provider.storage.statements import Clock, read_clock
from lark_provider.storage.table_leases import claim, make_lease_key
from lark_provider.storage.tables import ledger, ledger_chunks
from lark_provider.storage.urls import SQLITE_DRIVER

_TOUCHED = 16
"""After so many chunks `updated_at` of the load is renewed, so that retention does not delete a running
load."""
_DAYS_BEFORE = "UTC"
"""Where the days of a load begin whose entry says nothing about it: those of earlier versions."""


def make_ledger_id(app: str, kind: str, target: str, key: str) -> str:
    """Return the id of what a caller's key names.

    Args:
        app: The name of the app in the ledger.
        kind: `load`, `message`, `sheet` or `file`.
        target: Where it is written, such as the base and the table of a load, or the receiver of a message.
        key: The caller's key.
    """
    text = f"{app}\0{kind}\0{target}\0{key}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class LoadLedger:
    """The loads of one app in one database; implements `protocol.store.Ledger`.

    All methods raise StorageError if the database cannot be used.

    Args:
        url: The database.
        app: The app; the same keys of two apps are two loads. The key for values of records is derived from
            its secret.
    """

    def __init__(self, url: URL, app: App) -> None:
        self._url, self._app = url, app
        self._cipher = Aead(derive(app.app_secret.encode(), "lark_provider ledger: keys of rows"))

    def open(self, target: str, key: str, chunk_size: int, restart: int) -> Load:
        """Return a load, which is recorded if it is new.

        Args:
            target: Base and table.
            key: The caller's key.
            chunk_size: Rows of a chunk, if the load is new; a load keeps its size.
            restart: A number above the recorded one asks for a new start: the load is marked as being
                cleared, until `clear`.
        """
        identity, columns = make_ledger_id(self._app.name, "load", target, key), ledger.c
        with hold_transaction(migrate.prepare_engine(self._url)) as connection:
            now, record = connection.execute(
                sa.select(statements.make_clock_column(connection), forgotten.record(identity))
            ).one()
            added = statements.insert(connection, ledger).values(
                id=identity,
                kind="load",
                app_id=self._app.app_id,
                name=mask_addresses(key),
                target=target,
                state=LedgerState.PENDING,
                detail=_encode_detail(chunk_size, restart, record or ""),
                created_at=now,
                updated_at=now,
            )
            connection.execute(added.on_conflict_do_nothing(index_elements=[columns.id]))
            row = connection.execute(
                sa.select(columns.state, columns.detail).where(columns.id == identity).with_for_update()
            ).one()
            detail = orjson.loads(row.detail)
            if restart > detail["restart"]:
                detail |= {"restart": restart, "is_clearing": True}
                values = {
                    "state": LedgerState.PENDING,
                    "detail": orjson.dumps(detail).decode(),
                    "updated_at": now,
                }
                connection.execute(ledger.update().where(columns.id == identity).values(**values))
            state = LedgerState.PENDING if detail["is_clearing"] else LedgerState(row.state)
            count, written = ledger_parts.count_written(connection, [identity])[identity]
        return Load(
            identity,
            state,
            detail["chunk_size"],
            detail["restart"],
            detail["is_clearing"],
            count,
            written,
            _get_days(detail),
            detail.get("record", ""),  # a load that an earlier version has recorded has none
        )

    def read_recorded_days(self, target: str, key: str, restart: int) -> str | None:
        """Return the time zone that is recorded for the days of a load.

        Args:
            target: The base and the table of the load.
            key: The caller's key.
            restart: The number of the restart that the caller wants; above the recorded one, the load is to
                be cleared.

        Returns:
            Its name; None if it is still to be decided, since the load is new, has met no day, or is to be
            cleared.
        """
        identity = make_ledger_id(self._app.name, "load", target, key)
        with hold_transaction(migrate.prepare_engine(self._url), reading=True) as connection:
            text = connection.scalar(sa.select(ledger.c.detail).where(ledger.c.id == identity))
        detail = None if text is None else orjson.loads(text)
        if detail is None or detail["is_clearing"] or restart > detail["restart"]:
            return None
        return _get_days(detail)

    def record_days(self, load: str, zone: str) -> str:
        """Record the time zone of a load's days, unless one is recorded.

        Args:
            load: The load.
            zone: The name of the zone.

        Returns:
            The name that counts: the first one.
        """
        is_load = ledger.c.id == load
        with hold_transaction(migrate.prepare_engine(self._url)) as connection:
            text = connection.scalar(sa.select(ledger.c.detail).where(is_load).with_for_update())
            if text is None:  # forgotten meanwhile
                return zone
            detail = orjson.loads(text)
            recorded = _get_days(detail)
            if recorded is None:
                detail["days"] = recorded = zone
                changed = {"detail": orjson.dumps(detail).decode()}
                connection.execute(ledger.update().where(is_load).values(changed))
            return recorded

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
                    hold_transaction(migrate.prepare_engine(self._url)) as connection,
                ):
                    # Nothing else came of it. Where the chunk is forgotten there is nothing to record.
                    ledger_rows.record_done(connection, load, done, read_clock(connection).now)
            raise
        except ConflictError:
            if claimant.clears:  # another attempt has cleared the chunk that this one has settled
                raise make_superseded_error(load) from None
            raise

    def take(self, load: str, claimant: Claimant) -> LedgerStep:
        """Take or renew the lease of the table that a load writes.

        Args:
            load: The load.
            claimant: Who writes it, or clears it.

        Raises:
            ConflictError: It is not to be written, or cleared, any more.
        """
        with hold_transaction(migrate.prepare_engine(self._url)) as connection:
            return LedgerStep(self._claim(connection, read_clock(connection), load, claimant))

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
        with hold_transaction(migrate.prepare_engine(self._url)) as connection:
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
        with hold_transaction(migrate.prepare_engine(self._url)) as connection:
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

    def finish(self, load: str, claimant: Claimant, done: WrittenChunk | None) -> None:
        """Record that the source has ended and every chunk is written.

        A load that is to be restarted stays as it is: what is written is deleted once this writer is through.

        Args:
            load: The load's id.
            claimant: The writer of the load.
            done: The last chunk, if it is not recorded yet.

        Raises:
            ConflictError: The load was restarted or forgotten meanwhile.
        """
        if done is not None:
            with hold_transaction(migrate.prepare_engine(self._url)) as connection:
                ledger_rows.record_done(connection, load, done, read_clock(connection).now)
        with hold_transaction(migrate.prepare_engine(self._url)) as connection:
            clock = read_clock(connection)
            lease = claim(connection, clock, self._make_key(claimant), claimant)
            if is_current(connection, load, claimant):
                _touch(connection, load, clock.now, state=LedgerState.DONE)
            elif isinstance(lease, LeaseConflict) or not lease.is_renewed:
                raise make_superseded_error(load)

    def read_chunks(self, load: str, after: int, count: int) -> Sequence[RecordedChunk]:
        """Return chunks in the order of their numbers.

        Args:
            load: The load.
            after: Those with greater numbers than this.
            count: At most so many.
        """
        with hold_transaction(migrate.prepare_engine(self._url), reading=True) as connection:
            return ledger_rows.read_next(connection, self._cipher, load, after, count)

    def read_parts(self, load: str, number: int) -> Sequence[RecordedChunk]:
        """Return the parts in which a refused chunk is written, by number.

        Args:
            load: The load.
            number: The chunk.
        """
        with hold_transaction(migrate.prepare_engine(self._url), reading=True) as connection:
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
        with hold_transaction(migrate.prepare_engine(self._url)) as connection:
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
        with hold_transaction(migrate.prepare_engine(self._url)) as connection:
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
        with hold_transaction(migrate.prepare_engine(self._url), reading=True) as connection:
            for (ids,) in connection.execute(of_target):
                known |= wanted.intersection(orjson.loads(ids))
        return known

    def clear(self, load: str, claimant: Claimant, restart: int, done: int) -> bool:
        """Forget a load's chunks, since their records are deleted.

        Args:
            load: The load's id.
            claimant: The writer that has deleted the records.
            restart: The number of the restart for which they were deleted.
            done: How many chunks and parts had records.

        Returns:
            Whether they are forgotten: not if another writer has the table, has written more meanwhile, or
            has forgotten them itself.
        """
        columns, loads = ledger_chunks.c, ledger.c
        with hold_transaction(migrate.prepare_engine(self._url)) as connection:
            clock = read_clock(connection)
            if isinstance(claim(connection, clock, self._make_key(claimant), claimant), LeaseConflict):
                return False
            text = connection.execute(
                sa.select(loads.detail).where(loads.id == load).with_for_update()
            ).scalar_one_or_none()
            detail = orjson.loads(text or "{}")
            if not detail or detail["restart"] != restart or not detail["is_clearing"]:
                return False
            states = connection.scalars(
                sa.select(columns.state).where(
                    columns.ledger_id == load, columns.state != LedgerState.REFUSED
                )
            ).all()
            if LedgerState.PENDING in states or len(states) != done:
                return False
            connection.execute(ledger_chunks.delete().where(columns.ledger_id == load))
            cleared = _encode_detail(detail["chunk_size"], restart, detail.get("record", ""))
            _touch(connection, load, clock.now, detail=cleared, state=LedgerState.PENDING)
            return True

    def _make_key(self, claimant: Claimant) -> str:
        return make_lease_key(self._app.base_url, claimant.key)

    def _claim(
        self, connection: Connection, clock: Clock, load: str, claimant: Claimant
    ) -> Lease | LeaseConflict:
        return claim_for_load(connection, clock, self._make_key(claimant), claimant, load)

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
        _touch(connection, load, now)


def _touch(connection: Connection, load: str, now: datetime, **values: Any) -> None:
    connection.execute(ledger.update().where(ledger.c.id == load).values(updated_at=now, **values))


def _encode_detail(chunk_size: int, restart: int, record: str) -> str:
    detail = {
        "chunk_size": chunk_size,
        "restart": restart,
        "is_clearing": False,
        "days": None,
        "record": record,
    }
    return orjson.dumps(detail).decode()


def _get_days(detail: Mapping[str, Any]) -> str | None:
    """Return the time zone of a load's days; a load that an earlier version has recorded names none."""
    zone: str | None = detail.get("days", _DAYS_BEFORE)
    return zone
