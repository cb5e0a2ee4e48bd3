"""What all tables share: their metadata, their revision, and how they hold a point in time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, DateTime, MetaData
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

VERSION_TABLE = "lark_alembic_version"
HEAD = "0010"
"""The revision that this code was written for; the newest in `migrations/versions`."""
GUIDE_INDEXES = ("idx_tokens_app_id", "idx_tokens_expires_at")
"""Indexes that the deployment guide tells its readers to create; comparisons of the schema ignore them."""


class UtcTimestamp(TypeDecorator[datetime]):
    """A point in time, always with its zone: UTC. SQLite, which knows no zones, keeps UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Write a time as UTC."""
        if value is None:
            return None
        in_utc = value.astimezone(UTC)
        return in_utc.replace(tzinfo=None) if dialect.name == "sqlite" else in_utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Read a time as UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def moment(name: str, **options: Any) -> Column[datetime]:
    """Return a column for a point in time that is always known."""
    return Column(name, UtcTimestamp(), nullable=False, **options)
