"""Commands that people type in chats: each is done and answered once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""

    def moment(name: str) -> sa.Column[object]:
        return sa.Column(name, sa.DateTime(timezone=True), nullable=False)

    op.create_table(
        "chat_commands",
        sa.Column("app_id", sa.String(255), primary_key=True),
        sa.Column("message_id", sa.String(255), primary_key=True),
        sa.Column("tenant_key", sa.String(255), nullable=False),
        sa.Column("open_id", sa.String(255), nullable=False, comment="who typed it"),
        sa.Column("chat_id", sa.String(255), nullable=False),
        sa.Column("is_direct", sa.Boolean, nullable=False),
        sa.Column("text", sa.Text, nullable=False, comment="as Lark has it, with keys for mentions"),
        sa.Column("mentions", sa.Text, nullable=False, comment="JSON"),
        sa.Column("state", sa.String(16), nullable=False, comment="due, decided, running, ended or done"),
        sa.Column("attempts", sa.Integer, nullable=False, comment="in this state"),
        sa.Column("outcome", sa.String(32), comment="what became of it, decided once"),
        sa.Column("answer", sa.Text, comment="JSON: what is answered, at once and when the run has ended"),
        sa.Column("dag_id", sa.String(250), comment="of the run that it started"),
        sa.Column("run_id", sa.String(250)),
        moment("sent_at"),
        moment("next_at"),
        moment("created_at"),
        moment("updated_at"),
    )
    op.create_index("ix_chat_commands_state", "chat_commands", ["state", "next_at"])


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("chat_commands")
