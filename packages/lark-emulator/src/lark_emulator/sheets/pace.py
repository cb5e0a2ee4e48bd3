"""When a long request lets others have their turn."""

from __future__ import annotations

#: Cells between two turns: some milliseconds of work.
CELLS = 5000


class Pace:
    """Counts cells."""

    def __init__(self) -> None:
        self._left = CELLS

    def is_due(self, cells: int) -> bool:
        """Say whether it is another client's turn after these cells."""
        self._left -= cells + 1
        if self._left > 0:
            return False
        self._left = CELLS
        return True
