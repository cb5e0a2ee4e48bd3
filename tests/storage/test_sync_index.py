"""The index of a sync: a file without a name, and memory that does not grow with the rows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lark_provider.protocol.sync_index import Planned, ScannedRecord, Staged
from lark_provider.storage.sync_index import SqliteIndex

ROOT = Path(__file__).parents[2]
MEGABYTES = 60
_MANY = """
import resource, sys
from lark_provider.storage.sync_index import SqliteIndex
index, count = SqliteIndex(), int(sys.argv[1])
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak()
for first in range(0, count, 1000):
    rows = range(first + 1, first + 1001)
    index.stage([(row, f"key {row * 7919 % count}", "0,1,2", row, b"x" * 500) for row in rows])
index.seal()
index.begin_scan()
for first in range(0, count, 500):
    keys = [f"key {number}" for number in range(first, first + 500)]
    index.see([(f"rec{number}", key, row, b"x" * 100 if number % 2 else None)
               for number, (key, (row, _, _)) in enumerate(zip(keys, index.look_up(keys)), first)])
index.end_scan(keep=False)
assert index.plan_creates() == 0
assert sum(1 for _ in index.iterate_differences()) == count // 2
print(peak() - before)
"""


def test_memory_does_not_grow_with_the_rows() -> None:
    grown = [
        int(
            subprocess.run(  # noqa: S603 - a fixed command
                [sys.executable, "-c", _MANY, str(count)],
                cwd=ROOT,
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for count in (100_000, 300_000)
    ]
    assert max(grown) <= MEGABYTES, grown
    assert grown[1] - grown[0] <= MEGABYTES // 4, grown


def test_rows_of_the_same_key_are_dropped_but_the_first() -> None:
    index = SqliteIndex()
    index.stage([Staged(row, key, "0", row, b"{}") for row, key in enumerate(["a", "b", "a", "c", "a"], 1)])
    assert index.seal() == [(3, "a", 1), (5, "a", 1)]
    assert index.count() == 3
    assert index.read_unmatched_rows(0, 9) == [(1, "a"), (2, "b"), (4, "c")]
    index.close()


def test_the_plan_leaves_out_rejected_rows_duplicates_and_records_without_a_key() -> None:
    index = SqliteIndex()
    index.stage([Staged(1, "a", "0", 1, b'{"A":1}'), Staged(2, "b", None, None, None)])
    index.stage([Staged(3, "new", "0", 3, b'{"A":3}'), Staged(4, "twice", "0", 4, b"{}")])
    index.seal()
    index.begin_scan()
    index.see(
        [
            ScannedRecord("r1", "a", 1, b"[0]"),
            ScannedRecord("r2", "b", 2, b"[0]"),
            ScannedRecord("r3", "gone", None, None),
        ]
    )
    index.see([ScannedRecord("r4", "", None, None), ScannedRecord("r5", None, None, None)])
    index.see([ScannedRecord("r6", "twice", 4, b"[0]"), ScannedRecord("r7", "twice", 4, b"[0]")])
    index.end_scan(keep=False)
    assert list(index.iterate_duplicates()) == [(4, ["r6", "r7"])]
    index.leave_alone(["r7"])
    assert [(difference.record_id, difference.wire) for difference in index.iterate_differences()] == [
        ("r1", b'{"A":1}'),
        ("r6", b"{}"),
    ]
    assert index.plan_creates() == 1
    assert list(index.iterate_missing(9)) == [[("r3", "gone")]]
    assert (index.count_unreadable(), index.count_keyless(), index.count_records()) == (1, 1, 7)
    index.plan([Planned(0, "delete", 0, "gone", "r3", None, None)])
    assert [(planned.kind, planned.key, planned.after) for planned in index.read_plan()] == [
        ("create", "new", b'{"A":3}'), ("delete", "gone", None),
    ]  # fmt: skip
    assert index.count_writes() == {"create": 1, "delete": 1}
    index.close()


def test_a_record_that_is_seen_again_counts_once() -> None:
    index = SqliteIndex()
    index.seal()
    index.begin_scan()
    index.see([ScannedRecord("r1", "a", None, None), ScannedRecord("r2", "b", None, None)])
    index.see([ScannedRecord("r1", "a", None, None)])
    assert index.count_scanned() == 2
    index.begin_scan()
    index.see([ScannedRecord("r2", "b", None, None)])
    assert (index.count_scanned(), index.count_records()) == (1, 2)
    index.end_scan(keep=True)
    assert index.count_records() == 2
    index.end_scan(keep=False)
    assert index.count_records() == 1
    index.close()


SEEN = st.lists(
    st.builds(
        ScannedRecord, st.sampled_from("rstu"), st.just("k"), st.none() | st.integers(1, 3), st.just(b"[]")
    )
)
# What a scan does: it begins, sees records page by page, perhaps counts them, and ends or begins again.
STEPS = st.lists(SEEN | st.sampled_from(["begin", "count", "end", "end, kept"]), max_size=12)


@given(STEPS)
def test_what_was_seen_last_of_a_record_counts(steps: list[list[ScannedRecord] | str]) -> None:
    index, scan, seen = SqliteIndex(), 0, dict[str, tuple[int | None, int]]()
    index.stage([Staged(row, f"k{row}", "0", row, b"{}") for row in (1, 2, 3)])
    index.seal()
    for step in ["begin", *steps, "end, kept"]:
        if step == "begin":
            index.begin_scan()
            scan += 1
        elif step == "count":
            assert index.count_scanned() == sum(last == scan for _, last in seen.values())
        elif isinstance(step, str):
            index.end_scan(keep=step == "end, kept")
            if step == "end":
                seen = {name: (row, last) for name, (row, last) in seen.items() if last == scan}
        else:
            index.see(step)
            seen |= {record.record_id: (record.row, scan) for record in step}
    assert index.count_records() == len(seen)
    differences = sorted((difference.record_id, difference.row) for difference in index.iterate_differences())
    assert differences == sorted((name, row) for name, (row, _) in seen.items() if row is not None)
    assert [row for row, _ in index.read_unmatched_rows(0, 9)] == sorted(
        {1, 2, 3} - {row for row, _ in seen.values()}
    )
    index.close()
