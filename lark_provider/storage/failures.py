"""How far Airflow's failures have been reported, which runs have open incidents, which tasks are muted."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.storage import migrate, statements
from lark_provider.storage.bridge_tables import incidents, mutes
from lark_provider.storage.tables import meta

_FOLLOWED = timedelta(days=14)
"""Lark updates a card for so long."""


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run with an open incident.

    Attributes:
        app_id: The app that sent its card.
        dag_id: The DAG.
        run_id: The run.
    """

    app_id: str
    dag_id: str
    run_id: str


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """An incident whose failures have not all recovered.

    Attributes:
        key: The incident's key.
        run: The DAG run, with the app that sent the incident's card.
        version: The incident's version; each change adds one.
        changed_ago: Seconds since the last change.
    """

    key: str
    run: OpenRun
    version: int
    changed_ago: float


class FailureCursor:
    """The time until which failures of one Airflow deployment, or of one team in it, have been reported.

    All methods raise StorageError if the database cannot be used.

    Args:
        url: The database.
        name: Identifies the cursor: Airflow's URL and the team.
    """

    def __init__(self, url: URL, name: str) -> None:
        self._url = url
        self._key = f"failures {hashlib.sha256(name.encode()).hexdigest()[:32]}"

    def read(self) -> datetime | None:
        """Return until when failures were reported, by Airflow's clock; None before the first time."""
        query = sa.select(meta.c.value).where(meta.c.key == self._key)
        with migrate.open_transaction(self._url, reading=True) as connection:
            text = connection.execute(query).scalar_one_or_none()
        return None if text is None else datetime.fromisoformat(text).astimezone(UTC)

    def write(self, moment: datetime) -> None:
        """Record until when failures have been reported.

        Args:
            moment: The time, with its time zone.
        """
        text = moment.astimezone(UTC).isoformat()
        with migrate.open_transaction(self._url) as connection:
            new = statements.insert(connection, meta).values(key=self._key, value=text)
            connection.execute(new.on_conflict_do_update(index_elements=[meta.c.key], set_={"value": text}))

    def open_incidents(self) -> list[OpenIncident]:
        """Return the open incidents of the last 14 days, the oldest first."""
        table = incidents.c
        columns = (table.key, table.app_id, table.dag_id, table.run_id, table.version, table.updated_at)
        with migrate.open_transaction(self._url, reading=True) as connection:
            now = statements.read_clock(connection).now
            query = sa.select(*columns).where(table.state == "open", table.updated_at > now - _FOLLOWED)
            return [
                OpenIncident(
                    row.key,
                    OpenRun(row.app_id, row.dag_id, row.run_id),
                    row.version,
                    (now - row.updated_at).total_seconds(),
                )
                for row in connection.execute(query.order_by(table.created_at, table.key))
            ]


class Mutes:
    """The muted tasks in one database. All methods raise StorageError if it cannot be used.

    Args:
        url: The database.
    """

    def __init__(self, url: URL) -> None:
        self._url = url

    def read_active(self) -> set[tuple[str, str]]:
        """Return DAG and task of each task that is muted now."""
        with migrate.open_transaction(self._url, reading=True) as connection:
            query = sa.select(mutes.c.dag_id, mutes.c.task_id).where(
                mutes.c.until > statements.make_clock_column(connection)
            )
            return {(row.dag_id, row.task_id) for row in connection.execute(query)}

    def mute(self, dag_id: str, task_id: str, until: datetime, open_id: str, name: str) -> None:
        """Mute a task, replacing its previous mute if there is one, and delete all mutes that have ended.

        Args:
            dag_id: The DAG's id.
            task_id: The task's id.
            until: When the mute ends, with its time zone.
            open_id: The open_id of the person who muted the task.
            name: The name of that person.
        """
        values = {"until": until, "muted_by": orjson.dumps({"open_id": open_id, "name": name}).decode()}
        with migrate.open_transaction(self._url) as connection:
            connection.execute(
                sa.delete(mutes).where(mutes.c.until < statements.make_clock_column(connection))
            )
            new = statements.insert(connection, mutes).values(dag_id=dag_id, task_id=task_id, **values)
            connection.execute(
                new.on_conflict_do_update(index_elements=[mutes.c.dag_id, mutes.c.task_id], set_=values)
            )
