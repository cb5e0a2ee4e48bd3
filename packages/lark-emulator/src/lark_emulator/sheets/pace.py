"""When a long request gives way to others."""

from __future__ import annotations

#: Cells between two turns: some milliseconds of work.
CELLS = 5000


class Pace:
    """Count the cells of a request, which gives way after many of them."""

    def __init__(self) -> None:
        self._left = CELLS

    def count_cells(self, cells: int) -> bool:
        """Count cells, and return whether other clients get a turn now."""
        self._left -= cells + 1
        if self._left > 0:
            return False
        self._left = CELLS
        return True
