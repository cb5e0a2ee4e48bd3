"""The tables of watched Bitable tables: how far each was scanned, and what was reported of its records."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, String, Table

from lark_provider.storage.schema import metadata, moment

record_cursors = Table(
    "record_cursors",
    metadata,
    Column("key", String(64), primary_key=True, comment="digest of app, base, table and filter"),
    Column("app_id", String(255), nullable=False),
    Column("app_token", String(255), nullable=False),
    Column("table_id", String(255), nullable=False),
    Column("began_ms", BigInteger, nullable=False, comment="changes before are not reported"),
    Column("scanned_ms", BigInteger, nullable=False, comment="changes until then are reported"),
    moment("created_at"),
    moment("updated_at"),
    Index("ix_record_cursors_updated_at", "updated_at"),
)

seen_records = Table(
    "seen_records",
    metadata,
    Column("cursor_key", String(64), primary_key=True),
    Column("record_id", String(255), primary_key=True),
    Column("modified_ms", BigInteger, nullable=False, comment="the modification that was reported"),
    Column("scanned_ms", BigInteger, nullable=False, comment="the modification that a scan reported"),
    Column("is_deleted", Boolean, nullable=False, comment="whether its deletion was reported"),
    moment("updated_at"),
    Index("ix_seen_records_updated_at", "cursor_key", "updated_at"),
)
