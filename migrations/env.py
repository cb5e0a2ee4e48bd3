"""Run migrations: on the connection that the program hands over, else on the configured database."""

from __future__ import annotations

from typing import Any, Literal

import sqlalchemy as sa
from alembic import context

from lark_provider.storage import urls
from lark_provider.storage.deadlines import MAINTENANCE
from lark_provider.storage.engine import create, hold_transaction, make_file
from lark_provider.storage.tables import GUIDE_INDEXES, VERSION_TABLE, UtcTimestamp, metadata

_LOCK = 0x6C61726B  # "lark": what two upgrades at once wait for on PostgreSQL


def _is_ours(_thing: object, name: str | None, kind: str, reflected: bool, compare_to: object) -> bool:
    """Return False for what others made: their tables in a shared database, and the guide's own indexes."""
    if kind == "index" and name in GUIDE_INDEXES:
        return False
    return not (kind == "table" and reflected and compare_to is None)


def _render_item(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Render our timestamp type as its database type, since migrations outlive the code."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcTimestamp) else False


_OPTIONS: dict[str, Any] = {
    "target_metadata": metadata,
    "version_table": VERSION_TABLE,
    "include_object": _is_ours,
    "render_item": _render_item,
    "compare_type": True,
}


def _migrate(connection: sa.Connection) -> None:
    if connection.dialect.name == "postgresql":
        # Another upgrade is waited for as long as a statement may last, a table for less: whoever wants the
        # table meanwhile queues behind this one.
        connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {round(MAINTENANCE.lock * 1000)}")
    context.configure(connection=connection, render_as_batch=connection.dialect.name == "sqlite", **_OPTIONS)
    with context.begin_transaction():
        context.run_migrations()


def _main() -> None:
    handed_over: sa.Connection | None = context.config.attributes.get("connection")
    if handed_over is not None:
        _migrate(handed_over)
        return
    url = urls.database()
    if context.is_offline_mode():
        context.configure(url=url, literal_binds=True, **_OPTIONS)
        with context.begin_transaction():
            context.run_migrations()
        return
    if url.drivername == urls.SQLITE_DRIVER:
        make_file(url)
    with hold_transaction(create(url), limits=MAINTENANCE) as connection:
        _migrate(connection)


_main()
