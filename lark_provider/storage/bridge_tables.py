"""The tables of Airflow's questions and failures, and of the outbox. `migrations/` creates them."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, Index, Integer, String, Table, Text

from lark_provider.storage.schema import UtcTimestamp, metadata, moment

hitl_questions = Table(
    "hitl_questions",
    metadata,
    Column("ti_id", String(36), primary_key=True, comment="the task instance: a uuid for each try"),
    Column("dag_id", String(250), nullable=False),
    Column("run_id", String(250), nullable=False),
    Column("task_id", String(250), nullable=False),
    Column("map_index", Integer, nullable=False),
    Column("team", String(250), comment="of a multi-team Airflow"),
    Column("content", Text, nullable=False, comment="JSON: what is asked, of whom"),
    Column("state", String(16), nullable=False, comment="held, open or over"),
    Column("outcome", Text, comment="JSON: how it ended, and by whom"),
    Column("deadline", UtcTimestamp()),
    moment("parked_at"),
    moment("created_at"),
    moment("updated_at"),
    Index("ix_hitl_questions_state", "state", "parked_at"),
)

hitl_cards = Table(
    "hitl_cards",
    metadata,
    Column("key", String(64), primary_key=True, comment="digest of question, app, receiver and round"),
    Column("ti_id", String(36), nullable=False),
    Column("app_id", String(255), nullable=False),
    Column("receiver", Text, nullable=False),
    Column("receiver_type", String(16), nullable=False),
    Column("language", String(8), nullable=False),
    Column("mentions", Text, nullable=False, comment="JSON list of open_ids"),
    Column("round", Integer, nullable=False, comment="from 0; a card takes clicks for 14 days"),
    Column("state", String(16), nullable=False, comment="due, sent, over or given_up"),
    Column("message_id", String(255)),
    Column("chat_id", String(255)),
    Column("shown", String(64), comment="digest of the content that it shows"),
    Column("reason", Text, comment="why it was given up"),
    Column("next_at", UtcTimestamp(), comment="when it may be worked on next; null for at once"),
    Column("sent_at", UtcTimestamp()),
    moment("created_at"),
    moment("updated_at"),
    Index("ix_hitl_cards_ti_id", "ti_id"),
    Index("ix_hitl_cards_message_id", "message_id"),
    Index("ix_hitl_cards_state", "state", "created_at"),
)

people = Table(
    "people",
    metadata,
    Column("app_id", String(255), primary_key=True),
    Column("tenant_key", String(255), primary_key=True),
    Column("open_id", String(255), primary_key=True),
    Column("auth_manager", String(255), nullable=False, comment="its class"),
    Column("user_id", String(255), nullable=False, comment="Airflow's id, as in assigned_users"),
    Column("user_name", String(255), nullable=False),
    Column("airflow_user", Text, nullable=False, comment="encrypted; the serialised user"),
    Column("state", String(16), nullable=False, comment="linked or revoked"),
    moment("linked_at"),
    moment("updated_at"),
    Index("ix_people_user_id", "user_id"),
)

link_codes = Table(
    "link_codes",
    metadata,
    Column("digest", String(64), primary_key=True, comment="of the code, which is not stored"),
    Column("app_id", String(255), nullable=False),
    Column("tenant_key", String(255), nullable=False),
    Column("open_id", String(255), nullable=False),
    moment("until"),
    Column("used_at", UtcTimestamp()),
    Index("ix_link_codes_until", "until"),
)

api_servers = Table(
    "api_servers",
    metadata,
    Column("id", String(64), primary_key=True, comment="digest of host and process"),
    Column("host", String(255), nullable=False),
    Column("version", String(64), nullable=False, comment="of this package"),
    Column("airflow_version", String(64), nullable=False),
    Column("guarded", Boolean, nullable=False),
    Column("problem", Text, comment="why it is not guarded"),
    moment("seen_at"),
    Column("hold_seconds", Float, comment="how long it holds answers; null if it does not say"),
)

applied_clicks = Table(
    "applied_clicks",
    metadata,
    Column("app_id", String(255), primary_key=True),
    Column("event_id", String(255), primary_key=True),
    Column("card_key", String(64), nullable=False),
    Column("open_id", String(255), nullable=False),
    Column("state", String(16), nullable=False, comment="due, done or given_up"),
    Column("attempts", Integer, nullable=False),
    Column("status", Integer, comment="HTTP status of the result"),
    Column("result", Text, comment="JSON: what became of it"),
    moment("next_at"),
    moment("created_at"),
    Column("done_at", UtcTimestamp()),
    Column("shown_at", UtcTimestamp()),
    Column("plan", Text, comment="JSON: what it clears in Airflow, decided once"),
    Index("ix_applied_clicks_state", "state", "next_at"),
    Index("ix_applied_clicks_card_key", "card_key"),
)

chat_commands = Table(
    "chat_commands",
    metadata,
    Column("app_id", String(255), primary_key=True),
    Column("message_id", String(255), primary_key=True),
    Column("tenant_key", String(255), nullable=False),
    Column("open_id", String(255), nullable=False, comment="who typed it"),
    Column("chat_id", String(255), nullable=False),
    Column("is_direct", Boolean, nullable=False),
    Column("text", Text, nullable=False, comment="as Lark has it, with keys for mentions"),
    Column("mentions", Text, nullable=False, comment="JSON"),
    Column("state", String(16), nullable=False, comment="due, decided, running, ended or done"),
    Column("attempts", Integer, nullable=False, comment="in this state"),
    Column("outcome", String(32), comment="what became of it, decided once"),
    Column("answer", Text, comment="JSON: what is answered, at once and when the run has ended"),
    Column("dag_id", String(250), comment="of the run that it started"),
    Column("run_id", String(250)),
    moment("sent_at"),
    moment("next_at"),
    moment("created_at"),
    moment("updated_at"),
    Index("ix_chat_commands_state", "state", "next_at"),
)

incidents = Table(
    "incidents",
    metadata,
    Column("key", String(64), primary_key=True, comment="digest of run, app and receiver"),
    Column("dag_id", String(250), nullable=False),
    Column("run_id", String(250), nullable=False),
    Column("app_id", String(255), nullable=False),
    Column("receiver", Text, nullable=False),
    Column("receiver_type", String(16), nullable=False),
    Column("language", String(8), nullable=False),
    Column("state", String(16), nullable=False, comment="open or recovered"),
    Column("version", Integer, nullable=False, comment="of the content; each change adds one"),
    Column("content", Text, nullable=False, comment="encrypted; the failures"),
    Column("message_id", String(255)),
    Column("claimed_by", Text, comment="JSON: open_id, name and time"),
    moment("created_at"),
    moment("updated_at"),
    Index("ix_incidents_message_id", "message_id"),
    Index("ix_incidents_state", "state", "updated_at"),
    Index("ix_incidents_run", "dag_id", "run_id"),
)

mutes = Table(
    "mutes",
    metadata,
    Column("dag_id", String(250), primary_key=True),
    Column("task_id", String(250), primary_key=True),
    Column("muted_by", Text, nullable=False, comment="JSON: open_id and name"),
    moment("until"),
)

escalation_steps = Table(
    "escalation_steps",
    metadata,
    Column("incident_key", String(64), primary_key=True),
    Column("number", Integer, primary_key=True, comment="from 1"),
    Column("app_id", String(255), nullable=False),
    Column("urgent", String(16), nullable=False, comment="app, sms or phone"),
    Column(
        "state", String(16), nullable=False,
        comment="due, started, done, failed, unknown, skipped or ended",
    ),
    Column("content", Text, nullable=False, comment="encrypted; what it does, the rota, and who it was"),
    Column("reason", Text, comment="why it failed, ended or is tried again"),
    moment("due_at"),
    Column("next_at", UtcTimestamp(), comment="when it is tried again; null for at once"),
    Column("started_at", UtcTimestamp(), comment="committed before the call"),
    moment("created_at"),
    moment("updated_at"),
    Index("ix_escalation_steps_state", "state", "due_at"),
)  # fmt: skip

digests = Table(
    "digests",
    metadata,
    Column("route", String(64), primary_key=True, comment="digest of Airflow, team and route"),
    Column("day", String(10), primary_key=True, comment="the local day"),
    Column("state", String(16), nullable=False, comment="recorded or skipped"),
    moment("created_at"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", String(64), primary_key=True, comment="digest of the caller's key, or random"),
    Column("kind", String(16), nullable=False, comment="send or update"),
    Column("app_id", String(255), nullable=False),
    Column("base_url", Text, nullable=False),
    Column("target", String(320), nullable=False, comment="digest of the chat or person"),
    Column("card", String(64), comment="the incident or card whose versions follow each other"),
    Column("version", Integer, nullable=False, comment="of the card"),
    Column("payload", Text, nullable=False, comment="encrypted under the app's own secret"),
    Column("state", String(16), nullable=False, comment="due, delivered or given_up"),
    Column("attempts", Integer, nullable=False),
    Column("owner", String(64), comment="who delivers it now"),
    Column("message_id", String(255)),
    Column("reason", Text, comment="why it was given up, or tried again"),
    moment("next_at"),
    Column("owned_until", UtcTimestamp()),
    Column("first_sent_at", UtcTimestamp()),
    moment("created_at"),
    moment("updated_at"),
    Column("expires_at", UtcTimestamp(), comment="after it, it is given up; null for never"),
    Index("ix_outbox_state", "state", "next_at"),
    Index("ix_outbox_card", "card", "version"),
)
