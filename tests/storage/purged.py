"""What `purge` and `lark-provider db purge` say of a database in which nothing is old."""

from __future__ import annotations

NONE = {
    "tokens": 0,
    "user_cache": 0,
    "leases": 0,
    "card_callbacks": 0,
    "card_answers": 0,
    "handled_events": 0,
    "waits": 0,
    "table_leases": 0,
    "ledger_chunks": 0,
    "ledger": 0,
    "pacing": 0,
    "hitl_cards": 0,
    "applied_clicks": 0,
    "hitl_questions": 0,
    "people": 0,
    "link_codes": 0,
    "api_servers": 0,
    "mutes": 0,
    "escalation_steps": 0,
    "digests": 0,
    "incidents": 0,
    "outbox": 0,
    "chat_commands": 0,
    "record_cursors": 0,
    "seen_records": 0,
    "form_inputs": 0,
}
