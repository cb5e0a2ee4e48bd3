"""Changes told by events, by scans, by both, late, twice and out of order: each is reported once."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from lark_provider.protocol.record_cursors import (
    ADDED,
    DELETED,
    EDITED,
    OVERLAP_MS,
    Cursor,
    SeenRecord,
    Version,
    after_complete_scan,
    after_event,
    after_scan,
    find_deleted,
    find_missed,
    is_covered,
)

OWN = "ou_app"
BEGAN = 10_000_000
RECORDS = ("rec1", "rec2", "rec3")


@dataclass
class Table:
    """Lark's side and the watcher's side of a table, as the trigger plays them."""

    now: int = BEGAN
    versions: dict[str, Version] = field(default_factory=dict)
    events: list[tuple[str, str, int]] = field(default_factory=list)
    cursor: Cursor = field(default_factory=lambda: Cursor(BEGAN, BEGAN))
    seen: dict[str, SeenRecord] = field(default_factory=dict)
    shown: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    """By record: from where it was reported, and which modification its values were of."""

    def edit(self, record_id: str, pause: int, *, notified: bool, lag: int) -> None:
        self.now += pause
        known = self.versions.get(record_id)
        created = known.created_ms if known else self.now
        self.versions[record_id] = Version(record_id, created, self.now, "ou_1", "ou_1")
        if notified:
            self.events.append((EDITED if known else ADDED, record_id, (self.now + lag) // 1000))

    def receive(self, number: int) -> None:
        if not self.events:
            return
        kind, record_id, at_s = self.events.pop(number % len(self.events))
        current = self.versions[record_id].modified_ms
        before = self.seen.get(record_id)
        covered = is_covered(kind, before, at_s=at_s, current_ms=current)
        if not covered:
            self.shown.setdefault(record_id, []).append(("event", current))
        self.seen[record_id] = after_event(kind, before, None if covered else current)

    def scan(self, settle: int) -> None:
        until = self.now - settle
        missed = find_missed(self.versions.values(), self.seen, self.cursor, until_ms=until)
        for version, _ in missed:
            self.shown.setdefault(version.record_id, []).append(("scan", version.modified_ms))
            self.seen[version.record_id] = after_scan(self.seen.get(version.record_id), version.modified_ms)
        self.cursor = after_complete_scan(self.cursor, until)


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("edit"),
            st.sampled_from(RECORDS),
            st.sampled_from([1, 700, 1500, 2 * OVERLAP_MS]),
            st.booleans(),
            st.sampled_from([0, 0, 400]),
        ),
        st.tuples(st.just("receive"), st.integers(0, 20)),
        st.tuples(st.just("scan"), st.sampled_from([0, 500, 60_000])),
    ),
    max_size=40,
)


@settings(max_examples=400)
@given(STEPS)
def test_the_last_state_of_each_record_is_reported_and_no_scan_repeats_one(
    steps: list[tuple[str, int, int, bool, int]],
) -> None:
    table = Table()
    for name, *arguments in steps:
        if name == "edit":
            table.edit(str(arguments[0]), arguments[1], notified=bool(arguments[2]), lag=arguments[3])
        elif name == "receive":
            table.receive(arguments[0])
        else:
            table.scan(arguments[0])
    table.scan(0)
    for record_id, version in table.versions.items():
        assert version.modified_ms in {ms for _, ms in table.shown.get(record_id, [])}
    for reports in table.shown.values():
        for place, (source, ms) in enumerate(reports):
            if source == "scan":  # nothing has shown this state before, and no late event shows it again
                assert ms not in {earlier for _, earlier in reports[:place]}
                assert ("event", ms) not in reports[place:]
    scans = sum(source == "scan" for reports in table.shown.values() for source, _ in reports)
    while table.events:
        table.receive(0)
    table.scan(0)  # nothing has changed, and whatever was under way has come
    assert scans == sum(source == "scan" for reports in table.shown.values() for source, _ in reports)


@given(st.integers(1, 10**6), st.integers(0, 10**6))
def test_a_cursor_never_moves_back(ahead: int, back: int) -> None:
    cursor = after_complete_scan(Cursor(BEGAN, BEGAN), BEGAN + ahead)
    assert after_complete_scan(cursor, BEGAN + ahead - back) == cursor
    assert cursor.since_ms >= BEGAN


def test_own_writes_and_what_was_there_before_are_no_gaps() -> None:
    versions = [
        Version("old", 1, BEGAN, "ou_1", "ou_1"),
        Version("own", 1, BEGAN + 5, "ou_1", OWN),
        Version("made by us", BEGAN + 1, BEGAN + 5, OWN, "ou_1"),
        Version("new", BEGAN + 1, BEGAN + 5, "ou_1", "ou_1"),
        Version("too young", BEGAN + 1, BEGAN + 50, "ou_1", "ou_1"),
    ]
    missed = find_missed(versions, {}, Cursor(BEGAN, BEGAN), until_ms=BEGAN + 10, own=frozenset({OWN}))
    assert [(version.record_id, kind) for version, kind in missed] == [("made by us", EDITED), ("new", ADDED)]


def test_a_deletion_is_found_once_by_event_or_by_scan() -> None:
    seen = {"a": SeenRecord(), "b": after_event(DELETED, SeenRecord(5), None), "c": SeenRecord(7)}
    assert find_deleted(["c"], seen) == ["a"]
    seen["a"] = after_scan(seen["a"], None)
    assert find_deleted(["c"], seen) == []
    assert is_covered(DELETED, seen["a"], at_s=1, current_ms=None)
    assert not is_covered(DELETED, seen["c"], at_s=1, current_ms=None)


def test_ten_thousand_edits_of_two_hours_are_found_whatever_the_pages() -> None:
    cursor = Cursor(BEGAN, BEGAN)
    edits = [Version(f"rec{n}", 1, BEGAN + 1 + n * 720, "ou_1", "ou_1") for n in range(10_000)]
    missed = find_missed([*edits[5000:], *edits[:6000]], {}, cursor, until_ms=BEGAN + 7_200_000)
    assert sorted(version.record_id for version, _ in missed) == sorted(edit.record_id for edit in edits)
