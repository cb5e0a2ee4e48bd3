"""The ledger of loads and keyed messages, leases of Bitable tables, and the pace of requests.

Only tables are added, so that processes of the previous version keep working.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "ledger",
        sa.Column("id", sa.String(64), nullable=False, comment="digest of app, kind, place and key"),
        sa.Column("kind", sa.String(16), nullable=False, comment="load or message"),
        sa.Column("app_id", sa.String(255), nullable=False),
        sa.Column("name", sa.Text, nullable=False, comment="the caller's key; addresses in it are masked"),
        sa.Column("target", sa.Text, nullable=False, comment="base and table of a load"),
        sa.Column("state", sa.String(16), nullable=False, comment="pending, done or refused"),
        sa.Column("token", sa.String(64), comment="what Lark recognizes a repeat by"),
        sa.Column("content", sa.String(64), comment="digest of what is sent"),
        sa.Column("result", sa.Text, comment="JSON: what was created"),
        sa.Column("detail", sa.Text, comment="JSON: how it is written"),
        _moment("sent_at", nullable=True),
        _moment("created_at"),
        _moment("updated_at"),
        sa.PrimaryKeyConstraint("id", name="pk_ledger"),
    )
    op.create_index("ix_ledger_updated_at", "ledger", ["updated_at"])
    op.create_table(
        "ledger_chunks",
        sa.Column("ledger_id", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False, comment="from 0"),
        sa.Column("state", sa.String(16), nullable=False, comment="pending, done or refused"),
        sa.Column("first_row", sa.BigInteger, nullable=False, comment="from 1"),
        sa.Column("row_count", sa.Integer, nullable=False),
        sa.Column("content", sa.String(64), nullable=False, comment="digest of the values sent"),
        sa.Column("row_sums", sa.LargeBinary, nullable=False, comment="a checksum of 4 bytes for each row"),
        sa.Column("fields", sa.Text, nullable=False, comment="JSON: field ids by name"),
        sa.Column("keys", sa.Text, comment="encrypted; what the rows are looked for by"),
        sa.Column("token", sa.String(64), nullable=False, comment="client_token"),
        sa.Column("sends", sa.Integer, nullable=False, comment="how many tokens were used"),
        sa.Column("record_ids", sa.Text, comment="JSON list; null until they are known"),
        sa.Column("reason", sa.Text, comment="why it was refused"),
        _moment("sent_at"),
        _moment("updated_at"),
        sa.PrimaryKeyConstraint("ledger_id", "number", name="pk_ledger_chunks"),
    )
    op.create_table(
        "table_leases",
        sa.Column("key", sa.String(64), nullable=False, comment="digest of base URL, base and table"),
        sa.Column("owner", sa.String(64), nullable=False, comment="a uuid for each writer"),
        sa.Column("holder", sa.Text, nullable=False, comment="host, process and load, for people"),
        _moment("until"),
        sa.Column("intent", sa.Text, comment="encrypted; what a sync is about to create"),
        _moment("intent_at", nullable=True),
        sa.PrimaryKeyConstraint("key", name="pk_table_leases"),
    )
    op.create_table(
        "pacing",
        sa.Column("key", sa.String(64), nullable=False, comment="digest of app and limit"),
        _moment("next_at"),
        sa.PrimaryKeyConstraint("key", name="pk_pacing"),
    )


def downgrade() -> None:
    """Drop the tables, with all that is in them."""
    for table in ("pacing", "table_leases", "ledger_chunks", "ledger"):
        op.drop_table(table)
