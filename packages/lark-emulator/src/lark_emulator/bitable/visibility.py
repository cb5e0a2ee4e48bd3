"""Which records an app sees: all, fewer by advanced permissions, or those of a moment ago."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from lark_emulator import codes
from lark_emulator.bitable.access import get_limit
from lark_emulator.codes import RefusedError
from lark_emulator.slicing import filter_items, sort_items
from lark_emulator.world.records import get_number

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from lark_emulator.routing import Call
    from lark_emulator.world.bases import Base, Table
    from lark_emulator.world.records import Record

UNCONFIRMED = (
    "with advanced permissions, records that the app does not see are left out of lists and searches, are "
    "`forbidden_record_ids` of batch_get, and get 1254302 when they are read, changed or deleted by id"
)


def shows_all(call: Call, base: Base) -> bool:
    """Return whether reads show exactly what the table holds now."""
    return call.settings.stale_reads_s <= 0 and get_limit(call, base).sees == "all"


def list_visible(call: Call, base: Base, table: Table) -> Generator[None, None, list[Record]]:
    """Return the records that a read shows, in order and as they are now; the list must not be changed.

    Other requests are served while it is made.
    """
    records = table.records.take_snapshot()
    limit = get_limit(call, base)
    then = _read_stale(call, table)
    if then:
        known = {record.record_id for record in records if record.record_id in then}
        records = yield from filter_items(
            lambda record: then.get(record.record_id, record) is not None, records
        )
        gone = [record for name, record in then.items() if record is not None and name not in known]
        records = [then.get(record.record_id) or record for record in records] + gone
        if gone:
            records = yield from sort_items(records, get_number)
    if limit.sees == "all":
        return records
    return (yield from filter_items(partial(_sees, call, base), records))


def _read_stale(call: Call, table: Table) -> dict[str, Record | None]:
    """Return what a stale read shows in the place of what is there now."""
    stale = call.settings.stale_reads_s
    return table.records.collect_earlier(call.world.clock.get_time() - stale) if stale > 0 else {}


def by_id(
    call: Call, base: Base, table: Table, record_ids: Iterable[str]
) -> tuple[list[Record], list[str], list[str]]:
    """Look records up.

    Returns:
        Those that a read shows, and the ids of those that are hidden and that do not exist.
    """
    then = _read_stale(call, table)
    shown, hidden, absent = [], [], []
    for record_id in record_ids:
        record = then[record_id] if record_id in then else table.records.get(record_id)
        if record is None:
            absent.append(record_id)
        elif _sees(call, base, record):
            shown.append(record)
        else:
            hidden.append(record_id)
    return shown, hidden, absent


def to_write(call: Call, base: Base, table: Table, record_ids: Iterable[str]) -> list[Record]:
    """Return the records that a write names, as they are now.

    Raises:
        RefusedError: 1254043 (one does not exist), 1254302 (one is hidden from the app).
    """
    try:
        records = [table.records[record_id] for record_id in record_ids]
    except KeyError:
        raise RefusedError(codes.RECORD_NOT_FOUND) from None
    if not all(_sees(call, base, record) for record in records):
        raise RefusedError(codes.PERMISSION_DENIED)
    return records


def _sees(call: Call, base: Base, record: Record) -> bool:
    sees = get_limit(call, base).sees
    return sees == "all" or (sees == "own" and record.created_by is call.author)
