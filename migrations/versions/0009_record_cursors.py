"""How far each watched Bitable table was scanned, and what was reported of its records."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "record_cursors",
        sa.Column("key", sa.String(64), nullable=False, comment="digest of app, base, table and filter"),
        sa.Column("app_id", sa.String(255), nullable=False),
        sa.Column("app_token", sa.String(255), nullable=False),
        sa.Column("table_id", sa.String(255), nullable=False),
        sa.Column("began_ms", sa.BigInteger, nullable=False, comment="changes before are not reported"),
        sa.Column("scanned_ms", sa.BigInteger, nullable=False, comment="changes until then are reported"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_record_cursors")),
    )
    op.create_index("ix_record_cursors_updated_at", "record_cursors", ["updated_at"])
    op.create_table(
        "seen_records",
        sa.Column("cursor_key", sa.String(64), nullable=False),
        sa.Column("record_id", sa.String(255), nullable=False),
        sa.Column("modified_ms", sa.BigInteger, nullable=False, comment="the modification that was reported"),
        sa.Column(
            "scanned_ms", sa.BigInteger, nullable=False, comment="the modification that a scan reported"
        ),
        sa.Column("is_deleted", sa.Boolean, nullable=False, comment="whether its deletion was reported"),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("cursor_key", "record_id", name=op.f("pk_seen_records")),
    )
    op.create_index("ix_seen_records_updated_at", "seen_records", ["cursor_key", "updated_at"])


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("seen_records")
    op.drop_table("record_cursors")
