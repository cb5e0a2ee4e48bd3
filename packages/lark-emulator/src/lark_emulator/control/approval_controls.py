"""Native approvals for Python callers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from lark_emulator.control import approvals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lark_emulator.control.plane import Operation


class ApprovalControls(ABC):
    """The part of `Controls` that is about native approvals."""

    @abstractmethod
    def _do(self, operation: Operation, spec: dict[str, Any]) -> dict[str, Any]:
        """Perform an operation on the server's thread, which alone touches the state."""

    def add_approval(
        self,
        name: str,
        *,
        form: Sequence[Mapping[str, Any]] = (),
        nodes: Sequence[Mapping[str, Any]] = (),
        code: str | None = None,
        **details: Any,
    ) -> str:
        """Define an approval as the approval console does, and return its code.

        Args:
            name: The name that people see.
            form: Widgets as the definition is read: `id`, `type`, `name`, and `custom_id`, `required`,
                `option` (`[{value, text}]`) and `children` if wanted.
            nodes: Steps, each with `node_type` (`AND`, `OR`, `SEQUENTIAL`, `CC_NODE`; absent = `OR`),
                `approvers` (user_ids; none = passes by itself), and `name`, `custom_node_id`, `need_approver`
                if wanted.
            code: The approval code of the definition; generated if absent.
            details: Further members of the definition; see `change_approval`.

        Raises:
            ValueError: the code is taken, or a member is wrong.
        """
        spec = {
            "name": name,
            "form": [dict(widget) for widget in form],
            "nodes": [dict(node) for node in nodes],
            "code": code,
            **details,
        }
        return str(self._do(approvals.add, spec)["code"])

    def change_approval(self, code: str, **changes: Any) -> dict[str, Any]:
        """Change a definition, all or nothing, and return it.

        Args:
            code: The approval code of the definition.
            changes: Members to change: `status` (`ACTIVE`, `INACTIVE`, `DELETED`), `may_withdraw`, `revert_s`
                (seconds in which an approved instance may be reverted), `reject_to_submitter`, `visible_to`
                (app ids).

        Raises:
            ValueError: no such definition, or a member is wrong.
        """
        return self._do(approvals.change, {"code": code, **changes})

    def approvals(self) -> dict[str, Any]:
        """Return `definitions`, `instances` and `subscriptions`."""
        return self._do(approvals.list_all, {})

    def decide_approval(
        self,
        instance: str,
        decision: str = "approve",
        *,
        user_id: str | None = None,
        comment: str | None = None,
        to: str | None = None,
        form: Sequence[Mapping[str, Any]] | None = None,
    ) -> dict[str, Any]:
        """Let a person decide, and return the instance.

        Args:
            instance: The instance's code or its `uuid`.
            decision: The decision: `approve`, `reject`, `transfer`, `resubmit`, `withdraw`, `revert` or
                `delete`.
            user_id: The user_id of the person who decides; absent = the person who has the first pending
                task.
            comment: The comment that the person adds to the decision.
            to: The user_id of the person to whom a task is transferred.
            form: The filled-in widgets of a resubmission, each with `id`, `type` and `value`.

        Raises:
            ValueError: no such instance or pending task, or the instance does not allow it.
        """
        spec = {"instance": instance, "decision": decision, "user_id": user_id, "comment": comment, "to": to}
        return self._do(
            approvals.decide, spec | {"form": None if form is None else [dict(widget) for widget in form]}
        )
