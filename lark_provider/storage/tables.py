"""The tables. `migrations/` creates them; a test compares the two."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from lark_provider.storage import bridge_tables, watch_tables
from lark_provider.storage.schema import GUIDE_INDEXES, HEAD, VERSION_TABLE, UtcTimestamp, metadata, moment

__all__ = [
    "GUIDE_INDEXES",
    "HEAD",
    "VERSION_TABLE",
    "UtcTimestamp",
    "bridge_tables",
    "metadata",
    "watch_tables",
]

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
    # Only this column is read. The three above are written for processes of version 0.1.
    Column("sealed", Text, comment="encrypted, and bound to app_id and base_url"),
    moment("created_at"),
    moment("updated_at"),
    UniqueConstraint("app_id"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("key", Text, primary_key=True),
    Column("app_id", String(255), nullable=False),
    Column("value", Text, nullable=False, comment="encrypted under the app's own secret"),
    moment("fetched_at"),
    moment("expires_at"),
)

leases = Table(
    "leases",
    metadata,
    Column("key", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    moment("until"),
)

user_cache = Table(
    "user_cache",
    metadata,
    Column("app", Text, primary_key=True),
    Column("kind", String(32), primary_key=True),
    # No comments on the columns: the migrations of version 0.1 made them without.
    Column("lookup", String(320), primary_key=True),  # a keyed hash
    Column("data", Text, nullable=False),  # encrypted
    moment("fetched_at"),
    moment("expires_at"),
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
    Column("message_id", String(255)),
    Column("correlation", String(255)),
    Column("operator_id", String(255), comment="open_id; null in rows that version 0.1 wrote"),
    Column("payload", Text, nullable=False),
    moment("clicked_at"),
    moment("stored_at"),
    UniqueConstraint("event_id"),  # for processes of version 0.1, which name it in ON CONFLICT
    UniqueConstraint("app_id", "event_id"),
    # With the id, so that of a card's clicks only the newest have to be looked at.
    Index(None, "message_id", "id"),
    Index(None, "correlation", "id"),
)

waits = Table(
    "waits",
    metadata,
    Column(
        "id", String(36), primary_key=True, comment="a uuid; the correlation that the card's buttons carry"
    ),
    Column(
        "origin_key", String(64), nullable=False, index=True, comment="digest of who asked: task or caller"
    ),
    Column("origin", Text, nullable=False, comment="JSON: DAG, run, task, map index, attempt"),
    Column("app_id", String(255), comment="null: cards of all apps"),
    Column("message_ids", Text, nullable=False, comment="JSON list; empty until the card is sent"),
    Column(
        "question", Text, nullable=False, comment="JSON: operators, options, form, how the card is closed"
    ),
    Column("state", String(16), nullable=False, comment="open, decided or closed"),
    Column("reason", String(32), comment="why it was closed"),
    Column("decided_by", Text, comment="JSON list of card_callbacks.id"),
    Column("successor", String(36), comment="the wait that took its place"),
    Column("deadline", UtcTimestamp()),
    moment("created_at"),
    moment("updated_at"),
    Index("ix_waits_state_deadline", "state", "deadline"),
)

card_answers = Table(
    "card_answers",
    metadata,
    Column("wait_key", String(255), primary_key=True),
    Column("event_ids", Text, nullable=False),
    moment("decided_at"),
)

handled_events = Table(
    "handled_events",
    metadata,
    Column("consumer", String(255), primary_key=True),
    Column("event_id", String(255), primary_key=True),
    moment("handled_at"),
)

ledger = Table(
    "ledger",
    metadata,
    Column("id", String(64), primary_key=True, comment="digest of app, kind, place and key"),
    Column("kind", String(16), nullable=False, comment="load or message"),
    Column("app_id", String(255), nullable=False),
    Column("name", Text, nullable=False, comment="the caller's key; addresses in it are masked"),
    Column("target", Text, nullable=False, comment="base and table of a load"),
    Column("state", String(16), nullable=False, comment="pending, done or refused"),
    Column("token", String(64), comment="what Lark recognizes a repeat by"),
    Column("content", String(64), comment="digest of what is sent"),
    Column("result", Text, comment="JSON: what was created"),
    Column("detail", Text, comment="JSON: how it is written"),
    Column("sent_at", UtcTimestamp()),
    moment("created_at"),
    moment("updated_at", index=True),
)

ledger_chunks = Table(
    "ledger_chunks",
    metadata,
    Column("ledger_id", String(64), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False, comment="from 0"),
    Column("state", String(16), nullable=False, comment="pending, done or refused"),
    Column("first_row", BigInteger, nullable=False, comment="from 1"),
    Column("row_count", Integer, nullable=False),
    Column("content", String(64), nullable=False, comment="digest of the values sent"),
    Column("row_sums", LargeBinary, nullable=False, comment="a checksum of 4 bytes for each row"),
    Column("fields", Text, nullable=False, comment="JSON: field ids by name"),
    Column("keys", Text, comment="encrypted; what the rows are looked for by"),
    Column("token", String(64), nullable=False, comment="client_token"),
    Column("sends", Integer, nullable=False, comment="how many tokens were used"),
    Column("record_ids", Text, comment="JSON list; null until they are known"),
    Column("reason", Text, comment="why it was refused"),
    moment("sent_at"),
    moment("updated_at"),
)

table_leases = Table(
    "table_leases",
    metadata,
    Column("key", String(64), primary_key=True, comment="digest of base URL, base and table"),
    Column("owner", String(64), nullable=False, comment="a uuid for each writer"),
    Column("holder", Text, nullable=False, comment="host, process and load, for people"),
    moment("until"),
    Column("intent", Text, comment="encrypted; what a sync is about to create"),
    Column("intent_at", UtcTimestamp()),
)

pacing = Table(
    "pacing",
    metadata,
    Column("key", String(64), primary_key=True, comment="digest of app and limit"),
    moment("next_at"),
)
