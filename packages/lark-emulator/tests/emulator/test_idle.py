"""What an idle emulator does not load, and that long work in slices gives what it gives at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lark_emulator import slicing
from lark_emulator.slicing import at_once, dumped, filtered, ordered, undisturbed

#: Each costs memory or time that only encrypted events, uploads, downloads or conversions need.
NOT_LOADED = (
    "cryptography", "csv", "email", "http.client", "importlib.resources", "lark_emulator.fallback.answers",
    "lark_emulator.keeping", "lark_emulator.reach.authority", "mimetypes", "tempfile", "xml", "zipfile",
)  # fmt: skip
_LOADED = """
import sys
from lark_emulator import __main__, serving, starting
starting.preparation(None, None)
print(*sys.modules)
"""


def test_an_idle_command_loads_nothing_that_only_some_requests_need() -> None:
    arguments = [sys.executable, "-c", _LOADED]
    run = subprocess.run(arguments, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    loaded = set(run.stdout.split())
    assert "lark_emulator.routes" in loaded
    assert loaded.isdisjoint(NOT_LOADED)


@settings(deadline=None)
@given(items=st.lists(st.tuples(st.integers(0, 3), st.integers())), reverse=st.booleans())
def test_sorting_in_slices_is_stable_as_sorted_is(items: list[tuple[int, int]], *, reverse: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slicing, "RUN", 3)
        patch.setattr(slicing, "TURN", 2)
        found = at_once(ordered(items, lambda pair: pair[0], reverse=reverse))
        odd = at_once(filtered(lambda pair: pair[1] % 2 == 1, items))
    assert found == sorted(items, key=lambda pair: pair[0], reverse=reverse)
    assert odd == [pair for pair in items if pair[1] % 2 == 1]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(), inner, max_size=4),
)


@settings(deadline=None)
@given(value=_JSON)
def test_json_in_slices_is_the_same_json(value: object) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slicing, "TURN", 2)
        written = at_once(dumped(value))
    assert written == orjson.dumps(value)


def test_many_items_give_others_their_turn() -> None:
    numbers = list(range(10 * slicing.RUN))
    turns = sum(1 for _ in ordered(numbers, lambda n: -n))
    assert turns >= 10 * slicing.RUN // slicing.TURN
    assert sum(1 for _ in dumped({"deep": [{"rows": numbers}]})) == 10 * slicing.RUN // slicing.TURN
    assert sum(1 for _ in filtered(bool, numbers)) == 9


def test_a_change_meanwhile_begins_the_work_again_and_at_last_it_goes_at_once() -> None:
    state = [0]
    begun = 0

    def work() -> Generator[None, None, int]:
        nonlocal begun
        begun += 1
        first = state[0]
        yield
        assert state[0] == first  # nothing changes half-way in what is returned
        return first

    results = []

    def all_of_it() -> Generator[None, None, None]:
        results.append((yield from undisturbed(lambda: state[0], work)))

    turns = 0
    for _ in all_of_it():
        turns += 1
        state[0] += 1  # another client writes at every turn
    assert (turns, begun, results) == (3, 4, [3])
