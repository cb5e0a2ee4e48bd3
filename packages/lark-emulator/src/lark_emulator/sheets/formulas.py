"""A few formulas that are computed when they are read: sums and their like over one range."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lark_emulator.sheets.ranges import parse_column
from lark_emulator.world.grid import Formula

if TYPE_CHECKING:
    from lark_emulator.world.sheets import Worksheet

_CALL = re.compile(
    r"=\s*(SUM|AVERAGE|COUNT|MIN|MAX)\(\s*\$?([A-Z]+)\$?(\d+)(?::\$?([A-Z]+)\$?(\d+))?\s*\)\s*", re.IGNORECASE
)
_MAX_DEPTH = 8


def compute_result(sheet: Worksheet, formula: Formula, depth: int = 0) -> Any:
    """Return the result of a formula: the one it was given, or what can be computed; else None."""
    match = _CALL.fullmatch(formula.text)
    if match is None or formula.result is not None or depth > _MAX_DEPTH:
        return formula.result
    name, left, top, right, bottom = match.groups()
    first, last = parse_column(left), parse_column(right or left)
    numbers: list[float] = []
    for row in sheet.grid.rows[int(top) - 1 : int(bottom or top)]:
        for value in () if row is None else row.values[first : last + 1]:
            taken = compute_result(sheet, value, depth + 1) if isinstance(value, Formula) else value
            if isinstance(taken, (int, float)) and not isinstance(taken, bool):
                numbers.append(taken)
    return _apply(name.upper(), numbers)


def _apply(name: str, numbers: list[float]) -> float | None:
    if name == "COUNT":
        return len(numbers)
    if name == "SUM":
        return sum(numbers)
    if not numbers:
        return None if name == "AVERAGE" else 0
    if name == "AVERAGE":
        return sum(numbers) / len(numbers)
    return min(numbers) if name == "MIN" else max(numbers)
