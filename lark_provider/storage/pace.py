"""The pace of requests, for all processes that share a database.

A limit is a row that holds when its next request may be sent. A process reserves one or a few of these times
in one statement, and then waits for them by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.protocol.pacing import Limit
from lark_provider.storage import migrate, statements
from lark_provider.storage.engine import transaction
from lark_provider.storage.tables import pacing


class Pace:
    """The pace of one app in one database; implements `protocol.store.Pace`.

    Args:
        url: The database.
        app: Names the app.
    """

    def __init__(self, url: URL, app: str) -> None:
        self._url, self._app = url, app

    def reserve(self, wanted: Mapping[Limit, int]) -> dict[Limit, float]:
        """Reserve times for requests.

        Args:
            wanted: For how many requests, by limit.

        Returns:
            How many seconds from now the first of them is, by limit; negative if it is over. The others
            follow by the limit's interval.

        Raises:
            StorageError: The database cannot be used.
        """
        rows, found = pacing.c, {}
        # In the order of their keys, so that two processes cannot deadlock.
        by_key = sorted((self._key(limit), limit, count) for limit, count in wanted.items())
        with transaction(migrate.opened(self._url)) as connection:
            now = statements.read_clock(connection).now
            for key, limit, count in by_key:
                added = statements.insert(connection, pacing).values(
                    key=key, next_at=now - timedelta(seconds=limit.burst)
                )
                connection.execute(added.on_conflict_do_nothing(index_elements=[rows.key]))
                stored = sa.select(rows.next_at).where(rows.key == key).with_for_update()
                first = max(connection.execute(stored).scalar_one(), now - timedelta(seconds=limit.burst))
                found[limit] = (first - now).total_seconds()
                following = first + timedelta(seconds=count * limit.interval)
                connection.execute(pacing.update().where(rows.key == key).values(next_at=following))
        return found

    def _key(self, limit: Limit) -> str:
        return hashlib.sha256(f"{self._app}\0{limit.key}".encode("utf-8", "surrogatepass")).hexdigest()
