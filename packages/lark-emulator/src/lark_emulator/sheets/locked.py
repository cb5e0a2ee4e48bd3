"""Whether cells are locked for the caller."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lark_emulator import codes

if TYPE_CHECKING:
    from lark_emulator.sheets.opened import OpenSpreadsheet
    from lark_emulator.world.grid import Rect
    from lark_emulator.world.sheets import Worksheet


def check_unlocked(file: OpenSpreadsheet, sheet: Worksheet, where: Rect) -> None:
    """Check that no cell is in rows or columns that the caller may not write to.

    Raises:
        RefusedError: 90218.
    """
    kind, name = who = file.call.who
    if who == file.document.owner:
        return
    for lock in sheet.locks.values():
        if who != lock.creator and not (kind == "user" and name in lock.users) and lock.where.meets(where):
            raise file.make_refusal(codes.SHEET_LOCKED, lock.info)
