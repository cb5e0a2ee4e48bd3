"""Sessions of PostgreSQL that wait for a lock."""

from __future__ import annotations

import sqlalchemy as sa

_WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def count_waiting(database: sa.Engine | sa.URL) -> int:
    """Return how many sessions of a database wait, in a new transaction, since one sees a single state."""
    if isinstance(database, sa.Engine):
        with database.connect() as connection:
            return int(connection.scalar(sa.text(_WAITING)) or 0)
    engine = sa.create_engine(database.set(drivername="postgresql+psycopg2"), poolclass=sa.NullPool)
    return count_waiting(engine)
