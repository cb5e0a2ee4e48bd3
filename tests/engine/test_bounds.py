"""What a process remembers is bounded, and what is bounded still counts everything."""

from __future__ import annotations

from collections.abc import Hashable

from lark_provider.support.bounded_cache import BoundedCache
from lark_provider.support.once import Once
from lark_provider.support.throttle import Throttle


def test_the_values_that_were_set_longest_ago_are_dropped() -> None:
    cache: BoundedCache[str, int] = BoundedCache(2)
    for key, value in (("a", 1), ("b", 2), ("a", 3), ("c", 4)):
        cache.put(key, value)
    assert [cache.get(key) for key in "abc"] == [3, None, 4], "a value set again is a new one"
    cache.clear()
    assert cache.get("a") is None


def test_a_name_is_new_once_and_again_only_when_too_many_came() -> None:
    once = Once(2)
    assert [once.mark_first(name) for name in ("a", "b", "a", "b")] == [True, True, False, False]
    assert once.mark_first("c")
    assert [once.mark_first(name) for name in ("c", "a")] == [False, True], "all were forgotten for it"


class Lines:
    """The lines of a throttle whose time is set: the kind, and how many others a line stands for."""

    def __init__(self, most: int = 2) -> None:
        self.now = 0.0
        self.throttle = Throttle(seconds=60, limit=most, clock=lambda: self.now)
        self.written: list[tuple[Hashable, int]] = []

    def note(self, kind: str, overflow: str | None = None) -> None:
        self.throttle.note(kind, lambda count: self.written.append((kind, count)), overflow=overflow)


def test_an_event_is_logged_once_a_minute_with_the_number_of_the_others() -> None:
    lines = Lines()
    for now in (0.0, 1.0, 59.0, 60.0, 61.0):
        lines.now = now
        lines.note("a")
    assert lines.written == [("a", 0), ("a", 2)]
    lines.throttle.flush()
    assert len(lines.written) == 2, "the last one is not due yet"
    lines.throttle.flush(everything=True)
    assert lines.written[2:] == [("a", 0)]
    lines.throttle.flush(everything=True)
    assert len(lines.written) == 3, "nothing is counted twice"


def test_kinds_beyond_the_bound_count_as_the_kind_that_is_named_for_them() -> None:
    lines = Lines(most=2)
    for kind in ("a", "b", "c", "d", "e"):
        lines.note(kind, overflow="x")
    lines.note("a")
    assert lines.written == [("a", 0), ("b", 0), ("c", 0)], "d and e are of the kind of c"
    lines.throttle.flush(everything=True)
    assert sorted(lines.written[3:]) == [("a", 0), ("e", 1)]


def test_kinds_that_are_over_make_room_for_others() -> None:
    lines = Lines(most=2)
    lines.note("a")
    lines.note("b")
    lines.now = 60.0
    lines.note("c")
    lines.note("d")
    assert [kind for kind, _ in lines.written] == ["a", "b", "c", "d"]
