"""Pauses between attempts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lark_provider.support.backoff import pause_after


def test_pauses_double_up_to_the_longest() -> None:
    assert [pause_after(attempts, 0.5, 3.0) for attempts in range(1, 6)] == [0.5, 1.0, 2.0, 3.0, 3.0]


@given(st.integers(1, 2**63), st.floats(0.001, 60.0), st.floats(1.0, 86400.0))
def test_a_pause_is_never_longer_than_the_longest(attempts: int, first: float, longest: float) -> None:
    assert 0 < pause_after(attempts, first, longest) <= longest
    assert pause_after(attempts, first, longest) <= pause_after(attempts + 1, first, longest)
