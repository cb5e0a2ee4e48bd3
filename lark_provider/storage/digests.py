"""Which digests are recorded: one for each route and local day, in the transaction that sends it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from datetime import date, timedelta
from typing import Literal, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.protocol.tokens import App
from lark_provider.storage import migrate, outbox_rows, statements
from lark_provider.storage.bridge_tables import digests, incidents
from lark_provider.storage.outbox_rows import OutboxEntry

DigestState: TypeAlias = Literal["recorded", "skipped"]
_FOLLOWED = timedelta(days=14)


class Digests:
    """The digests of one Airflow, or of one of its teams. Raises StorageError if the database cannot be used.

    Args:
        url: The database.
        name: Tells several apart: Airflow's URL and the team.
    """

    def __init__(self, url: URL, name: str) -> None:
        self._url, self._name = url, name

    def make_route_key(self, route: str) -> str:
        """Return what identifies a route of this Airflow's, by its name."""
        return hashlib.sha256(f"{self._name}\n{route}".encode("utf-8", "surrogatepass")).hexdigest()

    def find_recorded(self, routes_and_days: Collection[tuple[str, date]]) -> set[tuple[str, date]]:
        """Return those of some routes and days that are recorded, skipped ones included."""
        columns = digests.c
        wanted = {(self.make_route_key(route), str(day)): (route, day) for route, day in routes_and_days}
        query = sa.select(columns.route, columns.day).where(
            columns.route.in_([key for key, _ in wanted]), columns.day.in_([day for _, day in wanted])
        )
        with migrate.open_transaction(self._url, reading=True) as connection:
            return {wanted[row.route, row.day] for row in connection.execute(query) if tuple(row) in wanted}

    def record(
        self, route: str, day: date, state: DigestState, entries: Iterable[tuple[App, OutboxEntry]] = ()
    ) -> bool:
        """Record a digest, and add its cards to the outbox; once.

        Args:
            route: The route's name.
            day: The local day.
            state: `recorded`, or `skipped`.
            entries: A card for each receiver, with the app that sends it.

        Returns:
            Whether it is new.
        """
        with migrate.open_transaction(self._url) as connection:
            now = statements.read_clock(connection).now
            values = {"route": self.make_route_key(route), "day": str(day), "state": state, "created_at": now}
            added = statements.insert(connection, digests).values(values).on_conflict_do_nothing()
            if connection.execute(added.returning(digests.c.day)).one_or_none() is None:
                return False
            for app, entry in entries:
                outbox_rows.add(connection, app, entry)
            return True

    def open_dags(self, receivers: Sequence[str]) -> set[str]:
        """Return the DAGs with failures that have not recovered, of which receivers were told in 14 days."""
        columns = incidents.c
        with migrate.open_transaction(self._url, reading=True) as connection:
            since = statements.read_clock(connection).now - _FOLLOWED
            query = sa.select(columns.dag_id).where(
                columns.state == "open", columns.updated_at > since, columns.receiver.in_(list(receivers))
            )
            return set(connection.execute(query.distinct()).scalars())
