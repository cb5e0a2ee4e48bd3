"""What a click on a failure's card clears, decided once; and how long each API server holds answers.

Only columns are added that may be null, so that processes of the previous version keep working.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    plan = sa.Column("plan", sa.Text, comment="JSON: what it clears in Airflow, decided once")
    op.add_column("applied_clicks", plan)
    hold = sa.Column("hold_seconds", sa.Float, comment="how long it holds answers; null if it does not say")
    op.add_column("api_servers", hold)


def downgrade() -> None:
    """Drop the columns."""
    with op.batch_alter_table("api_servers") as servers:
        servers.drop_column("hold_seconds")
    with op.batch_alter_table("applied_clicks") as clicks:
        clicks.drop_column("plan")
