"""Databases with our tables, for tests that are not about migrations, in a tenth of the time.

What `migrate.upgrade` did to the first empty database of each kind is repeated in the others.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.storage import migrate, urls
from lark_provider.storage.engine import get_engine, hold_transaction, make_file

_ID = "UPDATE meta SET value = '{}' WHERE key = 'database_id'"
_OWN = ("SELECT", "SET", "BEGIN")  # Of a transaction, not of what it leaves.
_file: list[bytes] = []
_script: list[str] = []


def upgrade(url: URL) -> None:
    """Give an empty database our tables, and an identity of its own."""
    if url.drivername == urls.SQLITE_DRIVER:
        _upgrade_file(url)
    elif _script:
        with hold_transaction(get_engine(url)) as connection:
            connection.exec_driver_sql("".join([*_script, _ID.format(uuid4())]))
    else:
        with _record_script(get_engine(url)) as script:
            migrate.upgrade(url)
        _script.extend(script)


def _upgrade_file(url: URL) -> None:
    file = Path(str(url.database))
    if file.exists():
        migrate.upgrade(url)
    elif _file:
        make_file(url)
        file.write_bytes(_file[0])
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute(_ID.format(uuid4()))
    else:
        migrate.upgrade(url)
        with closing(sqlite3.connect(file)) as connection:
            _file.append(connection.serialize())


@contextmanager
def _record_script(engine: sa.Engine) -> Iterator[list[str]]:
    script: list[str] = []

    def record(
        _: Any, cursor: Any, statement: str, parameters: Any, _context: Any, _executemany: bool
    ) -> None:
        if not statement.lstrip().startswith(_OWN):
            script.append(cursor.mogrify(statement, parameters or None).decode() + ";\n")

    sa.event.listen(engine, "before_cursor_execute", record)
    try:
        yield script
    finally:
        sa.event.remove(engine, "before_cursor_execute", record)
