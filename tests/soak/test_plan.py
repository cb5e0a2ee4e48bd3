from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.soak.plan import GATEWAYS, POSTGRES, PUMPS, RABBITMQ, SECRETS, WAITER, draw

seeds = st.integers(0, 10**6)
lengths = st.floats(10, 900)


@given(seeds, lengths)
def test_a_seed_repeats_its_plan(seed: int, seconds: float) -> None:
    assert draw(seed, seconds) == draw(seed, seconds)


@given(seeds)
def test_seeds_differ(seed: int) -> None:
    assert draw(seed, 600) != draw(seed + 1, 600)


@given(seeds)
def test_a_full_run_leaves_nothing_out(seed: int) -> None:
    steps = draw(seed, 600)
    roles = dict.fromkeys(GATEWAYS, "gateway") | dict.fromkeys(PUMPS, "pump")
    done = {(step.action, roles.get(step.target, step.target)) for step in steps}
    assert done >= {
        (a, r) for a in ("kill", "freeze") for r in ("gateway", "pump", WAITER, POSTGRES, RABBITMQ)
    }
    assert {name for step in steps if step.action == "rotate" for name in step.target.split("+")} == set(
        SECRETS
    )
    assert sum(step.action == "rotate" for step in steps) == 10
    assert sum(step.action == "cut" for step in steps) == 3
    assert len(steps) > 40


@given(seeds, lengths)
def test_what_is_broken_is_whole_again_before_the_end(seed: int, seconds: float) -> None:
    steps = draw(seed, seconds)
    assert [step.at for step in steps] == sorted(step.at for step in steps)
    assert all(step.at >= 0 and step.end < seconds for step in steps)
    assert {step.action for step in steps} >= {"rotate", "cut"}


@given(seeds, lengths)
def test_no_process_is_broken_twice_at_a_time(seed: int, seconds: float) -> None:
    faults = [step for step in draw(seed, seconds) if step.action in {"kill", "freeze"}]
    for earlier, other in combinations(faults, 2):
        assert earlier.target != other.target or earlier.end < other.at


@given(seeds, lengths)
def test_keys_are_rotated_one_after_the_other(seed: int, seconds: float) -> None:
    rotations = [step for step in draw(seed, seconds) if step.action == "rotate"]
    assert all(earlier.end < other.at for earlier, other in pairwise(rotations))


def test_what_is_switched_off_is_not_done() -> None:
    assert {step.action for step in draw(7, 600, rotate=False, cut=False)} == {"kill", "freeze"}
    assert draw(7, 600, rotate=False) == [step for step in draw(7, 600) if step.action != "rotate"]
