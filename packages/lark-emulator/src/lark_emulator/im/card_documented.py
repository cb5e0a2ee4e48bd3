"""Checks that Lark's pages ask for and no known answer enforces: off unless `card_rules` names them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator.im import card_bounds as bounds
from lark_emulator.im.card_reader import LIMIT_OR_DUPLICATE, CardNode, make_card_error, refuse_unparsable

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


def check_documented(nodes: Sequence[CardNode], rules: Collection[str], *, v2: bool) -> None:
    """Apply those of these checks that are switched on.

    Args:
        nodes: The objects of a card, outermost first.
        rules: The names of the checks.
        v2: Whether it is JSON 2.0.

    Raises:
        RefusedError: 230099 with 200621 or 11310 in its text.
    """
    for node in nodes:
        if v2 and "required" in rules:
            _require(node)
        if "lengths" in rules:
            _check_lengths(node)
        if "ranges" in rules:
            _check_ranges(node)
        if not v2 and "places" in rules:
            _check_places(node)


def _require(node: CardNode) -> None:
    for name in bounds.REQUIRED.get(node.kind, ()):
        translated = node.value.get(f"i18n_{name}")
        if node.value.get(name) in (None, "") and not translated:
            refuse_unparsable(f"missing property, property: {name}", node.path)


def _check_lengths(node: CardNode) -> None:
    for name, text in node.value.items():
        most = bounds.MAX_LENGTHS.get((node.kind, name))
        content = text.get("content") if isinstance(text, dict) else None
        if most is not None and isinstance(content, str) and len(content) > most:
            raise make_card_error(
                LIMIT_OR_DUPLICATE, f"{name} exceeds {most} characters", node.kind, node.path
            )
        longest = bounds.MAX_COUNTS.get((node.kind, name))
        if longest is not None and isinstance(text, list) and len(text) > longest:
            raise make_card_error(LIMIT_OR_DUPLICATE, f"{name} exceeds the limit", node.kind, node.path)


def _check_ranges(node: CardNode) -> None:
    for name, value in node.value.items():
        limits = bounds.RANGES.get((node.kind, name))
        if limits is not None and _is_number(value) and not limits[0] <= value <= limits[1]:
            refuse_unparsable(
                f"{name} must be between {limits[0]:g} and {limits[1]:g}, but: {value!r}", node.path
            )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check_places(node: CardNode) -> None:
    outer = node.around[-1] if node.around else ""
    allowed = bounds.PLACES_1.get(outer)
    slot = node.path.rpartition(" -> [")[0].endswith(("elements", "actions"))
    misplaced = allowed is not None and slot and node.kind not in allowed
    if misplaced or (not outer and node.kind in bounds.IN_ACTION_1):
        raise make_card_error(LIMIT_OR_DUPLICATE, "unsupported type of block", node.kind, node.path)
