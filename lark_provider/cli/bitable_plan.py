"""Print what `lark-provider bitable import --dry-run` would change."""

from __future__ import annotations

from typing import Any

from lark_provider.api.clouddoc.sync.plan import Change, SyncPlan
from lark_provider.cli import output
from lark_provider.support.text import cut

_MAX_CHANGES, _MAX_CELL = 20, 40
"""The changes that are shown, and the characters of a value."""


def print_plan(plan: SyncPlan, *, as_json: bool) -> None:
    """Print the counts of a plan and its first changes, and close the plan.

    Args:
        plan: The plan.
        as_json: Whether to print JSON instead of a table.
    """
    with plan:
        if as_json:
            counts = plan.counts
            output.print_json(
                {"creates": counts.creates, "updates": counts.updates, "deletes": counts.deletes,
                 "unchanged": counts.unchanged, "rejected": counts.rejected, "calls": plan.calls,
                 "first": [_list_lines(change) for change in plan.first]}
            )  # fmt: skip
            return
        if plan.first:
            shown = [_list_lines(change) for change in plan.first[:_MAX_CHANGES]]
            print(
                output.render_table(
                    ("", "key", "field", "is", "will be"), [row for lines in shown for row in lines]
                )
            )
        print(str(plan))


def _list_lines(change: Change) -> list[tuple[str, str, str, str, str]]:
    """Return the lines of a change: one for each cell."""
    changed = list(change.after.items()) or [("", "")]
    return [
        (
            change.kind if not place else "",
            change.key if not place else "",
            name,
            _format_cell(change.before.get(name)),
            _format_cell(value),
        )
        for place, (name, value) in enumerate(changed)
    ]


def _format_cell(value: Any) -> str:
    shown = "" if value is None else str(value)
    return cut(shown, _MAX_CELL)
