"""What is recorded of a watched table, and forgotten after a scan."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.protocol.record_cursors import Cursor, SeenRecord
from lark_provider.storage import engine as engines
from lark_provider.storage import migrate
from lark_provider.storage.engine import hold_transaction
from lark_provider.storage.record_cursors import RecordCursors
from lark_provider.storage.watch_tables import seen_records


@pytest.mark.parametrize(("keeps_all", "left"), [(False, {"later", "new"}), (True, {"later", "new", "old"})])
def test_a_scan_forgets_a_few_hundred_rows_in_a_transaction(
    url: URL, *, keeps_all: bool, left: set[str]
) -> None:
    store, other = RecordCursors(url, "key"), RecordCursors(url, "other")
    store.begin("cli_a", "base", "tbl", 10)
    deleted = {f"gone{number}": SeenRecord(1, is_deleted=True) for number in range(1234)}
    store.note(deleted | {"old": SeenRecord(10), "later": SeenRecord(11)})
    other.note({"theirs": SeenRecord(1, is_deleted=True)})
    with hold_transaction(migrate.prepare_engine(url)) as connection:
        connection.execute(seen_records.update().values(updated_at=datetime.now(UTC) - timedelta(days=2)))
    store.note({"new": SeenRecord(1, is_deleted=True)})
    counts: list[int] = []

    def count(_connection: object, cursor: sa.CursorResult[object], statement: str, *_: object) -> None:
        if statement.startswith("DELETE"):
            counts.append(cursor.rowcount)

    used = engines.get_engine(url)
    sa.event.listen(used, "after_cursor_execute", count)
    try:
        store.complete(Cursor(10, 10), keeps_all=keeps_all)
    finally:
        sa.event.remove(used, "after_cursor_execute", count)
    assert store.read_seen().keys() == left
    assert other.read_seen().keys() == {"theirs"}
    assert counts == [500, 500, 234 + (not keeps_all)]
