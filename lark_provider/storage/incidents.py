"""The incidents of DAG runs: one row for each run and receiver, changed under a lock.

Tasks of one run fail at the same moment, in many processes. Each locks the row, adds its failure to what the
others have recorded, and adds the card's next version to the outbox in the same transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from lark_provider.protocol.incidents.event import RunEvent
from lark_provider.protocol.incidents.model import FAILURES, Incident
from lark_provider.protocol.incidents.shown import IncidentPlace, ShownIncident
from lark_provider.protocol.tokens import App
from lark_provider.storage import migrate, outbox_rows, statements, urls
from lark_provider.storage.bridge_tables import incidents, mutes
from lark_provider.storage.crypto import TokenBox
from lark_provider.storage.errors import DecryptionError
from lark_provider.storage.outbox_rows import OutboxEntry
from lark_provider.support.members import select_members

_MAX_ROUNDS = 100
"""Incidents of one run for one receiver: each begins with a failure after all others have recovered."""


RenderIncident: TypeAlias = Callable[[ShownIncident], str]
"""Returns the outbox's payload for the card of an incident."""
IncidentChange: TypeAlias = Callable[[ShownIncident], ShownIncident | None]
"""Returns an incident after a change; None if there is none. It is called in a transaction: no I/O."""


@dataclass(frozen=True, slots=True)
class RecordedIncident:
    """What was recorded.

    Attributes:
        shown: The incident now; None if the event belongs to none.
        row: The id of the outbox's row of this version; None if the card does not change.
        is_muted: Whether the task is muted.
    """

    shown: ShownIncident | None
    row: str | None = None
    is_muted: bool = False


