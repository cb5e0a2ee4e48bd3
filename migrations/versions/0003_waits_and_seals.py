"""Questions that are asked, sealed registry rows, and event ids that are unique per app.

Everything is added beside what is there, so that a gateway and a pump of version 0.1 keep working.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _index_clicks(*more: str) -> None:
    """Find clicks by message and by correlation, and of those the newest by further columns."""
    for column in ("message_id", "correlation"):
        name = f"ix_card_callbacks_{column}"
        op.drop_index(name, "card_callbacks")
        op.create_index(name, "card_callbacks", [column, *more])


def upgrade() -> None:
    """Add table, columns and keys; empty the cache of user lookups, which held its values in clear."""
    op.create_table(
        "waits",
        sa.Column(
            "id",
            sa.String(36),
            nullable=False,
            comment="a uuid; the correlation that the card's buttons carry",
        ),
        sa.Column("origin_key", sa.String(64), nullable=False, comment="digest of who asked: task or caller"),
        sa.Column("origin", sa.Text, nullable=False, comment="JSON: DAG, run, task, map index, attempt"),
        sa.Column("app_id", sa.String(255), comment="null: cards of all apps"),
        sa.Column("message_ids", sa.Text, nullable=False, comment="JSON list; empty until the card is sent"),
        sa.Column(
            "question",
            sa.Text,
            nullable=False,
            comment="JSON: operators, options, form, how the card is closed",
        ),
        sa.Column("state", sa.String(16), nullable=False, comment="open, decided or closed"),
        sa.Column("reason", sa.String(32), comment="why it was closed"),
        sa.Column("decided_by", sa.Text, comment="JSON list of card_callbacks.id"),
        sa.Column("successor", sa.String(36), comment="the wait that took its place"),
        _moment("deadline", nullable=True),
        _moment("created_at"),
        _moment("updated_at"),
        sa.PrimaryKeyConstraint("id", name="pk_waits"),
    )
    op.create_index("ix_waits_origin_key", "waits", ["origin_key"])
    op.create_index("ix_waits_state_deadline", "waits", ["state", "deadline"])
    with op.batch_alter_table("applications") as applications:
        applications.add_column(
            sa.Column("sealed", sa.Text, comment="encrypted, and bound to app_id and base_url")
        )
    with op.batch_alter_table("card_callbacks") as clicks:
        clicks.add_column(
            sa.Column("operator_id", sa.String(255), comment="open_id; null in rows that version 0.1 wrote")
        )
        clicks.create_unique_constraint("uq_card_callbacks_app_id", ["app_id", "event_id"])
    _index_clicks("id")
    op.execute(sa.text("DELETE FROM user_cache"))


def downgrade() -> None:
    """Take away what was added, with all that is in it."""
    _index_clicks()
    with op.batch_alter_table("card_callbacks") as clicks:
        clicks.drop_constraint("uq_card_callbacks_app_id", type_="unique")
        clicks.drop_column("operator_id")
    with op.batch_alter_table("applications") as applications:
        applications.drop_column("sealed")
    op.drop_table("waits")
