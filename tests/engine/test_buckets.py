"""The times that a process reserves for its requests; the clock is a parameter."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lark_provider.engine import buckets
from lark_provider.engine.buckets import Buckets
from lark_provider.protocol.pacing import Limit
from tests.clock import Clock

FAST = Limit("fast", interval=0.1, burst=0.2, block=8)
SLOW = Limit("slow", interval=5.0, burst=0.0, block=8)


NEVER = float("inf")


def take(limiter: Buckets) -> float:
    at, missing = limiter.take("app", [FAST])
    assert missing == []
    return at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake_clock = Clock(1000.0)
    monkeypatch.setattr(buckets, "time", SimpleNamespace(monotonic=fake_clock))
    return fake_clock


def test_a_program_that_is_busy_reserves_more_each_time_and_one_that_rests_begins_again(clock: Clock) -> None:
    limiter = Buckets()
    counts = []
    for _ in range(6):
        counts.append(limiter.choose_reservation_sizes("app", [FAST])[FAST])
        clock.now += 0.9
    assert counts == [1, 2, 4, 8, 8, 8]
    clock.now += 0.1  # a second since the last one
    assert limiter.choose_reservation_sizes("app", [FAST]) == {FAST: 1}
    assert limiter.choose_reservation_sizes("another app", [FAST]) == {FAST: 1}


def test_reserved_times_are_used_up_one_by_one(clock: Clock) -> None:
    limiter = Buckets()
    assert limiter.take("app", [FAST]) == (0.0, [FAST])
    limiter.put("app", {FAST: 1000.0}, {FAST: 3})
    assert limiter.take("another app", [FAST]) == (0.0, [FAST])
    assert take(limiter) == pytest.approx(1000.1)
    assert take(limiter) == pytest.approx(1000.2)
    assert limiter.take("app", [FAST]) == (0.0, [FAST])


def test_a_request_that_counts_against_two_limits_waits_for_the_later_one(clock: Clock) -> None:
    limiter = Buckets()
    firsts, counts = {SLOW: 1004.0, FAST: 1000.0}, {SLOW: 2, FAST: 2}
    limiter.put("app", firsts, counts)
    assert limiter.take("app", [SLOW, FAST]) == (1009.0, [])
    limiter.put("app", {SLOW: 1014.0}, {SLOW: 2})
    assert limiter.take("app", [SLOW, FAST]) == (1019.0, [FAST])
    assert limiter.reserve("app", [SLOW, FAST], NEVER) == pytest.approx(1024.0)


def test_a_reserved_time_that_passed_long_ago_is_not_used(clock: Clock) -> None:
    """Or requests after a pause would come all at once, beside those of other processes."""
    limiter = Buckets()
    limiter.put("app", {FAST: 1000.0}, {FAST: 5})
    clock.now = 1000.55  # of 1000.1 to 1000.4, those from 1000.25 on may still be used
    assert take(limiter) == pytest.approx(1000.3)
    clock.now = 1010.0
    assert limiter.take("app", [FAST]) == (0.0, [FAST])


def test_without_a_database_requests_follow_the_times_that_were_reserved_in_it(clock: Clock) -> None:
    limiter = Buckets()
    limiter.put("app", {SLOW: 1000.0}, {SLOW: 2})
    limiter.put("app", {SLOW: 900.0}, {SLOW: 1})  # an answer that came late takes nothing back
    assert [limiter.reserve("app", [SLOW], NEVER) for _ in range(2)] == [1010.0, 1015.0]
    clock.now = 2000.0
    assert [limiter.reserve("app", [FAST], NEVER) for _ in range(4)] == pytest.approx(
        [1999.8, 1999.9, 2000.0, 2000.1]
    )


def test_the_limits_that_were_used_longest_ago_are_dropped(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "_MAX_BUCKETS", 2)
    limiter = Buckets()
    for app in ("a", "b"):
        limiter.put(app, {SLOW: 1000.0}, {SLOW: 1})
    assert limiter.reserve("a", [SLOW], NEVER) == 1005.0
    limiter.reserve("c", [SLOW], NEVER)
    assert limiter.reserve("a", [SLOW], NEVER) == 1010.0
    assert limiter.reserve("b", [SLOW], NEVER) == 1000.0


def test_a_request_that_would_miss_its_deadline_uses_up_no_time(clock: Clock) -> None:
    limiter = Buckets()
    assert limiter.reserve("app", [FAST, SLOW], 1001.0) == 1000.0
    for _ in range(100):
        assert limiter.reserve("app", [FAST, SLOW], 1001.0) == 1005.0
    assert limiter.reserve("app", [SLOW], 1005.0) == 1005.0  # the moment itself is too late
    assert limiter.reserve("app", [FAST], 1001.0) == pytest.approx(999.9)
    assert limiter.reserve("app", [SLOW], 1006.0) == 1005.0
    assert limiter.reserve("app", [SLOW], 1016.0) == 1010.0