class Incidents:
    """The incidents of one app in one database. All methods raise StorageError if it cannot be used.

    Args:
        url: The database.
        app: The app; contents are encrypted under a key derived from its secret.
    """

    def __init__(self, url: URL, app: App) -> None:
        self._url, self._app = url, app

    @classmethod
    def from_config(cls, app: App, database_url: str | None = None) -> Incidents:
        """Return the incidents of an app in the configured database.

        Args:
            app: The app.
            database_url: Else `LARK_DATABASE_URL` or `POSTGRES_*`.

        Raises:
            ConfigurationError: No database is configured.
        """
        return cls(urls.database(database_url), app)

    def find(self, key: str) -> ShownIncident | None:
        """Return an incident.

        Args:
            key: The incident's key, see `IncidentPlace.make_key`.

        Raises:
            DecryptionError: It was encrypted under another secret of the app.
        """
        with migrate.open_transaction(self._url, reading=True) as connection:
            row = connection.execute(sa.select(incidents).where(incidents.c.key == key)).one_or_none()
        return None if row is None or row.app_id != self._app.app_id else self._open(row)

    def of_run(self, dag_id: str, run_id: str) -> list[ShownIncident]:
        """Return the app's incidents of a run, those that are over as well.

        Args:
            dag_id: The DAG.
            run_id: The run.

        Raises:
            DecryptionError: One was encrypted under another secret of the app.
        """
        query = sa.select(incidents).where(
            incidents.c.dag_id == dag_id,
            incidents.c.run_id == run_id,
            incidents.c.app_id == self._app.app_id,
        )
        with migrate.open_transaction(self._url, reading=True) as connection:
            rows = connection.execute(query.order_by(incidents.c.created_at, incidents.c.key)).all()
        return [self._open(row) for row in rows]

    def open(self, place: IncidentPlace) -> ShownIncident | None:
        """Return the open incident of a run and receiver; None if there is none.

        Args:
            place: The run and the receiver.

        Raises:
            DecryptionError: It was encrypted under another secret of the app.
        """
        with migrate.open_transaction(self._url, reading=True) as connection:
            query = sa.select(incidents).where(
                incidents.c.dag_id == place.dag_id,
                incidents.c.run_id == place.run_id,
                incidents.c.app_id == self._app.app_id,
                incidents.c.receiver == place.receiver,
                incidents.c.state == "open",
            )
            candidates = map(self._open, connection.execute(query).all())
            return next(
                (candidate for candidate in candidates if candidate.place.instead_of == place.instead_of),
                None,
            )

    def record(
        self, place: IncidentPlace, event: RunEvent, change: IncidentChange, render: RenderIncident
    ) -> RecordedIncident:
        """Add an event to the incident of its run, and the card's next version to the outbox.

        Args:
            place: The run and the receiver that the incident belongs to.
            event: The event.
            change: Returns the incident with the event added.
            render: Returns the payload of the outbox for the incident's card.

        Raises:
            DecryptionError: The incident was encrypted under another secret of the app.
        """
        with migrate.open_transaction(self._url) as connection:
            if _is_muted(connection, event):
                return RecordedIncident(None, is_muted=True)
            new = ShownIncident("", place, Incident(), event)
            for round_ in range(_MAX_ROUNDS):
                key = place.make_key(self._app.app_id, round_)
                before = self._lock(connection, replace(new, key=key), creating=event.kind in FAILURES)
                if before is None:
                    break
                if not before.incident.over:
                    return self._change(connection, before, change, render)
            return RecordedIncident(None)

    def change(
        self,
        key: str,
        change: IncidentChange,
        render: RenderIncident,
        within: Callable[[Connection], object] | None = None,
    ) -> RecordedIncident:
        """Change an incident, such as by a claim, and add the card's next version to the outbox.

        Args:
            key: The incident's key, see `IncidentPlace.make_key`.
            change: Returns the changed incident; None for no change.
            render: Returns the payload of the outbox for the incident's card.
            within: Called before the change, to write something else in the same transaction.

        Raises:
            DecryptionError: It was encrypted under another secret of the app.
        """
        with migrate.open_transaction(self._url) as connection:
            row = _lock_row(connection, key)
            if row is None or row.app_id != self._app.app_id:
                return RecordedIncident(None)
            if within is not None:
                within(connection)
            return self._change(connection, self._open(row), change, render)

    def _lock(self, connection: Connection, new: ShownIncident, *, creating: bool) -> ShownIncident | None:
        """Lock the row of an incident and return it; with `creating`, make it first if there is none."""
        if creating:
            now = statements.read_clock(connection).now
            place = new.place
            values = {
                "key": new.key,
                "dag_id": place.dag_id,
                "run_id": place.run_id,
                "app_id": self._app.app_id,
                "receiver": place.receiver,
                "receiver_type": place.receiver_type,
                "language": place.language,
                "state": "open",
                "version": 0,
                "content": self._seal(new),
                "created_at": now,
                "updated_at": now,
            }
            added = statements.insert(connection, incidents).values(values)
            connection.execute(added.on_conflict_do_nothing(index_elements=[incidents.c.key]))
        row = _lock_row(connection, new.key)
        return None if row is None else self._open(row)

    def _change(
        self, connection: Connection, before: ShownIncident, change: IncidentChange, render: RenderIncident
    ) -> RecordedIncident:
        after = change(before)
        if after is None or after.incident == before.incident:
            return RecordedIncident(before if before.incident.version else None)
        version = before.incident.version + 1
        after = replace(after, incident=replace(after.incident, version=version))
        claim = after.incident.claim
        connection.execute(
            incidents.update()
            .where(incidents.c.key == before.key)
            .values(
                state="recovered" if after.incident.over else "open",
                version=version,
                content=self._seal(after),
                claimed_by=None if claim is None else orjson.dumps(asdict(claim)).decode(),
                updated_at=statements.read_clock(connection).now,
            )
        )
        row = hashlib.sha256(f"{before.key}\n{version}".encode()).hexdigest()
        waits = after.incident.not_before if after.message_id is None else ""
        entry = OutboxEntry(
            row, after.place.receiver, render(after), after.key, version, after.message_id,
            not_before=datetime.fromisoformat(waits) if waits else None,
        )  # fmt: skip
        outbox_rows.add(connection, self._app, entry)
        return RecordedIncident(after, row)

    def _seal(self, shown: ShownIncident) -> str:
        content = {
            "incident": shown.incident.to_json(),
            "event": asdict(shown.event),
            "mentions": shown.mentions,
            "instead_of": shown.place.instead_of,
        }
        return self._make_box(shown.key).seal(orjson.dumps(content).decode())

    def _open(self, row: sa.Row[Any]) -> ShownIncident:
        text = self._make_box(row.key).open(row.content)
        if text is None:
            raise DecryptionError(
                f"The incident of run {row.run_id!r} of DAG {row.dag_id!r} is encrypted under another "
                f"secret than the current one of app {row.app_id!r}. Next: if the secret was changed, later "
                "runs have new cards; else restore a backup."
            )
        content: Mapping[str, Any] = orjson.loads(text)
        event = content["event"]
        ids, emails, names = (tuple(part) for part in content["mentions"])
        return ShownIncident(
            row.key,
            IncidentPlace(
                row.dag_id,
                row.run_id,
                row.receiver,
                row.receiver_type,
                row.language,
                content["instead_of"],
            ),
            replace(Incident.from_json(content["incident"]), version=row.version),
            RunEvent(**select_members(event, RunEvent) | {"owners": tuple(event["owners"])}),
            (ids, emails, names),
            row.message_id,
        )

    def _make_box(self, key: str) -> TokenBox:
        return TokenBox(self._app.app_secret, f"incident\0{key}\0{self._app.app_id}")


def _lock_row(connection: Connection, key: str) -> sa.Row[Any] | None:
    """Return a row, and lock it until the transaction ends."""
    return connection.execute(
        sa.select(incidents).where(incidents.c.key == key).with_for_update()
    ).one_or_none()


def _is_muted(connection: Connection, event: RunEvent) -> bool:
    if event.kind not in {"failure", "retry"}:
        return False
    query = sa.select(mutes.c.until).where(
        mutes.c.dag_id == event.dag_id,
        mutes.c.task_id == event.task_id,
        mutes.c.until > statements.make_clock_column(connection),
    )
    return connection.execute(query).first() is not None
