"""What a watcher looks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lark_provider.triggers.record_payloads import PREFIX


@dataclass(frozen=True, slots=True)
class WantedRecords:
    """What a watcher looks for; see `LarkBaseWatcher`."""

    app_token: str
    table_id: str | None
    fields: Sequence[str]
    changes: Sequence[str]
    skip_own: bool
    deletions: bool
    modified_field: str | None
    scan_every: float
    max_payload_bytes: int
    lark_conn_id: str

    def make_identity(self) -> dict[str, Any]:
        """Return what makes two watchers of a table look for the same."""
        return {
            "fields": list(self.fields),
            "changes": list(self.changes),
            "skip_own": self.skip_own,
            "deletions": self.deletions,
        }

    def has_kind(self, kind: str) -> bool:
        """Return whether a kind of change is looked for.

        Args:
            kind: As Lark names it, such as `record_added`.
        """
        return not self.changes or kind.removeprefix(PREFIX) in self.changes
