"""SQL that PostgreSQL and SQLite share, but SQLAlchemy keeps apart."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from lark_provider.core.storage.urls import SQLITE_DRIVER


def insert(connection: Connection, table: sa.Table) -> Any:
    """An INSERT that knows ON CONFLICT.

    Args:
        connection: Tells the dialect.
        table: Into which table.
    """
    return (sqlite if connection.dialect.name == SQLITE_DRIVER else postgresql).insert(table)
