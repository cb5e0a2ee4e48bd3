"""Times that processes reserve for their requests, and what a reservation costs on the wire."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.engine import URL

from lark_provider.protocol.pacing import MAX_SECONDS_AHEAD, Limit, Rate
from lark_provider.storage import tables
from lark_provider.storage.engine import get_engine, hold_transaction
from lark_provider.storage.pace import DatabasePace
from lark_provider.storage.watched import WatchedConnection
from tests.storage import prepared

SLOW, FAST = Limit.of("slow", Rate(1, 80)), Limit.of("fast", Rate(1000, 3600))
"""The slow one is a request each 100 s."""
NEVER = float("inf")


def test_times_follow_one_another(url: URL) -> None:
    pace = DatabasePace(url, "app")
    first = pace.reserve({SLOW: 1}, NEVER)[SLOW]
    assert -1 < first <= 0  # it has no burst
    second = pace.reserve({SLOW: 3}, NEVER)[SLOW]
    assert second == pytest.approx(SLOW.interval, abs=20)
    assert pace.reserve({SLOW: 1}, NEVER)[SLOW] == pytest.approx(4 * SLOW.interval, abs=20)
    assert -1 < DatabasePace(url, "another app").reserve({SLOW: 1}, NEVER)[SLOW] <= 0


def test_after_a_pause_a_burst_is_allowed(url: URL) -> None:
    delays = DatabasePace(url, "app").reserve({FAST: 1, SLOW: 1}, NEVER)
    assert set(delays) == {FAST, SLOW}
    assert delays[FAST] == pytest.approx(-FAST.burst, abs=1)


def test_a_time_that_is_too_far_ahead_is_not_reserved(url: URL) -> None:
    pace = DatabasePace(url, "app")
    pace.reserve({FAST: 1, SLOW: 1}, NEVER)
    for _ in range(3):
        late = pace.reserve({FAST: 1, SLOW: 1}, 60.0)
        assert late == {SLOW: pytest.approx(SLOW.interval, abs=20)}  # the other one was not asked for
    assert pace.reserve({SLOW: 1}, 2 * SLOW.interval)[SLOW] == pytest.approx(SLOW.interval, abs=20)
    assert pace.reserve({FAST: 1}, NEVER)[FAST] == pytest.approx(FAST.interval - FAST.burst, abs=1)


def test_no_time_is_reserved_twice(url: URL) -> None:
    pace, limit = DatabasePace(url, "app"), Limit.of("slow", Rate(1, 10))
    with ThreadPoolExecutor(8) as pool:
        delays = list(pool.map(lambda _: pace.reserve({limit: 1}, NEVER)[limit], range(40)))
    assert sorted(round(delay / limit.interval) for delay in delays) == list(range(40))


def test_a_time_that_a_wrong_clock_reserved_delays_nothing(url: URL) -> None:
    """As where a machine began an hour ahead, sent a message, and had its clock set back."""
    pace = DatabasePace(url, "app")
    ahead = datetime.now(UTC) + timedelta(hours=1)
    with hold_transaction(get_engine(url)) as connection:
        connection.execute(tables.pacing.insert().values(key=pace._make_key(SLOW), next_at=ahead))
    assert -20 < pace.reserve({SLOW: 1}, 120.0)[SLOW] <= 0
    assert pace.reserve({SLOW: 1}, 120.0)[SLOW] == pytest.approx(SLOW.interval, abs=20)


def test_no_time_is_reserved_that_would_be_taken_for_that_of_a_wrong_clock(url: URL) -> None:
    pace = DatabasePace(url, "app")
    delays = [pace.reserve({SLOW: SLOW.block}, NEVER)[SLOW] for _ in range(12)]
    reserved = [delay for delay in delays if delay < MAX_SECONDS_AHEAD]
    assert len(reserved) == len(set(map(round, reserved))) < len(delays)
    assert delays[len(reserved) :] == pytest.approx(
        [reserved[-1] + SLOW.interval] * (12 - len(reserved)), abs=20
    )


def test_a_limit_is_one_statement(postgres: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared.upgrade(postgres)
    pace = DatabasePace(postgres, "app")
    pace.reserve({SLOW: 1}, NEVER)
    calls, watched = [], WatchedConnection.watch

    def count_call(connection: WatchedConnection) -> object:
        calls.append(connection)
        return watched(connection)

    monkeypatch.setattr(WatchedConnection, "watch", count_call)
    pace.reserve({SLOW: 1}, NEVER)
    assert len(calls) == 1
    pace.reserve({SLOW: 1, FAST: 1}, NEVER)
    assert len(calls) == 3
