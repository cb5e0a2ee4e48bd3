"""Clicks on cards of Airflow's: which were found, and the outcome of each, once.

A bridge claims a click for a minute, and delivers it meanwhile; one whose bridge has died is claimed again.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from lark_provider.protocol.callbacks import CardClick
from lark_provider.protocol.hitl.keys import PREFIX, get_card_key
from lark_provider.protocol.waits import get_correlation
from lark_provider.storage import migrate
from lark_provider.storage.bridge_tables import applied_clicks
from lark_provider.storage.click_records import ClickOutcome, QueuedClick
from lark_provider.storage.statements import insert, make_among_condition, read_clock
from lark_provider.storage.stored_clicks import read_valid_clicks
from lark_provider.storage.tables import card_callbacks
from lark_provider.storage.wait_polling import COMPLETE_SECONDS, OVERLAP_SECONDS
from lark_provider.support import measured
from lark_provider.support.backoff import pause_after

__all__ = ["AppliedClicks", "ClickOutcome", "QueuedClick"]

logger = logging.getLogger(__name__)

_MAX_CLICKS = 1000
OLDEST_CLICK = timedelta(days=14)
"""A card takes clicks for so long; older rows are not looked at."""
_FIRST_PAUSE, _MAX_PAUSE = 0.5, 30.0


class AppliedClicks:
    """The clicks on cards of Airflow's in one database. All methods raise StorageError if it cannot be used.

    Used by one thread at a time.

    Args:
        url: The database.
    """

    def __init__(self, url: URL) -> None:
        self._url = url
        self._looks: deque[tuple[float, int]] = deque()
        """When each look began, and the greatest id that was visible at its end."""
        self._complete_at = float("-inf")

    def find(self) -> int:
        """Record the clicks that are new since the last look as due; `storage.wait_polling` says which.

        Returns:
            How many are new.
        """
        began = time.monotonic()
        is_complete = began - self._complete_at >= COMPLETE_SECONDS
        clicks, done = card_callbacks.c, applied_clicks.c
        with migrate.open_transaction(self._url, reading=True) as connection:
            greatest = connection.execute(sa.select(sa.func.coalesce(sa.func.max(clicks.id), 0))).scalar_one()
            if self._looks and greatest < self._looks[-1][1]:
                self._looks.clear()  # The last rows were deleted, or the database was restored.
            bound = 0 if is_complete else self._compute_bound(began)
            # The rows of older ones may have been purged here already.
            is_recent = clicks.stored_at >= read_clock(connection).now - OLDEST_CLICK
            is_known = sa.exists().where(done.app_id == clicks.app_id, done.event_id == clicks.event_id)
            query = (
                sa.select(clicks.id, clicks.event_id, clicks.payload)
                .where(clicks.correlation.like(f"{PREFIX}%"), is_recent, ~is_known)
                .order_by(clicks.id)
                .limit(_MAX_CLICKS)
            )
            rows: list[sa.Row[Any]] = list(connection.execute(query.where(clicks.id > bound)))
        count = self._record(rows)
        while len(rows) == _MAX_CLICKS:  # Damaged ones are never known: the next look would find them again.
            with migrate.open_transaction(self._url, reading=True) as connection:
                rows = list(connection.execute(query.where(clicks.id > rows[-1].id)))
            count += self._record(rows)
        self._note_look(began, int(greatest))
        if is_complete:
            self._complete_at = began
        return count

    def _compute_bound(self, now: float) -> int:
        """Return up to which id clicks can be left out."""
        latest = self._looks[-1][0] - OVERLAP_SECONDS if self._looks else now
        return max((greatest for moment, greatest in self._looks if moment <= latest), default=0)

    def _note_look(self, began: float, greatest: int) -> None:
        self._looks.append((began, greatest))
        while len(self._looks) > 1 and self._looks[1][0] <= began - OVERLAP_SECONDS:
            self._looks.popleft()

    def _record(self, clicks: Iterable[sa.Row[Any]]) -> int:
        """Record the clicks of rows of `card_callbacks` as due, and return how many are new."""
        new_clicks = read_valid_clicks(clicks)
        if not new_clicks:
            return 0
        with migrate.open_transaction(self._url) as connection:
            now = read_clock(connection).now
            rows = [
                {
                    "app_id": stored.click.app_id, "event_id": stored.event_id,
                    "card_key": get_card_key(get_correlation(stored.click)) or "",
                    "open_id": stored.click.operator.open_id[:255], "state": "due", "attempts": 0,
                    "next_at": now, "created_at": now,
                }
                for stored in sorted(new_clicks, key=lambda entry: (entry.click.app_id, entry.event_id))
            ]  # fmt: skip
            added = insert(connection, applied_clicks).on_conflict_do_nothing()
            return len(connection.execute(added.returning(applied_clicks.c.event_id), rows).scalars().all())

    def claim(self, limit: int, seconds: float) -> list[QueuedClick]:
        """Take clicks that are to be delivered now, oldest first.

        One whose row in `card_callbacks` was deleted or is damaged cannot be delivered, and is given up.

        Args:
            limit: How many clicks to take at most.
            seconds: How long no other process takes them, in seconds.
        """
        columns = applied_clicks.c
        with migrate.open_transaction(self._url) as connection:
            now = read_clock(connection).now
            query = (
                sa.select(
                    columns.app_id, columns.event_id, columns.card_key, columns.attempts, columns.created_at
                )
                .where(columns.state == "due", columns.next_at <= now)
                .order_by(columns.next_at)
                .limit(limit)
            )
            taken = connection.execute(query.with_for_update(skip_locked=True)).all()
            if not taken:
                return []
            names = {(row.app_id, row.event_id): row for row in taken}
            clicks = self._read_clicks(connection, [row.event_id for row in taken])
            deliverable = [name for name in names if name in clicks]
            lost = [name for name in names if name not in clicks]
            if deliverable:
                next_at = now + timedelta(seconds=seconds)
                connection.execute(
                    _update(deliverable).values(next_at=next_at, attempts=columns.attempts + 1)
                )
            if lost:
                over = {"state": "given_up", "status": 0, "result": "{}", "done_at": now, "shown_at": now}
                connection.execute(_update(lost).values(over))
        for app_id, event_id in lost:
            measured.BRIDGE_CLICKS.add("given_up")
            extra = {"app_id": app_id, "event_id": event_id}
            logger.error("Click given up; its stored row is missing or damaged", extra=extra)
        return [
            QueuedClick(
                names[name].event_id,
                names[name].card_key,
                names[name].attempts + 1,
                (now - names[name].created_at).total_seconds(),
                clicks[name],
            )
            for name in deliverable
        ]

    def _read_clicks(
        self, connection: Connection, event_ids: Iterable[str]
    ) -> dict[tuple[str, str], CardClick]:
        clicks = card_callbacks.c
        query = sa.select(clicks.id, clicks.event_id, clicks.payload).where(
            make_among_condition(connection, clicks.event_id, event_ids)
        )
        return {
            (stored.click.app_id, stored.event_id): stored.click
            for stored in read_valid_clicks(connection.execute(query))
        }

    def find_click(self, app_id: str, event_id: str) -> CardClick | None:
        """Return a click; None if it was purged.

        Args:
            app_id: The app.
            event_id: The click's id in the table.
        """
        with migrate.open_transaction(self._url, reading=True) as connection:
            return self._read_clicks(connection, [event_id]).get((app_id, event_id))

    def find_recorded(self, app_id: str, event_id: str) -> QueuedClick | None:
        """Return a click as it is delivered, whatever its state; None if it was purged.

        Args:
            app_id: The app.
            event_id: The click's id in the table.
        """
        click = self.find_click(app_id, event_id)
        if click is None:
            return None
        return QueuedClick(event_id, get_card_key(get_correlation(click)) or "", 0, 0.0, click)

    def postpone(self, app_id: str, event_id: str, attempts: int) -> None:
        """Put off the next delivery of a click, unless its result is known meanwhile.

        Args:
            app_id: The app.
            event_id: The click's id in the table.
            attempts: How often it was delivered.
        """
        seconds = pause_after(attempts, _FIRST_PAUSE, _MAX_PAUSE)
        with migrate.open_transaction(self._url) as connection:
            now = read_clock(connection).now
            connection.execute(
                applied_clicks.update()
                .where(_is_click(app_id, event_id), applied_clicks.c.state == "due")
                .values(next_at=now + timedelta(seconds=seconds))
            )

    def finish(
        self, app_id: str, event_id: str, status: int, result: dict[str, Any], state: str = "done"
    ) -> bool:
        """Record the outcome of a click, unless that is recorded already.

        Args:
            app_id: The app.
            event_id: The click's id in the table.
            status: The HTTP status of the result.
            result: The plugin's answer.
            state: `done`, or `given_up`.

        Returns:
            Whether it was recorded now.
        """
        with migrate.open_transaction(self._url) as connection:
            now = read_clock(connection).now
            text = orjson.dumps(result).decode()
            done = connection.execute(
                applied_clicks.update()
                .where(_is_click(app_id, event_id), applied_clicks.c.state == "due")
                .values(state=state, status=status, result=text, done_at=now, next_at=now)
            )
            # The plugin may have recorded the result already. Either way it is to be shown now.
            connection.execute(
                applied_clicks.update()
                .where(_is_click(app_id, event_id), applied_clicks.c.shown_at.is_(None))
                .values(next_at=now)
            )
            return bool(done.rowcount)

    def claim_unshown(self, limit: int, seconds: float) -> list[ClickOutcome]:
        """Take results that have yet to be shown to the person who clicked.

        Args:
            limit: How many results to take at most.
            seconds: How long no other process takes them, in seconds.
        """
        columns = applied_clicks.c
        with migrate.open_transaction(self._url) as connection:
            now = read_clock(connection).now
            query = (
                sa.select(applied_clicks)
                .where(
                    columns.state.in_(("done", "given_up")),
                    columns.shown_at.is_(None),
                    columns.next_at <= now,
                )
                .order_by(columns.next_at)
                .limit(limit)
            )
            taken = connection.execute(query.with_for_update(skip_locked=True)).all()
            for row in taken:
                connection.execute(
                    applied_clicks.update()
                    .where(_is_click(row.app_id, row.event_id))
                    .values(next_at=now + timedelta(seconds=seconds))
                )
        return [
            ClickOutcome(
                row.app_id,
                row.event_id,
                row.card_key,
                row.open_id,
                orjson.loads(row.result or "{}"),
                (now - (row.done_at or row.created_at)).total_seconds(),
            )
            for row in taken
        ]

    def record_shown(self, app_id: str, event_id: str) -> None:
        """Record that the person who clicked was shown the outcome of the click.

        Args:
            app_id: The app.
            event_id: The click's id in the table.
        """
        with migrate.open_transaction(self._url) as connection:
            now = read_clock(connection).now
            statement = applied_clicks.update().where(_is_click(app_id, event_id))
            connection.execute(statement.values(shown_at=now))

    def count_due(self) -> int:
        """Return how many clicks are to be delivered."""
        with migrate.open_transaction(self._url, reading=True) as connection:
            query = sa.select(sa.func.count()).where(applied_clicks.c.state == "due")
            return int(connection.execute(query).scalar_one())


def _is_click(app_id: str, event_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(applied_clicks.c.app_id == app_id, applied_clicks.c.event_id == event_id)


def _update(names: Iterable[tuple[str, str]]) -> sa.Update:
    """Return an update of the rows of some clicks, by app and event id."""
    return applied_clicks.update().where(
        sa.tuple_(applied_clicks.c.app_id, applied_clicks.c.event_id).in_(names)
    )
