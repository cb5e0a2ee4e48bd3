"""The row of a load: its size, its restarts, the time zone of its days, and whether it is done."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from lark_provider.protocol.ledger import (
    Claimant,
    Lease,
    LeaseConflict,
    LedgerStep,
    Load,
    WrittenChunk,
    make_superseded_error,
)
from lark_provider.protocol.ledger_entry import LedgerState, make_ledger_id
from lark_provider.protocol.redact import mask_addresses
from lark_provider.protocol.tokens import App
from lark_provider.storage import forgotten, ledger_parts, ledger_rows, migrate, statements
from lark_provider.storage.load_leases import claim_for_load, is_current
from lark_provider.storage.statements import Clock, read_clock
from lark_provider.storage.table_leases import claim, make_lease_key
from lark_provider.storage.tables import ledger, ledger_chunks

_DAYS_BEFORE = "UTC"
"""Where the days of a load begin whose entry says nothing about it: those of earlier versions."""


class LoadEntries:
    """The rows of the loads of one app in one database.

    All methods raise StorageError if the database cannot be used.

    Args:
        url: The database.
        app: The app; the same keys of two apps are two loads.
    """

    def __init__(self, url: URL, app: App) -> None:
        self._url, self._app = url, app

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
        with migrate.open_transaction(self._url) as connection:
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
            detail, values = orjson.loads(row.detail), dict[str, Any]()
            if restart > detail["restart"]:
                detail |= {"restart": restart, "is_clearing": True}
                values = {"state": LedgerState.PENDING, "detail": orjson.dumps(detail).decode()}
            # An old load that is tried again is not deleted as an old one: its next chunks may not say so.
            touch(connection, identity, now, **values)
            state = LedgerState.PENDING if detail["is_clearing"] else LedgerState(row.state)
            count, written = ledger_parts.count_written(connection, [identity])[identity]
        return Load(
            id=identity,
            state=state,
            chunk_size=detail["chunk_size"],
            restart=detail["restart"],
            is_clearing=detail["is_clearing"],
            chunks=count,
            written=written,
            days=_get_days(detail),
            record=detail.get("record", ""),  # a load that an earlier version has recorded has none
        )

    def read_recorded_zone(self, target: str, key: str, restart: int) -> str | None:
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
        with migrate.open_transaction(self._url, reading=True) as connection:
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
        with migrate.open_transaction(self._url) as connection:
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

    def take(self, load: str, claimant: Claimant) -> LedgerStep:
        """Take or renew the lease of the table that a load writes.

        Args:
            load: The load.
            claimant: Who writes it, or clears it.

        Raises:
            ConflictError: It is not to be written, or cleared, any more.
        """
        with migrate.open_transaction(self._url) as connection:
            return LedgerStep(self._claim(connection, read_clock(connection), load, claimant))

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
            with migrate.open_transaction(self._url) as connection:
                ledger_rows.record_done(connection, load, done, read_clock(connection).now)
        with migrate.open_transaction(self._url) as connection:
            clock = read_clock(connection)
            lease = claim(connection, clock, self._make_key(claimant), claimant)
            if is_current(connection, load, claimant):
                touch(connection, load, clock.now, state=LedgerState.DONE)
            elif isinstance(lease, LeaseConflict) or not lease.is_renewed:
                raise make_superseded_error(load)

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
        with migrate.open_transaction(self._url) as connection:
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
            touch(connection, load, clock.now, detail=cleared, state=LedgerState.PENDING)
            return True

    def _make_key(self, claimant: Claimant) -> str:
        return make_lease_key(self._app.base_url, claimant.key)

    def _claim(
        self, connection: Connection, clock: Clock, load: str, claimant: Claimant
    ) -> Lease | LeaseConflict:
        return claim_for_load(connection, clock, self._make_key(claimant), claimant, load)


def touch(connection: Connection, load: str, now: datetime, **values: Any) -> None:
    """Set columns of a load's row, and when it was last changed."""
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
