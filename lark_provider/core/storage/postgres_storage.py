"""Plain SQL on the configured database, under the name that the deployment guide uses."""

from __future__ import annotations

from lark_provider.storage.postgres_storage import PostgresStorage

__all__ = ["PostgresStorage"]
