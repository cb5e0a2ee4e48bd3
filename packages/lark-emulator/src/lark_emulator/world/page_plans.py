"""What is planned for pages of records: short ones, ends that come too early, repeated tokens, edits."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def _do_nothing(_: int) -> object:
    return None


@dataclass(slots=True)
class PagePlan:
    """What happens at one page of a scan.

    Args:
        page: Which one, from 1; 0 = any.
        app_token: Of one base; empty = of any.
        table_id: Of one table; empty = of any.
        times: At how many such pages.
        items: At most so many records in the page; the next one goes on after them.
        ends: `has_more` is false and there is no token, though records remain.
        repeats_token: The answer has the token that the request had; nothing on the first page.
        total: Another `total`: a number, `absent` or `stale`.
        edits: What people do once the page was answered, for the control plane.
        answered: Does it; is called with the number of records that the scan has read.
    """

    page: int = 0
    app_token: str = ""
    table_id: str = ""
    times: int = 1
    items: int | None = None
    ends: bool = False
    repeats_token: bool = False
    total: int | str | None = None
    edits: list[dict[str, Any]] = field(default_factory=list)
    answered: Callable[[int], object] = _do_nothing

    def to_dict(self) -> dict[str, Any]:
        """Return what is left of the plan, for the control plane."""
        shown = {
            attribute.name: getattr(self, attribute.name)
            for attribute in fields(self)
            if attribute.name != "answered"
        }
        return {name: value for name, value in shown.items() if value not in (None, "", False, [])}


class PagePlans:
    """The plans in the order in which they were made."""

    def __init__(self) -> None:
        self.planned: list[PagePlan] = []

    def strike(self, app_token: str, table_id: str, page: int) -> PagePlan | None:
        """Return the first plan for a page, used up by one; or None."""
        for plan in self.planned:
            fits = plan.page in (0, page) and plan.table_id in ("", table_id)
            if fits and plan.app_token in ("", app_token):
                plan.times -= 1
                if plan.times <= 0:
                    self.planned.remove(plan)
                return plan
        return None
