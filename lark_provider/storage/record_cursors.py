"""What was reported of a watched table's records, and how far it was scanned."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.protocol.record_cursors import Cursor, SeenRecord
from lark_provider.storage import migrate
from lark_provider.storage.statements import insert, make_among_condition, read_clock
from lark_provider.storage.tables import handled_events
from lark_provider.storage.watch_tables import record_cursors, seen_records

_KEPT = timedelta(days=1)
"""Lark repeats an event for 7.1 hours; longer than that no row is compared with one."""
_ROWS = 500


def make_cursor_key(app: str, app_token: str, table_id: str, wanted: Mapping[str, Any]) -> str:
    """Return the key of a cursor.

    Args:
        app: The app's id and base URL.
        app_token: The base.
        table_id: The table.
        wanted: What the watcher looks for; another filter has a cursor of its own.
    """
    content = json.dumps([app, app_token, table_id, dict(wanted)], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


class RecordCursors:
    """The cursor of one watched table. All methods raise StorageError if the database cannot be used.

    Args:
        url: The database's URL.
        key: The cursor's key, from `make_cursor_key`.
    """

    def __init__(self, url: URL, key: str) -> None:
        self._url, self._key, self._consumer = url, key, f"records:{key}"

    def begin(self, app_id: str, app_token: str, table_id: str, now_ms: int) -> tuple[Cursor, bool]:
        """Return the cursor, which is recorded if it is new.

        Args:
            app_id: The app.
            app_token: The base.
            table_id: The table.
            now_ms: Where a new one begins.

        Returns:
            The cursor, and whether it is new.
        """
        columns = record_cursors.c
        with migrate.open_transaction(self._url) as connection:
            now = read_clock(connection).now
            added = insert(connection, record_cursors).values(
                key=self._key,
                app_id=app_id,
                app_token=app_token,
                table_id=table_id,
                began_ms=now_ms,
                scanned_ms=now_ms,
                created_at=now,
                updated_at=now,
            )
            new = connection.execute(
                added.on_conflict_do_nothing(index_elements=[columns.key]).returning(columns.key)
            ).one_or_none()
            row = connection.execute(
                sa.select(columns.began_ms, columns.scanned_ms).where(columns.key == self._key)
            ).one()
        return Cursor(row.began_ms, row.scanned_ms), new is not None

    def is_handled(self, event_key: str) -> bool:
        """Return whether an event was reported.

        Args:
            event_key: What its deliveries have in common.
        """
        with migrate.open_transaction(self._url, reading=True) as connection:
            query = sa.select(handled_events.c.event_id).where(
                handled_events.c.consumer == self._consumer, handled_events.c.event_id == event_key
            )
            return connection.execute(query).one_or_none() is not None

    def read_seen(self, record_ids: Collection[str] | None = None) -> dict[str, SeenRecord]:
        """Return what was reported, by record id.

        Args:
            record_ids: The records; None for all.
        """
        columns = seen_records.c
        query = sa.select(
            columns.record_id, columns.modified_ms, columns.scanned_ms, columns.is_deleted
        ).where(columns.cursor_key == self._key)
        with migrate.open_transaction(self._url, reading=True) as connection:
            if record_ids is not None:
                query = query.where(make_among_condition(connection, columns.record_id, record_ids))
            return {
                row.record_id: SeenRecord(row.modified_ms, row.scanned_ms, row.is_deleted)
                for row in connection.execute(query)
            }

    def note(self, records: Mapping[str, SeenRecord], event_key: str | None = None) -> None:
        """Record what was reported, in one transaction. Times only grow, whatever other processes record.

        Args:
            records: What is known now, by record id.
            event_key: The event that was reported; None after a scan.
        """
        columns = seen_records.c
        with migrate.open_transaction(self._url) as connection:
            now = read_clock(connection).now
            values = [
                {"cursor_key": self._key, "record_id": record_id, "updated_at": now, **asdict(record)}
                for record_id, record in sorted(records.items())
            ]
            for start in range(0, len(values), _ROWS):
                added = insert(connection, seen_records).values(values[start : start + _ROWS])
                excluded = added.excluded
                largest = {
                    column.name: sa.case(
                        (excluded[column.name] > column, excluded[column.name]), else_=column
                    )
                    for column in (columns.modified_ms, columns.scanned_ms)
                }
                changed = {**largest, "is_deleted": excluded.is_deleted, "updated_at": excluded.updated_at}
                connection.execute(
                    added.on_conflict_do_update(
                        index_elements=[columns.cursor_key, columns.record_id], set_=changed
                    )
                )
            if event_key is not None:
                row = {"consumer": self._consumer, "event_id": event_key, "handled_at": now}
                connection.execute(insert(connection, handled_events).values(row).on_conflict_do_nothing())

    def complete(self, cursor: Cursor, *, keeps_all: bool) -> None:
        """Record that a scan is complete, and forget what no event or scan is compared with any more.

        Args:
            cursor: The cursor after the scan.
            keeps_all: Whether rows of all records stay, which deletions are found by.
        """
        cursors = record_cursors.c
        with migrate.open_transaction(self._url) as connection:
            now = read_clock(connection).now
            later = sa.case(
                (cursors.scanned_ms > cursor.scanned_ms, cursors.scanned_ms), else_=cursor.scanned_ms
            )
            connection.execute(
                record_cursors.update()
                .where(cursors.key == self._key)
                .values(scanned_ms=later, updated_at=now)
            )
        columns = seen_records.c
        unneeded = (
            columns.is_deleted
            if keeps_all
            else sa.or_(columns.is_deleted, columns.modified_ms <= cursor.since_ms)
        )
        while self._forget(sa.and_(columns.updated_at < now - _KEPT, unneeded)) == _ROWS:
            pass

    def _forget(self, unneeded: sa.ColumnElement[bool]) -> int:
        """Delete some rows, no more than one statement can within its limit; return how many."""
        columns = seen_records.c
        batch = sa.select(columns.record_id).where(columns.cursor_key == self._key, unneeded).limit(_ROWS)
        chosen = sa.and_(columns.cursor_key == self._key, columns.record_id.in_(batch))
        with migrate.open_transaction(self._url) as connection:
            return connection.execute(seen_records.delete().where(chosen, unneeded)).rowcount
