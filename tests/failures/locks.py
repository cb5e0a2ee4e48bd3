"""Sessions of PostgreSQL that wait for a lock."""

from __future__ import annotations

import sqlalchemy as sa

_WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def count_waiting(engine: sa.Engine) -> int:
    """Return how many sessions of a database wait, in a new transaction, since one sees a single state."""
    with engine.connect() as connection:
        return int(connection.scalar(sa.text(_WAITING)) or 0)
