"""Which incidents of a database have a step that is to be taken, and which ways of ringing Lark refuses."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.storage import migrate, statements
from lark_provider.storage.bridge_tables import escalation_steps


class Waiting(NamedTuple):
    """An incident with a step that is to be taken, or whose outcome is not known.

    Attributes:
        app_id: The app that has sent its card.
        key: The incident.
    """

    app_id: str
    key: str


class WaitingEscalations:
    """What is to be done about escalations in one database. Raises StorageError if it cannot be used.

    Args:
        url: The database.
    """

    def __init__(self, url: URL) -> None:
        self._url = url

    def find(self, stale: timedelta, limit: int, without: Collection[str] = ()) -> list[Waiting]:
        """Return incidents with a step that is due, or was started so long ago that its process is gone.

        Args:
            stale: So long.
            limit: How many incidents at most.
            without: Keys of incidents that are left out.
        """
        columns = escalation_steps.c
        with migrate.open_transaction(self._url, reading=True) as connection:
            now = statements.read_clock(connection).now
            is_due = sa.and_(columns.state == "due", columns.due_at <= now)
            may_be_tried = sa.or_(columns.next_at.is_(None), columns.next_at <= now)
            is_stale = sa.and_(columns.state == "started", columns.started_at < now - stale)
            query = (
                sa.select(columns.app_id, columns.incident_key, sa.func.min(columns.due_at))
                .where(
                    sa.or_(sa.and_(is_due, may_be_tried), is_stale),
                    ~statements.make_among_condition(connection, columns.incident_key, without),
                )
                .group_by(columns.app_id, columns.incident_key)
                .order_by(sa.func.min(columns.due_at))
                .limit(limit)
            )
            return [Waiting(row[0], row[1]) for row in connection.execute(query)]

    def read_last_failures(self, since: timedelta, mark: str) -> dict[str, datetime]:
        """Return when steps last failed for one reason, by how they ring.

        Args:
            since: How long ago at most.
            mark: Which the reason begins with.
        """
        columns = escalation_steps.c
        with migrate.open_transaction(self._url, reading=True) as connection:
            now = statements.read_clock(connection).now
            query = (
                sa.select(columns.urgent, sa.func.max(columns.updated_at))
                .where(
                    columns.state == "failed",
                    columns.reason.startswith(mark),
                    columns.updated_at > now - since,
                )
                .group_by(columns.urgent)
            )
            return {row[0]: row[1] for row in connection.execute(query)}
