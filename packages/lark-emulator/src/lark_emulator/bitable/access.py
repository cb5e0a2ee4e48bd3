"""How a request finds its base and table, and keeps others from writing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.drive.access import EDIT, VIEW, is_allowed
from lark_emulator.validation import read_flag
from lark_emulator.world.bases import NO_LIMIT

if TYPE_CHECKING:
    from lark_emulator.routing import Call
    from lark_emulator.settings import Settings
    from lark_emulator.world.bases import Base, Limit, Table

DATA_NOT_CHANGE = str(codes.DATA_NOT_CHANGE.number)
UNCHANGED = "a write that changes nothing succeeds (settable, `unchanged_write`: else 1254606)"


def find_base(call: Call) -> Base:
    """Return the base of the path.

    Raises:
        RefusedError: 1254040 (none), 91403 (not shared with this app).
    """
    base = call.world.bases.get(call.params["app_token"])
    if base is None:
        raise RefusedError(codes.BASE_NOT_FOUND)
    if not _may(call, base, VIEW):
        raise RefusedError(codes.NEVER_SHARED._replace(status=int(call.settings.never_shared_status)))
    return base


def find_base_to_write(call: Call) -> Base:
    """Return the base of the path for a write.

    Raises:
        RefusedError: 1254302 (the caller may only view the base), or what `find_base` raises.
    """
    base = find_base(call)
    if not _may(call, base, EDIT):
        raise RefusedError(codes.PERMISSION_DENIED)
    return base


def _may(call: Call, base: Base, need: str) -> bool:
    """Return whether the caller may do something: a base is shared as a document, or by the control plane."""
    if call.user is None and call.app.app_id in base.shared_with:
        return True
    document = call.world.drive.documents.get(base.app_token)
    return document is not None and is_allowed(call, document, need)


def get_limit(call: Call, base: Base) -> Limit:
    """Return what advanced permissions leave to the caller; they are set for apps only."""
    return NO_LIMIT if call.user is not None else base.get_limit(call.app.app_id)


def find_table(call: Call) -> Table:
    """Return the table of the path.

    Raises:
        RefusedError: 1254041 (none), or what `find_base` raises.
    """
    table = find_base(call).tables.get(call.params["table_id"])
    if table is None:
        raise RefusedError(codes.TABLE_NOT_FOUND)
    return table


def find_table_to_write(call: Call) -> Table:
    """Return the table of the path for a write of it, of its records or of its fields.

    Raises:
        RefusedError: 1254302 (the caller may only view the base), 1254291 (another write is going on), or
            what `find_table` raises.
    """
    table = find_table(call)
    find_base_to_write(call)
    if table.held is not None and not call.late:  # what was late has waited for its turn
        raise RefusedError(codes.WRITE_CONFLICT)
    return table


def begin_record_write(call: Call) -> Table:
    """Return the table of the path for a write of its records.

    Raises:
        RefusedError: 1254302 (advanced permissions leave no right to write), or what
            `find_table_to_write` raises.
    """
    unchecked = read_flag(call.query, "ignore_consistency_check")
    table = find_table_to_write(call)
    if not get_limit(call, find_base(call)).writes:
        raise RefusedError(codes.PERMISSION_DENIED)
    begin_write(call.settings, table, unchecked=unchecked)
    return table


def begin_write(settings: Settings, table: Table, *, unchecked: bool) -> None:
    """Prepare a write of records: what reads show for a while after it, and what `total` may lag behind.

    Args:
        settings: The emulator's settings, which say whether and how long reads are stale.
        table: The table that is written to.
        unchecked: Whether the write waives consistent reads, so that they may be stale.
    """
    stale = settings.stale_after == "every" or unchecked
    table.records.history_s = settings.stale_reads_s if stale else 0
    if not table.records.history_s:
        table.records.forget_history()
    table.count_before = len(table.records)


def refuse_unchanged(call: Call, *, changed: bool) -> None:
    """Refuse a write that changes nothing, if the setting `unchanged_write` says that Lark does.

    Raises:
        RefusedError: 1254606.
    """
    if not changed and call.settings.unchanged_write == DATA_NOT_CHANGE:
        raise RefusedError(codes.DATA_NOT_CHANGE)


def hold(call: Call, table: Table) -> None:
    """Keep the table busy for `write_ms`: call it when the write is done; the answer is not sent before."""
    if call.settings.write_ms <= 0 or call.late:
        return
    write = object()
    table.held = write
    call.hold = call.settings.write_ms / 1000

    def let_go() -> None:
        if table.held is write:
            table.held = None

    call.release = let_go
