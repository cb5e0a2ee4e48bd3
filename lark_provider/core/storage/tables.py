"""The tables. `migrations/` makes them; a test holds the two together."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

VERSION_TABLE = "lark_alembic_version"
HEAD = "0002"
"""The revision that this code was written for; the newest in `migrations/versions`."""
GUIDE_INDEXES = ("idx_tokens_app_id", "idx_tokens_expires_at")
"""Indexes that the deployment guide has its readers create; nobody else's business."""


class Moment(TypeDecorator[datetime]):
    """A point in time, always with its zone: UTC. SQLite, which knows no zones, keeps UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Write it as UTC."""
        if value is None:
            return None
        in_utc = value.astimezone(UTC)
        return in_utc.replace(tzinfo=None) if dialect.name == "sqlite" else in_utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Read it as UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _moment(name: str, **options: Any) -> Column[datetime]:
    return Column(name, Moment(), nullable=False, **options)


applications = Table(
    "applications",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("app_id", String(255), nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("base_url", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("app_secret", Text, nullable=False, comment="encrypted"),
    Column("encrypt_key", Text, comment="encrypted"),
    Column("verification_token", Text, comment="encrypted"),
    _moment("created_at"),
    _moment("updated_at"),
    UniqueConstraint("app_id"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("key", Text, primary_key=True),
    Column("app_id", String(255), nullable=False),
    Column("value", Text, nullable=False, comment="encrypted under the app's own secret"),
    _moment("fetched_at"),
    _moment("expires_at"),
)

leases = Table(
    "leases",
    metadata,
    Column("key", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    _moment("until"),
)

user_cache = Table(
    "user_cache",
    metadata,
    Column("app", Text, primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("lookup", String(320), primary_key=True),
    Column("data", Text, nullable=False),
    _moment("fetched_at"),
    _moment("expires_at"),
    Index(None, "expires_at"),
)

meta = Table(
    "meta",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

card_callbacks = Table(
    "card_callbacks",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), Identity(always=True), primary_key=True),
    Column("event_id", String(255), nullable=False),
    Column("app_id", String(255), nullable=False),
    Column("message_id", String(255), index=True),
    Column("correlation", String(255), index=True),
    Column("payload", Text, nullable=False),
    _moment("clicked_at"),
    _moment("stored_at"),
    UniqueConstraint("event_id"),
)

card_answers = Table(
    "card_answers",
    metadata,
    Column("wait_key", String(255), primary_key=True),
    Column("event_ids", Text, nullable=False),
    _moment("decided_at"),
)

handled_events = Table(
    "handled_events",
    metadata,
    Column("consumer", String(255), primary_key=True),
    Column("event_id", String(255), primary_key=True),
    _moment("handled_at"),
)
