"""Look at the outbox, and change it by hand: for `lark-provider outbox`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, get_args

import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.storage import migrate, statements, urls
from lark_provider.storage.bridge_tables import outbox
from lark_provider.storage.outbox_rows import OutboxState

STATES: tuple[OutboxState, ...] = get_args(OutboxState)
UNDELIVERED: tuple[OutboxState, ...] = ("due", "given_up")


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A row of the outbox, without its payload.

    Attributes:
        id: The row's id.
        state: Due, delivered, given_up or superseded.
        app_id: The app that sends it.
        base_url: The URL of its Lark.
        card: The incident or card, if it is a version of one.
        version: The number of the card's version; a greater one is newer.
        message_id: The message that shows it.
        attempts: How often it was tried.
        reason: Why it was given up, or is tried again.
        is_owned: Whether a process delivers it now.
        created_at: When it was added, in UTC.
        next_at: When it is tried next, in UTC.
        age_seconds: How long ago it was added, in seconds.
    """

    id: str
    state: OutboxState
    app_id: str
    base_url: str
    card: str | None
    version: int
    message_id: str | None
    attempts: int
    reason: str | None
    is_owned: bool
    created_at: datetime
    next_at: datetime
    age_seconds: float


class OutboxAdmin:
    """The outbox of one database, for its operator. All methods raise StorageError if it cannot be used.

    Args:
        url: The database.
    """

    def __init__(self, url: URL) -> None:
        self._url = url

    @classmethod
    def from_config(cls) -> OutboxAdmin:
        """Return it for the configured database.

        Raises:
            ConfigurationError: No database is configured.
        """
        return cls(urls.database())

    def list_rows(
        self, limit: int, states: Collection[OutboxState] = UNDELIVERED
    ) -> tuple[list[OutboxRow], int]:
        """Return rows, the oldest first, and how many there are in all.

        Args:
            limit: How many rows to return at most.
            states: The states of the rows to look for.
        """
        wanted = outbox.c.state.in_(list(states))
        with migrate.open_transaction(self._url, reading=True) as connection:
            now = statements.read_clock(connection).now
            query = sa.select(outbox).where(wanted).order_by(outbox.c.created_at, outbox.c.id).limit(limit)
            rows = [_read_row(row, now) for row in connection.execute(query)]
            total = connection.execute(sa.select(sa.func.count()).where(wanted)).scalar_one()
        return rows, total

    def show(self, id_: str) -> OutboxRow | None:
        """Return a row by its id, or by the beginning of it that no other one has; None if there is none.

        An empty text names no row: it is the beginning of the only one, too, and may be a variable that a
        script has not set.
        """
        if not id_:
            return None
        with migrate.open_transaction(self._url, reading=True) as connection:
            now = statements.read_clock(connection).now
            query = sa.select(outbox).where(outbox.c.id.startswith(id_, autoescape=True)).limit(2)
            rows = connection.execute(query).all()
        return _read_row(rows[0], now) if len(rows) == 1 else None

    def retry(self, ids: Collection[str] | None) -> int:
        """Have rows tried at once: those that were given up, and those that wait after a failure.

        Args:
            ids: Which; None for all.

        Returns:
            How many. A card's version that is older than what the card shows is superseded, not sent.
        """
        columns = outbox.c
        with migrate.open_transaction(self._url) as connection:
            now = statements.read_clock(connection).now
            is_free = sa.or_(columns.owner.is_(None), columns.owned_until < now)
            which = sa.and_(columns.state.in_(UNDELIVERED), is_free, _with_ids(ids))
            changed = connection.execute(
                outbox.update().where(which).values(state="due", owner=None, next_at=now, updated_at=now)
            )
            return changed.rowcount

    def purge(self, ids: Collection[str] | None, older_than: timedelta | None = None) -> int:
        """Delete rows that are not delivered: what is due among them will never be sent.

        Args:
            ids: Which; None for all.
            older_than: Only those added longer ago.

        Returns:
            How many.
        """
        columns = outbox.c
        with migrate.open_transaction(self._url) as connection:
            now = statements.read_clock(connection).now
            which = sa.and_(columns.state.in_(UNDELIVERED), _with_ids(ids))
            if older_than is not None:
                which = sa.and_(which, columns.created_at < now - older_than)
            return connection.execute(outbox.delete().where(which)).rowcount


def _with_ids(ids: Collection[str] | None) -> sa.ColumnElement[bool]:
    return sa.true() if ids is None else outbox.c.id.in_(list(ids))


def _read_row(row: sa.Row[Any], now: datetime) -> OutboxRow:
    return OutboxRow(
        id=row.id,
        state=row.state,
        app_id=row.app_id,
        base_url=row.base_url,
        card=row.card,
        version=row.version,
        message_id=row.message_id,
        attempts=row.attempts,
        reason=row.reason,
        is_owned=row.owner is not None and row.owned_until is not None and row.owned_until >= now,
        created_at=row.created_at,
        next_at=row.next_at,
        age_seconds=(now - row.created_at).total_seconds(),
    )
