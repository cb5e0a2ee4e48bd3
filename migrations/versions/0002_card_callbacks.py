"""Clicks on cards, which of them answered a wait, and the events that a consumer has handled."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _moment(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "card_callbacks",
        # SQLite numbers rows by itself only where the key is a plain INTEGER.
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), sa.Identity(always=True)),
        sa.Column("event_id", sa.String(255), nullable=False),
        sa.Column("app_id", sa.String(255), nullable=False),
        sa.Column("message_id", sa.String(255)),
        sa.Column("correlation", sa.String(255)),
        sa.Column("payload", sa.Text, nullable=False),
        _moment("clicked_at"),
        _moment("stored_at"),
        sa.PrimaryKeyConstraint("id", name="pk_card_callbacks"),
        sa.UniqueConstraint("event_id", name="uq_card_callbacks_event_id"),
    )
    op.create_index("ix_card_callbacks_message_id", "card_callbacks", ["message_id"])
    op.create_index("ix_card_callbacks_correlation", "card_callbacks", ["correlation"])
    op.create_table(
        "card_answers",
        sa.Column("wait_key", sa.String(255), nullable=False),
        sa.Column("event_ids", sa.Text, nullable=False),
        _moment("decided_at"),
        sa.PrimaryKeyConstraint("wait_key", name="pk_card_answers"),
    )
    op.create_table(
        "handled_events",
        sa.Column("consumer", sa.String(255), nullable=False),
        sa.Column("event_id", sa.String(255), nullable=False),
        _moment("handled_at"),
        sa.PrimaryKeyConstraint("consumer", "event_id", name="pk_handled_events"),
    )


def downgrade() -> None:
    """Drop the tables, with all that is in them."""
    for table in ("handled_events", "card_answers", "card_callbacks"):
        op.drop_table(table)
