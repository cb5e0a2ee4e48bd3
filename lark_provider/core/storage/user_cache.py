"""People looked up, for all processes that share a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.core.entry import Entry
from lark_provider.core.storage import migrate
from lark_provider.core.storage.engine import transaction
from lark_provider.core.storage.statements import insert
from lark_provider.core.storage.tables import user_cache


class UserCache:
    """What one app knows of people, in one database.

    Args:
        url: The database.
        app: Names the app, see `people`.
    """

    def __init__(self, url: URL, app: str) -> None:
        self._url, self._app = url, app

    def look(self, kind: str, lookups: Sequence[str]) -> dict[str, Entry]:
        """Look for people, in one query; entries past their time are among them.

        Args:
            kind: How they are looked up.
            lookups: Whom.

        Raises:
            StorageError: The database cannot be used.
        """
        columns = user_cache.c
        wanted = sa.select(columns.lookup, columns.data, columns.fetched_at, columns.expires_at).where(
            columns.app == self._app, columns.kind == kind, columns.lookup.in_(lookups)
        )
        with transaction(migrate.opened(self._url), reading=True) as connection:
            return {
                row.lookup: Entry(row.data, row.fetched_at.timestamp(), row.expires_at.timestamp())
                for row in connection.execute(wanted)
            }

    def keep(self, kind: str, entries: Mapping[str, Entry]) -> None:
        """Keep people, in one statement; who is here already is replaced.

        Args:
            kind: How they are looked up.
            entries: They, by lookup.

        Raises:
            StorageError: The database cannot be used.
        """
        rows = [
            {
                "app": self._app,
                "kind": kind,
                "lookup": lookup,
                "data": entry.data,
                "fetched_at": datetime.fromtimestamp(entry.fetched_at, UTC),
                "expires_at": datetime.fromtimestamp(entry.expires_at, UTC),
            }
            # In one order for everybody, so that two who keep the same people do not lock each other out.
            for lookup, entry in sorted(entries.items())
        ]
        with transaction(migrate.opened(self._url)) as connection:
            added = insert(connection, user_cache)
            replaced = {name: added.excluded[name] for name in ("data", "fetched_at", "expires_at")}
            key = user_cache.primary_key.columns
            connection.execute(added.on_conflict_do_update(index_elements=key, set_=replaced), rows)
