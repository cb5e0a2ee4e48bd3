"""The record ids of loads are stored without compression, which took time and saved nothing.

Ids are random text: PostgreSQL spent a third of its time for a step of a load on them, and made them no
shorter. Only rows that are written from now on are stored so; the table is not rewritten.
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def _store(how: str) -> None:
    if op.get_context().dialect.name == "postgresql":  # SQLite compresses nothing
        op.execute(f"ALTER TABLE ledger_chunks ALTER COLUMN record_ids SET STORAGE {how}")


def upgrade() -> None:
    """Store them as they are."""
    _store("EXTERNAL")


def downgrade() -> None:
    """Compress them again, as PostgreSQL does by itself."""
    _store("EXTENDED")
