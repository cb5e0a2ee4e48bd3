"""Apps, their tokens, the leases for renewing them, people looked up, and the database's own id."""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _moment(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "applications",
        sa.Column("id", sa.Integer, sa.Identity(always=True)),
        sa.Column("app_id", sa.String(255), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("base_url", sa.Text, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("app_secret", sa.Text, nullable=False, comment="encrypted"),
        sa.Column("encrypt_key", sa.Text, comment="encrypted"),
        sa.Column("verification_token", sa.Text, comment="encrypted"),
        _moment("created_at"),
        _moment("updated_at"),
        sa.PrimaryKeyConstraint("id", name="pk_applications"),
        sa.UniqueConstraint("app_id", name="uq_applications_app_id"),
    )
    op.create_table(
        "tokens",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("app_id", sa.String(255), nullable=False),
        sa.Column("value", sa.Text, nullable=False, comment="encrypted under the app's own secret"),
        _moment("fetched_at"),
        _moment("expires_at"),
        sa.PrimaryKeyConstraint("key", name="pk_tokens"),
    )
    op.create_table(
        "leases",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        _moment("until"),
        sa.PrimaryKeyConstraint("key", name="pk_leases"),
    )
    op.create_table(
        "user_cache",
        sa.Column("app", sa.Text, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("lookup", sa.String(320), nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        _moment("fetched_at"),
        _moment("expires_at"),
        sa.PrimaryKeyConstraint("app", "kind", "lookup", name="pk_user_cache"),
    )
    op.create_index("ix_user_cache_expires_at", "user_cache", ["expires_at"])
    meta = op.create_table(
        "meta",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_meta"),
    )
    op.bulk_insert(meta, [{"key": "database_id", "value": str(uuid.uuid4())}])


def downgrade() -> None:
    """Drop the tables, with all that is in them."""
    for table in ("meta", "user_cache", "leases", "tokens", "applications"):
        op.drop_table(table)
