"""Conditions of filters and of filter views: what they compare, and with how many values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lark_emulator.codes import Code
    from lark_emulator.sheets.opened import OpenSpreadsheet

MAX_CHARS = 1000
Comparisons = dict[str, dict[str, int | None]]
#: How many values each comparison takes; None = any number.
COMPARED: Comparisons = {
    "number": {
        **dict.fromkeys(("equal", "notEqual", "greater", "greaterOrEqual", "less", "lessOrEqual"), 1),
        **dict.fromkeys(("between", "notBetween"), 2),
    },
    "text": dict.fromkeys(
        (
            "beginsWith",
            "notBeginsWith",
            "endsWith",
            "notEndsWith",
            "contains",
            "notContains",
            "equal",
            "notEqual",
        ),
        1,
    ),
    "color": {"backColor": 1, "foreColor": 1},
}
OF_FILTERS: Comparisons = {"multiValue": {"": None}, **COMPARED, "clear": {"": None}}
OF_VIEWS: Comparisons = {"hiddenValue": {"": None}, **COMPARED}


def check(file: OpenSpreadsheet, spec: dict[str, Any], known: Comparisons, wrong: Code) -> dict[str, Any]:
    """Return a condition as it is kept.

    Args:
        file: The spreadsheet that the condition belongs to.
        spec: The condition as the request describes it: `filter_type`, `compare_type` and `expected`.
        known: The comparisons that each `filter_type` has, and how many values each takes.
        wrong: The code with which an invalid condition is refused.

    Raises:
        RefusedError: `wrong`.
    """
    kind = spec.get("filter_type")
    comparisons = known.get(kind) if isinstance(kind, str) else None
    if comparisons is None:
        raise file.make_refusal(wrong, "filter_type")
    comparison, expected = spec.get("compare_type") or "", spec.get("expected") or []
    texts = isinstance(expected, list) and all(isinstance(e, str) and len(e) <= MAX_CHARS for e in expected)
    if not isinstance(comparison, str) or comparison not in comparisons or not texts:
        raise file.make_refusal(wrong, "compare_type or expected")
    wanted = comparisons[comparison]
    if wanted is not None and len(expected) != wanted:
        raise file.make_refusal(wrong, f"{comparison} takes {wanted}")
    if kind == "number" and not all(_parse_number(operand) is not None for operand in expected):
        raise file.make_refusal(wrong, "not a number")
    return {"filter_type": kind, "compare_type": comparison, "expected": expected}


def _parse_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
