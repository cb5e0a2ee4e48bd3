"""The clock of Airflow's server, by what its answers tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lark_provider.bridge.server_clock import ServerClock

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


class Server:
    """A server whose answers are late, and a process whose clock has another origin."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.clock = ServerClock(lambda: 1000 + self.passed)

    def answer(self, late: float) -> None:
        self.clock.add((NOW + timedelta(seconds=self.passed - late)).replace(microsecond=0))

    def behind(self) -> float:
        """Return by how many seconds the estimate is behind the server's clock."""
        return self.passed - (self.clock.now() - NOW).total_seconds()


def test_an_answer_that_was_late_shortens_nothing_that_is_measured() -> None:
    server = Server()
    server.answer(late=0)
    server.passed = 5.0
    server.answer(late=4)
    began = server.clock.now()
    server.passed = 7.0
    server.answer(late=0)
    assert server.clock.now() - began == timedelta(seconds=2)


def test_before_the_first_answer_it_is_this_machines() -> None:
    assert abs(ServerClock().now() - datetime.now(UTC)) < timedelta(seconds=60)


def test_a_clock_that_is_set_back_is_noticed() -> None:
    server = Server()
    server.answer(late=0)
    for _ in range(7):
        server.passed += 60
        server.answer(late=3600)
    assert server.behind() == 3600


@given(st.lists(st.tuples(st.floats(0, 20), st.floats(0, 10)), min_size=1, max_size=60))
def test_it_is_never_ahead_and_behind_by_no_more_than_the_best_answer(
    answers: list[tuple[float, float]],
) -> None:
    server, seen = Server(), list[tuple[float, float]]()
    for pause, late in answers:
        server.passed += pause
        server.answer(late)
        seen.append((server.passed, late))
        best = min(late for at, late in seen if at >= server.passed - 300)
        assert -1e-3 <= server.behind() <= best + 1 + 1e-3
