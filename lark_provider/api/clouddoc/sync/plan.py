"""What a sync is going to do, and what it has done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

import orjson

from lark_provider.api.clouddoc.rejects import Reject, count_rows
from lark_provider.api.clouddoc.sync.comparing import Comparison
from lark_provider.protocol.sync_index import Planned, SyncIndex, WriteKind
from lark_provider.support.text import cut

MAX_CREATED, MAX_UPDATED, MAX_DELETED = 1000, 1000, 500
MAX_READ = 100
KINDS: Final[tuple[WriteKind, ...]] = ("create", "update", "delete")
_SHOWN_CELLS, _SHOWN_CHARS = 3, 60


@dataclass(frozen=True, slots=True)
class Change:
    """One record that a sync creates, updates or deletes.

    Attributes:
        kind: `create`, `update`, `delete`, or `mark` for a record that is marked instead of deleted.
        key: Its key; that of several fields is a JSON list.
        row: The row of the source, from 1; 0 for a record that is missing there.
        record_id: The record; empty if it is created.
        before: The cells that change as they are, in the form in which they are compared.
        after: The cells as they are written; None clears one.
    """

    kind: str
    key: str
    row: int
    record_id: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    def __str__(self) -> str:
        cells = [
            f"{name}: {_format_short(self.before[name])} → {_format_short(value)}"
            if name in self.before
            else f"{name}: {_format_short(value)}"
            for name, value in list(self.after.items())[:_SHOWN_CELLS]
        ]
        more = ", …" if len(self.after) > _SHOWN_CELLS else ""
        return f"{self.kind} {self.key!r}" + (f" ({', '.join(cells)}{more})" if cells else "")


@dataclass(slots=True)
class Counts:
    """What source and table hold, and how they differ.

    Attributes:
        source_rows: Rows of the source.
        table_records: Records of the table that were seen, within `scope`.
        unchanged: Records that are equal to their row.
        creates: Records to create.
        updates: Records to update.
        deletes: Records to delete.
        marks: Records to mark as missing.
        rejected: Rows that do not fit.
        duplicates: Records whose key an older record has; they are left alone.
        without_key: Records with an empty key; they are left alone.
        deletes_withheld: Why nothing is deleted or marked although the mode says so; empty if it is.
    """

    source_rows: int = 0
    table_records: int = 0
    unchanged: int = 0
    creates: int = 0
    updates: int = 0
    deletes: int = 0
    marks: int = 0
    rejected: int = 0
    duplicates: int = 0
    without_key: int = 0
    deletes_withheld: str = ""

    @property
    def writes(self) -> int:
        """How many records are written."""
        return self.creates + self.updates + self.deletes + self.marks

    def __str__(self) -> str:
        parts = [
            f"{self.creates} creates",
            f"{self.updates} updates",
            f"{self.deletes} deletes",
            *([f"{self.marks} marks"] if self.marks else ()),
            f"{self.unchanged} unchanged",
            *([f"{self.rejected} rejected"] if self.rejected else ()),
            *([f"{self.duplicates} duplicates left alone"] if self.duplicates else ()),
            *([f"{self.without_key} without a key left alone"] if self.without_key else ()),
        ]
        return ", ".join(parts)


@dataclass(slots=True)
class SyncResult:
    """What a sync has done.

    Attributes:
        counts: What was planned.
        created: Records created.
        updated: Records updated.
        deleted: Records deleted.
        marked: Records marked as missing.
        vanished: Records that others deleted before they were updated; the next run creates them.
        rejects: Rows that were not written, and why.
        settled: What was found out about an earlier run that was interrupted while it created records:
            `written` or `not written`; empty if there was none.
        not_converging: Fields that still differ after they were written, each with an example.
    """

    counts: Counts = field(default_factory=Counts)
    created: int = 0
    updated: int = 0
    deleted: int = 0
    marked: int = 0
    vanished: int = 0
    rejects: list[Reject] = field(default_factory=list, repr=False)
    settled: str = ""
    not_converging: dict[str, str] = field(default_factory=dict)

    @property
    def written(self) -> int:
        """How many records were written."""
        return self.created + self.updated + self.deleted + self.marked

    def __str__(self) -> str:
        parts = [f"{count} {name}" for name, count in self.summary().items() if count]
        return ", ".join(parts) or "nothing to do"

    def summary(self) -> dict[str, Any]:
        """Return the counts as JSON, for XCom and logs."""
        return {
            "created": self.created,
            "updated": self.updated,
            "deleted": self.deleted,
            "marked": self.marked,
            "unchanged": self.counts.unchanged,
            "rejected": count_rows(self.rejects),
            "vanished": self.vanished,
            "duplicates": self.counts.duplicates,
        }


class SyncPlan(SyncResult):
    """What a sync would do, and the result of one that has done nothing.

    The whole plan is in a temporary file, which `close` deletes.

    Attributes:
        counts: How source and table differ.
        rejects: The rows that do not fit.
        first: The first differences of each kind.
        calls: How many requests the writes take, about.
        seconds: How long they take, about, judged by how long reading took.
    """

    def __init__(
        self,
        counts: Counts,
        rejects: Sequence[Reject],
        seconds_a_call: float,
        index: SyncIndex,
        comparison: Comparison,
        *,
        shown: int = 10,
    ) -> None:
        super().__init__(counts, rejects=list(rejects))
        self._index, self._comparison = index, comparison
        self.calls = estimate_calls(counts)
        self.seconds = self.calls * seconds_a_call
        self.first = [
            make_change(planned, comparison, marks=counts.marks > 0)
            for kind in KINDS
            for planned in index.read_plan_after(kind, 0, shown)
        ]

    def changes(self) -> Iterator[Change]:
        """Return all changes, in the order in which they would be made."""
        for planned in self._index.read_plan():
            yield make_change(planned, self._comparison, marks=self.counts.marks > 0)

    def close(self) -> None:
        """Delete the temporary file; `changes` cannot be read any more."""
        self._index.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<SyncPlan: {self}>"

    def __str__(self) -> str:
        return f"{self.counts}; about {self.calls} calls, {self.seconds:.0f} s"


def make_change(planned: Planned, comparison: Comparison, *, marks: bool) -> Change:
    """Return a write of the plan for people.

    Args:
        planned: The write.
        comparison: Knows what a row looks like.
        marks: Whether records that are missing in the source are marked, which is an update without a row.
    """
    kind: str = "mark" if marks and planned.kind == "update" and not planned.row else planned.kind
    if planned.kind == "create":
        after: Mapping[str, Any] = comparison.to_create(planned.after or b"{}")
    else:
        after = orjson.loads(planned.after) if planned.after else {}
    before = orjson.loads(planned.before) if planned.before else {}
    return Change(kind, planned.key, planned.row, planned.record_id, before, after)


def estimate_calls(counts: Counts) -> int:
    """Return how many requests the writes of a plan take, those that look before and after included."""
    changed = counts.updates + counts.marks
    deletes = -(-counts.deletes // MAX_DELETED)
    looks = (counts.creates > 0) + (counts.updates > 0) + -(-counts.deletes // MAX_READ)
    return -(-counts.creates // MAX_CREATED) + -(-changed // MAX_UPDATED) + deletes + looks


def _format_short(value: Any) -> str:
    shown = repr(value)
    return cut(shown, _SHOWN_CHARS)
