"""The user cache of all processes that share a database.

E-mail addresses, mobile numbers and what Lark shows of users are personal data. The values are encrypted,
and rows are found by a keyed hash of what was looked up: both under keys derived from the app's own secret,
with which anyone could ask Lark for the same.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.protocol.cached_user import CachedUser
from lark_provider.storage import migrate
from lark_provider.storage.aead import Aead, derive
from lark_provider.storage.statements import insert, insert_rows
from lark_provider.storage.tables import user_cache


class UserCache:
    """The user cache of one app in one database. All methods raise StorageError if it cannot be used.

    Args:
        url: The database.
        app: Names the app, see `engine.user_cache`.
        app_secret: The app's secret. Entries under another one are not found, and expire.
    """

    def __init__(self, url: URL, app: str, app_secret: str) -> None:
        self._url, self._app = url, app
        secret = app_secret.encode()
        self._cipher = Aead(derive(secret, f"lark_provider user_cache: values\0{app}"))
        self._hash_key = derive(secret, f"lark_provider user_cache: lookups\0{app}")

    def get(self, kind: str, lookups: Sequence[str]) -> dict[str, CachedUser]:
        """Return users by lookup, in one query; expired entries are among them.

        Args:
            kind: The kind of lookup.
            lookups: The lookups.
        """
        columns, hashes = user_cache.c, {self._hash(kind, lookup): lookup for lookup in lookups}
        wanted = sa.select(columns.lookup, columns.data, columns.fetched_at, columns.expires_at).where(
            columns.app == self._app, columns.kind == kind, columns.lookup.in_(list(hashes))
        )
        with migrate.open_transaction(self._url, reading=True) as connection:
            rows = connection.execute(wanted).all()
        users: dict[str, CachedUser] = {}
        for row in rows:
            data = self._cipher.open(row.data, (self._app, kind, row.lookup))
            if data is not None:  # A row that was damaged or moved is fetched from Lark again.
                fetched_at, expires_at = row.fetched_at.timestamp(), row.expires_at.timestamp()
                users[hashes[row.lookup]] = CachedUser(data, fetched_at, expires_at)
        return users

    def put(self, kind: str, users: Mapping[str, CachedUser]) -> None:
        """Store users, thousands in one statement; entries that exist are replaced.

        Args:
            kind: The kind of lookup.
            users: The users, by lookup.
        """
        hashed = {self._hash(kind, lookup): user for lookup, user in users.items()}
        rows = [
            {
                "app": self._app,
                "kind": kind,
                "lookup": lookup,
                "data": self._cipher.seal(user.data, (self._app, kind, lookup)),
                "fetched_at": datetime.fromtimestamp(user.fetched_at, UTC),
                "expires_at": datetime.fromtimestamp(user.expires_at, UTC),
            }
            # Sorted, so that two processes that store the same users cannot deadlock.
            for lookup, user in sorted(hashed.items())
        ]
        with migrate.open_transaction(self._url) as connection:
            added = insert(connection, user_cache)
            replaced = {name: added.excluded[name] for name in ("data", "fetched_at", "expires_at")}
            key = user_cache.primary_key.columns
            stored = added.on_conflict_do_update(index_elements=key, set_=replaced)
            insert_rows(connection, stored, rows)

    def _hash(self, kind: str, lookup: str) -> str:
        text = f"{kind}\0{lookup}".encode("utf-8", "surrogatepass")
        return hmac.new(self._hash_key, text, hashlib.sha256).hexdigest()
