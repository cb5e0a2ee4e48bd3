"""Airflow's questions and failures: their cards, who in Lark is whom in Airflow, and the outbox.

Only tables are added, so that processes of the previous version keep working.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    """Add the tables."""
    _add_questions()
    _add_people()
    _add_clicks()
    _add_notifications()


def _add_questions() -> None:
    op.create_table(
        "hitl_questions",
        sa.Column("ti_id", sa.String(36), nullable=False, comment="the task instance: a uuid for each try"),
        sa.Column("dag_id", sa.String(250), nullable=False),
        sa.Column("run_id", sa.String(250), nullable=False),
        sa.Column("task_id", sa.String(250), nullable=False),
        sa.Column("map_index", sa.Integer, nullable=False),
        sa.Column("team", sa.String(250), comment="of a multi-team Airflow"),
        sa.Column("content", sa.Text, nullable=False, comment="JSON: what is asked, of whom"),
        sa.Column("state", sa.String(16), nullable=False, comment="held, open or over"),
        sa.Column("outcome", sa.Text, comment="JSON: how it ended, and by whom"),
        _moment("deadline", nullable=True),
        _moment("parked_at"),
        _moment("created_at"),
        _moment("updated_at"),
        sa.PrimaryKeyConstraint("ti_id", name="pk_hitl_questions"),
    )
    op.create_index("ix_hitl_questions_state", "hitl_questions", ["state", "parked_at"])
    op.create_table(
        "hitl_cards",
        sa.Column(
            "key", sa.String(64), nullable=False, comment="digest of question, app, receiver and round"
        ),
        sa.Column("ti_id", sa.String(36), nullable=False),
        sa.Column("app_id", sa.String(255), nullable=False),
        sa.Column("receiver", sa.Text, nullable=False),
        sa.Column("receiver_type", sa.String(16), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("mentions", sa.Text, nullable=False, comment="JSON list of open_ids"),
        sa.Column("round", sa.Integer, nullable=False, comment="from 0; a card takes clicks for 14 days"),
        sa.Column("state", sa.String(16), nullable=False, comment="due, sent, over or given_up"),
        sa.Column("message_id", sa.String(255)),
        sa.Column("chat_id", sa.String(255)),
        sa.Column("shown", sa.String(64), comment="digest of the content that it shows"),
        sa.Column("reason", sa.Text, comment="why it was given up"),
        sa.Column(
            "next_at", sa.DateTime(timezone=True), comment="when it may be worked on next; null for at once"
        ),
        _moment("sent_at", nullable=True),
        _moment("created_at"),
        _moment("updated_at"),
        sa.PrimaryKeyConstraint("key", name="pk_hitl_cards"),
    )
    op.create_index("ix_hitl_cards_ti_id", "hitl_cards", ["ti_id"])
    op.create_index("ix_hitl_cards_message_id", "hitl_cards", ["message_id"])
    op.create_index("ix_hitl_cards_state", "hitl_cards", ["state", "created_at"])


def _add_people() -> None:
    op.create_table(
        "people",
        sa.Column("app_id", sa.String(255), nullable=False),
        sa.Column("tenant_key", sa.String(255), nullable=False),
        sa.Column("open_id", sa.String(255), nullable=False),
        sa.Column("auth_manager", sa.String(255), nullable=False, comment="its class"),
        sa.Column("user_id", sa.String(255), nullable=False, comment="Airflow's id, as in assigned_users"),
        sa.Column("user_name", sa.String(255), nullable=False),
        sa.Column("airflow_user", sa.Text, nullable=False, comment="encrypted; the serialised user"),
        sa.Column("state", sa.String(16), nullable=False, comment="linked or revoked"),
        _moment("linked_at"),
        _moment("updated_at"),
        sa.PrimaryKeyConstraint("app_id", "tenant_key", "open_id", name="pk_people"),
    )
    op.create_index("ix_people_user_id", "people", ["user_id"])
    op.create_table(
        "link_codes",
        sa.Column("digest", sa.String(64), nullable=False, comment="of the code, which is not stored"),
        sa.Column("app_id", sa.String(255), nullable=False),
        sa.Column("tenant_key", sa.String(255), nullable=False),
        sa.Column("open_id", sa.String(255), nullable=False),
        _moment("until"),
        _moment("used_at", nullable=True),
        sa.PrimaryKeyConstraint("digest", name="pk_link_codes"),
    )
    op.create_index("ix_link_codes_until", "link_codes", ["until"])
    op.create_table(
        "api_servers",
        sa.Column("id", sa.String(64), nullable=False, comment="digest of host and process"),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("version", sa.String(64), nullable=False, comment="of this package"),
        sa.Column("airflow_version", sa.String(64), nullable=False),
        sa.Column("guarded", sa.Boolean, nullable=False),
        sa.Column("problem", sa.Text, comment="why it is not guarded"),
        _moment("seen_at"),
        sa.PrimaryKeyConstraint("id", name="pk_api_servers"),
    )


def _add_clicks() -> None:
    op.create_table(
        "applied_clicks",
        sa.Column("app_id", sa.String(255), nullable=False),
        sa.Column("event_id", sa.String(255), nullable=False),
        sa.Column("card_key", sa.String(64), nullable=False),
        sa.Column("open_id", sa.String(255), nullable=False),
        sa.Column("state", sa.String(16), nullable=False, comment="due, done or given_up"),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("status", sa.Integer, comment="HTTP status of the result"),
        sa.Column("result", sa.Text, comment="JSON: what became of it"),
        _moment("next_at"),
        _moment("created_at"),
        _moment("done_at", nullable=True),
        _moment("shown_at", nullable=True),
        sa.PrimaryKeyConstraint("app_id", "event_id", name="pk_applied_clicks"),
    )
    op.create_index("ix_applied_clicks_state", "applied_clicks", ["state", "next_at"])
    op.create_index("ix_applied_clicks_card_key", "applied_clicks", ["card_key"])


def _add_notifications() -> None:
    op.create_table(
        "incidents",
        sa.Column("key", sa.String(64), nullable=False, comment="digest of run, app and receiver"),
        sa.Column("dag_id", sa.String(250), nullable=False),
        sa.Column("run_id", sa.String(250), nullable=False),
        sa.Column("app_id", sa.String(255), nullable=False),
        sa.Column("receiver", sa.Text, nullable=False),
        sa.Column("receiver_type", sa.String(16), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("state", sa.String(16), nullable=False, comment="open or recovered"),
        sa.Column("version", sa.Integer, nullable=False, comment="of the content; each change adds one"),
        sa.Column("content", sa.Text, nullable=False, comment="encrypted; the failures"),
        sa.Column("message_id", sa.String(255)),
        sa.Column("claimed_by", sa.Text, comment="JSON: open_id, name and time"),
        _moment("created_at"),
        _moment("updated_at"),
        sa.PrimaryKeyConstraint("key", name="pk_incidents"),
    )
    op.create_index("ix_incidents_message_id", "incidents", ["message_id"])
    op.create_index("ix_incidents_state", "incidents", ["state", "updated_at"])
    op.create_index("ix_incidents_run", "incidents", ["dag_id", "run_id"])
    op.create_table(
        "mutes",
        sa.Column("dag_id", sa.String(250), nullable=False),
        sa.Column("task_id", sa.String(250), nullable=False),
        sa.Column("muted_by", sa.Text, nullable=False, comment="JSON: open_id and name"),
        _moment("until"),
        sa.PrimaryKeyConstraint("dag_id", "task_id", name="pk_mutes"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(64), nullable=False, comment="digest of the caller's key, or random"),
        sa.Column("kind", sa.String(16), nullable=False, comment="send or update"),
        sa.Column("app_id", sa.String(255), nullable=False),
        sa.Column("base_url", sa.Text, nullable=False),
        sa.Column("target", sa.String(320), nullable=False, comment="digest of the chat or person"),
        sa.Column("card", sa.String(64), comment="the incident or card whose versions follow each other"),
        sa.Column("version", sa.Integer, nullable=False, comment="of the card"),
        sa.Column("payload", sa.Text, nullable=False, comment="encrypted under the app's own secret"),
        sa.Column("state", sa.String(16), nullable=False, comment="due, delivered or given_up"),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("owner", sa.String(64), comment="who delivers it now"),
        sa.Column("message_id", sa.String(255)),
        sa.Column("reason", sa.Text, comment="why it was given up, or tried again"),
        _moment("next_at"),
        _moment("owned_until", nullable=True),
        _moment("first_sent_at", nullable=True),
        _moment("created_at"),
        _moment("updated_at"),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_index("ix_outbox_state", "outbox", ["state", "next_at"])
    op.create_index("ix_outbox_card", "outbox", ["card", "version"])


def downgrade() -> None:
    """Drop the tables, with all that is in them."""
    for table in (
        "outbox", "mutes", "incidents", "applied_clicks", "api_servers", "link_codes", "people", "hitl_cards",
        "hitl_questions",
    ):  # fmt: skip
        op.drop_table(table)
