"""Steps of escalations, digests by route and day, and when a message of the outbox is too late.

Only tables, and a column that may be null, are added, so that processes of the previous version keep working.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, and add the column."""
    op.create_table(
        "escalation_steps",
        sa.Column("incident_key", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer, nullable=False, comment="from 1"),
        sa.Column("app_id", sa.String(255), nullable=False),
        sa.Column("urgent", sa.String(16), nullable=False, comment="app, sms or phone"),
        sa.Column(
            "state",
            sa.String(16),
            nullable=False,
            comment="due, started, done, failed, unknown, skipped or ended",
        ),
        sa.Column(
            "content", sa.Text, nullable=False, comment="encrypted; what it does, the rota, and who it was"
        ),
        sa.Column("reason", sa.Text, comment="why it failed, ended or is tried again"),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), comment="when it is tried again; null for at once"),
        sa.Column("started_at", sa.DateTime(timezone=True), comment="committed before the call"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("incident_key", "number", name="pk_escalation_steps"),
    )
    op.create_index("ix_escalation_steps_state", "escalation_steps", ["state", "due_at"])
    op.create_table(
        "digests",
        sa.Column("route", sa.String(64), nullable=False, comment="digest of Airflow, team and route"),
        sa.Column("day", sa.String(10), nullable=False, comment="the local day"),
        sa.Column("state", sa.String(16), nullable=False, comment="recorded or skipped"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("route", "day", name="pk_digests"),
    )
    op.add_column(
        "outbox",
        sa.Column(
            "expires_at", sa.DateTime(timezone=True), comment="after it, it is given up; null for never"
        ),
    )


def downgrade() -> None:
    """Drop them."""
    with op.batch_alter_table("outbox") as outbox:
        outbox.drop_column("expires_at")
    op.drop_table("digests")
    op.drop_index("ix_escalation_steps_state", table_name="escalation_steps")
    op.drop_table("escalation_steps")
