"""The outbox: messages and card updates that are to reach Lark, whichever process delivers them.

A row is claimed for a time, by the database's clock. Of a card's rows only the one of the lowest version that
is due can be claimed, so that one process at a time delivers a card, and in the order of its versions. Before
that, rows that a newer version has made obsolete are marked as superseded: a card shows its last version
after two requests, however many were recorded meanwhile. A row that may have been sent already is not
superseded: it is sent again under the same key, or a second card would appear.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from lark_provider.protocol.tokens import App
from lark_provider.storage import migrate, outbox_rows, statements, urls
from lark_provider.storage.bridge_tables import incidents, outbox
from lark_provider.storage.errors import StorageError
from lark_provider.storage.outbox_rows import ClaimedRow, OutboxEntry, RowState
from lark_provider.support import measured
from lark_provider.support.meters import Gauge

_MAX_REASON = 500


class Outbox:
    """The outbox of one database. Safe with threads. All methods raise StorageError if it cannot be used.

    Args:
        url: The database.
    """

    def __init__(self, url: URL) -> None:
        self._url = url

    @classmethod
    def from_config(cls, database_url: str | None = None) -> Outbox:
        """Return the outbox of the configured database.

        Args:
            database_url: Else `LARK_DATABASE_URL` or `POSTGRES_*`.

        Raises:
            ConfigurationError: No database is configured.
        """
        return cls(urls.database(database_url))

    @property
    def batch_size(self) -> int:
        """How many rows a process delivers at once: a SQLite file takes one writer."""
        return 4 if self._url.drivername == urls.SQLITE_DRIVER else 16

    def add(self, app: App, entry: OutboxEntry) -> bool:
        """Add a row in a transaction of its own; see `outbox_rows.add`."""
        with migrate.open_transaction(self._url) as connection:
            return outbox_rows.add(connection, app, entry)

    def claim(
        self,
        owner: str,
        seconds: float,
        *,
        limit: int,
        without: Collection[str] = (),
        only: str | None = None,
    ) -> list[ClaimedRow]:
        """Claim rows that are due.

        Args:
            owner: The id of the caller, which no other one has.
            seconds: How long other callers leave the rows to this one, in seconds.
            limit: How many rows to claim at most.
            without: Ids of the apps whose rows are left to other processes.
            only: The id of the one row, or of the one card, to claim; None for any.
        """
        if only is None and not self._is_any_due(without):
            return []  # The usual case, which takes no lock and leaves a SQLite file alone.
        with migrate.open_transaction(self._url) as connection:
            now = statements.read_clock(connection).now
            until = now + timedelta(seconds=seconds)
            _expire(connection, now)
            while True:
                claims, obsolete = [], []
                for row in connection.execute(_select_heads(now, without, only).limit(limit)).all():
                    claimed = _read_claim(connection, row, now)
                    if claimed is None:
                        obsolete.append(row.id)
                    else:
                        claims.append(claimed)
                        _set_owner(connection, claimed, owner, until, now)
                if obsolete:
                    gone = {"state": "superseded", "owner": None, "updated_at": now}
                    connection.execute(outbox.update().where(outbox.c.id.in_(obsolete)).values(gone))
                if claims or not obsolete:
                    return claims  # Else the next versions of these cards can be claimed now.

    def _is_any_due(self, without: Collection[str]) -> bool:
        with migrate.open_transaction(self._url, reading=True) as connection:
            now = statements.read_clock(connection).now
            query = sa.select(outbox.c.id).where(_make_free_condition(now, without)).limit(1)
            return connection.execute(query).first() is not None

    def record_delivered(self, row: ClaimedRow, owner: str, message_id: str) -> None:
        """Record that a row is delivered.

        Args:
            row: The row.
            owner: The id of the caller that claimed the row.
            message_id: The id of the message that shows it.
        """
        with migrate.open_transaction(self._url) as connection:
            now = statements.read_clock(connection).now
            if row.card is not None and row.message_id is None:
                # Before the row of the outbox, as those who record an event do, or both would deadlock.
                connection.execute(
                    incidents.update().where(incidents.c.key == row.card).values(message_id=message_id)
                )
            done = {"state": "delivered", "owner": None, "reason": None, "message_id": message_id}
            was_owned = _change(connection, row, owner, now, **done, attempts=row.attempts + 1)
            if row.card is not None and not was_owned:
                # Another process took over while this one was frozen, and may have delivered a newer
                # version before this older one: the newest is delivered once more.
                _renew(connection, row.card, now)

    def postpone(
        self, row: ClaimedRow, owner: str, reason: str, seconds: float, *, may_be_sent: bool
    ) -> None:
        """Record that a row is to be tried again.

        Args:
            row: The row.
            owner: The id of the caller that claimed the row.
            reason: Why the row is to be tried again.
            seconds: Seconds from now until the next attempt.
            may_be_sent: Whether the attempt may have reached Lark.
        """
        with migrate.open_transaction(self._url) as connection:
            now = statements.read_clock(connection).now
            values: dict[str, Any] = {"attempts": row.attempts + 1, "reason": reason[:_MAX_REASON]}
            if not (may_be_sent or row.was_sent):
                values["first_sent_at"] = None
            _change(
                connection, row, owner, now, owner=None, next_at=now + timedelta(seconds=seconds), **values
            )

    def release(self, row: ClaimedRow, owner: str) -> None:
        """Leave a row to others, as if it had not been claimed."""
        with migrate.open_transaction(self._url) as connection:
            now = statements.read_clock(connection).now
            values = {} if row.was_sent else {"first_sent_at": None}
            _change(connection, row, owner, now, owner=None, **values)

    def give_up(self, row: ClaimedRow, owner: str, reason: str) -> None:
        """Record that a row will never be delivered.

        Args:
            row: The row.
            owner: The id of the caller that claimed the row.
            reason: Why the row will never be delivered.
        """
        with migrate.open_transaction(self._url) as connection:
            now = statements.read_clock(connection).now
            values: dict[str, Any] = {
                "state": "given_up", "reason": reason[:_MAX_REASON], "attempts": row.attempts + 1
            }  # fmt: skip
            if not row.was_sent:
                values["first_sent_at"] = None  # It was refused: nothing of it can be at Lark.
            _change(connection, row, owner, now, owner=None, **values)

    def replace(self, row: ClaimedRow, owner: str) -> None:
        """Forget the message of a card that cannot be updated any more, so that a new one is sent.

        Args:
            row: A row of the card.
            owner: The id of the caller that claimed the row.
        """
        with migrate.open_transaction(self._url) as connection:
            now = statements.read_clock(connection).now
            connection.execute(
                incidents.update()
                .where(incidents.c.key == row.card, incidents.c.message_id == row.message_id)
                .values(message_id=None)
            )
            gone = sa.and_(outbox.c.card == row.card, outbox.c.message_id == row.message_id)
            connection.execute(outbox.update().where(gone).values(message_id=None))
            _change(connection, row, owner, now, owner=None, kind="send", first_sent_at=None, next_at=now)

    def read_state(self, id_: str) -> RowState | None:
        """Return the state of a row; None if there is no such row."""
        with migrate.open_transaction(self._url, reading=True) as connection:
            columns = outbox.c
            query = sa.select(columns.state, columns.message_id, columns.reason).where(columns.id == id_)
            row = connection.execute(query).one_or_none()
            return None if row is None else RowState(row.state, row.message_id, row.reason)

    def measure_backlog(self) -> tuple[int, float]:
        """Return how many rows are due, and how many seconds ago the oldest of them was added."""
        with migrate.open_transaction(self._url, reading=True) as connection:
            now = statements.read_clock(connection).now
            query = sa.select(sa.func.count(), sa.func.min(outbox.c.created_at)).where(
                outbox.c.state == "due"
            )
            count, oldest = connection.execute(query).one()
            return count, 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())

    def iterate_readings(self) -> Iterator[tuple[Gauge, tuple[str, ...], float]]:
        """Return the depth and the age of the outbox as metrics; none while it cannot be read."""
        with suppress(StorageError):
            due, age = self.measure_backlog()
            yield measured.OUTBOX_DUE, (), float(due)
            yield measured.OUTBOX_AGE, (), age


def _expire(connection: Connection, now: datetime) -> None:
    """Give up what is too late to be of use, unless a process is delivering it."""
    columns = outbox.c
    is_free = sa.or_(columns.owner.is_(None), columns.owned_until < now)
    connection.execute(
        outbox.update()
        .where(columns.state == "due", columns.expires_at < now, is_free)
        .values(state="given_up", reason="It expired before Lark took it.", owner=None, updated_at=now)
    )


def _make_free_condition(now: datetime, without: Collection[str]) -> sa.ColumnElement[bool]:
    columns = outbox.c
    is_free = sa.or_(columns.owner.is_(None), columns.owned_until < now)
    is_due = sa.and_(columns.state == "due", columns.next_at <= now, is_free)
    return sa.and_(is_due, columns.app_id.not_in(list(without))) if without else is_due


def _select_heads(now: datetime, without: Collection[str], only: str | None) -> sa.Select[Any]:
    """Return the query for the rows that may be claimed: of each card the one of the lowest version."""
    columns, older = outbox.c, outbox.alias("older")
    lower = sa.exists().where(
        older.c.card == columns.card, older.c.state == "due", older.c.version < columns.version
    )
    query = sa.select(outbox).where(_make_free_condition(now, without), ~lower)
    if only is not None:
        query = query.where(sa.or_(columns.id == only, columns.card == only))
    return query.order_by(columns.next_at, columns.id).with_for_update(skip_locked=True)


def _read_claim(connection: Connection, row: sa.Row[Any], now: datetime) -> ClaimedRow | None:
    """Return a row as it is to be delivered; None if a newer version makes it obsolete."""
    message_id, was_sent = row.message_id, row.first_sent_at is not None
    if row.card is not None:
        columns = outbox.c
        of_card = sa.select(columns.state, columns.message_id, columns.version).where(
            columns.card == row.card, columns.state != "superseded"
        )
        others = connection.execute(of_card.order_by(columns.version.desc())).all()
        message_id = message_id or next((other.message_id for other in others if other.message_id), None)
        if message_id is None:
            query = sa.select(incidents.c.message_id).where(incidents.c.key == row.card)
            message_id = connection.execute(query).scalar_one_or_none()
        newer = {other.state for other in others if other.version > row.version}
        may_show = was_sent and message_id is None
        if "delivered" in newer or ("due" in newer and not may_show):
            return None
    age = 0.0 if row.first_sent_at is None else (now - row.first_sent_at).total_seconds()
    return ClaimedRow(
        id=row.id,
        app_id=row.app_id,
        base_url=row.base_url,
        card=row.card,
        version=row.version,
        payload=row.payload,
        message_id=message_id,
        attempts=row.attempts,
        was_sent=was_sent,
        sent_seconds=age,
    )


def _set_owner(connection: Connection, row: ClaimedRow, owner: str, until: datetime, now: datetime) -> None:
    values: dict[str, Any] = {"owner": owner, "owned_until": until, "updated_at": now}
    if row.message_id is None and not row.was_sent:
        values["first_sent_at"] = now  # From now on it may have been sent.
    connection.execute(outbox.update().where(outbox.c.id == row.id).values(values))


def _change(connection: Connection, row: ClaimedRow, me: str, now: datetime, **values: Any) -> bool:
    """Change a row, if this process still has it, and return whether it has."""
    is_owned = sa.and_(outbox.c.id == row.id, outbox.c.owner == me, outbox.c.state == "due")
    changed = connection.execute(outbox.update().where(is_owned).values(updated_at=now, **values))
    return changed.rowcount == 1


def _renew(connection: Connection, card: str, now: datetime) -> None:
    columns = outbox.c
    newest = sa.select(sa.func.max(columns.version)).where(columns.card == card).scalar_subquery()
    connection.execute(
        outbox.update()
        .where(columns.card == card, columns.version == newest, columns.state == "delivered")
        .values(state="due", owner=None, next_at=now, updated_at=now)
    )
