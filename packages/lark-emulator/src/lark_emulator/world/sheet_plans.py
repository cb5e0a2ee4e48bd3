"""What people do to a spreadsheet just before a request to it is performed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

READ, WRITE, ANY = "read", "write", "any"


@dataclass(slots=True)
class SheetPlan:
    """Edits that are planned.

    Args:
        token: The token of the spreadsheet that is edited.
        before: The kind of request before which the edits are made: `read`, `write` or `any`.
        skip: How many such requests pass first.
        edits: The edits that people make then, for the control plane to show.
        perform: The function that makes the edits.
    """

    token: str
    before: str
    skip: int
    edits: list[dict[str, Any]]
    perform: Callable[[], object] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return what is left of the plan."""
        return {name: value for name, value in asdict(self).items() if name != "perform"}


class SheetPlans:
    """The planned edits, in the order in which they were asked for."""

    def __init__(self) -> None:
        self.planned: list[SheetPlan] = []

    def strike(self, token: str, kind: str) -> None:
        """Perform what is planned before this request."""
        for plan in list(self.planned):
            if plan.token == token and plan.before in (kind, ANY):
                if plan.skip > 0:
                    plan.skip -= 1
                else:
                    self.planned.remove(plan)
                    plan.perform()
